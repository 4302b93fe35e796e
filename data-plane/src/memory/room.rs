//! How much memory there is for the process, and how much of it the process has, as the kernel counts it.

use super::{COLLECTED_TIMES, Part, fixed_bytes};
use std::fs;
use std::path::Path;

/// The part of the room that is the budget, as a fraction: the rest is for the routing table, the kernel's buffers for the
/// process's connections, which a control group counts too, and what the allocator cannot use.
const ROOM_USED: (u64, u64) = (3, 4);

/// Bytes of a page of memory, as `statm` counts them on every platform that the program is built for.
const PAGE_BYTES: u64 = 4096;

/// The budget of a process whose operator names none, in bytes: what it holds when each of its limits is reached, every
/// request with one body, or three quarters of the memory that there is for it, if that is less.
pub(crate) fn default_budget_bytes(
    workers: usize,
    connections_max: u32,
    requests_max: u32,
    collect_budget_bytes: usize,
) -> u64 {
    let request_bytes =
        Part::Request.bytes() + Part::Body.bytes() + Part::GrownBody.bytes() + Part::PlainUpstream.bytes();
    let collected = i64::try_from(collect_budget_bytes).unwrap_or(i64::MAX).saturating_mul(COLLECTED_TIMES);
    let all = fixed_bytes(workers)
        .saturating_add(i64::from(connections_max) * Part::Http1Connection.bytes())
        .saturating_add(i64::from(requests_max.max(1)) * request_bytes)
        .saturating_add(collected);
    let all = u64::try_from(all).unwrap_or(u64::MAX);
    let (numerator, denominator) = ROOM_USED;
    room_bytes().map_or(all, |room| all.min(room / denominator * numerator))
}

/// What the process may have at most: the machine's memory, or less if a control group says so. `None`: nobody tells.
fn room_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
    let group =
        fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| group_bytes(&text, Path::new("/sys/fs/cgroup")));
    machine.into_iter().chain(group).min()
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of the groups that the process is in, and of those around them, in either version of control groups.
fn group_bytes(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (controllers, group) = (fields.nth(1)?, fields.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        // In a container the path may be one of the machine's, which is not to be seen here; the root is the container's then.
        let around = Path::new(group).ancestors().map(|ancestor| root.join(ancestor).join(file));
        around.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
    });
    limits.min()
}

/// Bytes of the process that are in memory now. `None`: the kernel does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_this_process_can_be_read() {
        assert_eq!(total_bytes("MemTotal:       24684180 kB\nMemFree: 1 kB\n"), Some(24_684_180 * 1024));
        assert_eq!(total_bytes("MemFree: 1 kB\n"), None);
        let resident = resident_bytes().expect("the kernel tells");
        assert!(resident > 0 && room_bytes().is_none_or(|room| room > resident));
    }

    #[test]
    fn the_narrowest_group_counts_in_either_version() {
        let root = std::env::temp_dir().join(format!("penstock-groups-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        };
        write("outer/memory.max", "1000\n");
        write("outer/inner/memory.max", "max\n");
        write("memory/one/memory.limit_in_bytes", "700\n");
        assert_eq!(group_bytes("0::/outer/inner\n", &root), Some(1_000));
        assert_eq!(group_bytes("0::/elsewhere\n", &root), None);
        assert_eq!(group_bytes("5:cpu,memory:/one\n2:pids:/one\n0::/outer\n", &root), Some(700));
        fs::remove_dir_all(root).expect("it is there");
    }

    #[test]
    fn the_default_is_the_sum_of_the_limits_or_a_share_of_the_room() {
        let small = default_budget_bytes(1, 10, 10, 1024);
        assert_eq!(default_budget_bytes(1, 10, 10, 1024 + 5_000) - small, 10_000);
        let all = default_budget_bytes(1, 1_000_000, 1_000_000, usize::MAX);
        assert!(room_bytes().is_none_or(|room| all < room));
    }
}
