//! What a contestant and everybody else used, as the kernel counts it.

use harness::cpu;
use std::time::{Duration, Instant};

/// Length of the ticks in which Linux tells processor times to programs, in milliseconds (`USER_HZ`).
const TICK_MS: u64 = 10;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The fields of a process's `stat` behind its name, the first of which is its state.
fn fields_of(pid: u32) -> Vec<String> {
    let stat = read(&format!("/proc/{pid}/stat"));
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// A process and its children, whose work is the program's work: nginx serves in workers.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parent = pid.to_string();
    std::iter::once(pid).chain(all.filter(|&other| fields_of(other).get(1) == Some(&parent))).collect()
}

/// Processor time of these processes since their start.
pub(crate) fn processor_time(family: &[u32]) -> Duration {
    family.iter().map(|&pid| cpu::time_of(pid)).sum()
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The most that these processes have held since their start, in KiB.
pub(crate) fn peak_kib(family: &[u32]) -> u64 {
    family.iter().map(|pid| kib(&read(&format!("/proc/{pid}/status")), "VmHWM:")).sum()
}

/// What these processes hold now, pages that several of them map counted once, in KiB.
pub(crate) fn proportional_kib(family: &[u32]) -> u64 {
    family.iter().map(|pid| kib(&read(&format!("/proc/{pid}/smaps_rollup")), "Pss:")).sum()
}

/// Processor time that the whole machine spent in programs and in the kernel on their behalf.
fn busy() -> Duration {
    let stat = read("/proc/stat");
    let ticks: u64 =
        stat.lines().next().unwrap().split_whitespace().skip(1).take(3).map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * TICK_MS)
}

/// Our own processor time, with that of the generators that have ended.
fn ours() -> Duration {
    let ticks: u64 = fields_of(std::process::id())[11..15].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * TICK_MS)
}

/// Measures how much of the machine went to what does not belong to the bench.
pub(crate) struct Neighbours {
    begun: Instant,
    busy: Duration,
    known: Duration,
    family: Vec<u32>,
}

impl Neighbours {
    /// Begins; `family` are the processes of the bench that are no children which end meanwhile.
    pub(crate) fn watch(family: Vec<u32>) -> Self {
        Self { begun: Instant::now(), busy: busy(), known: ours() + processor_time(&family), family }
    }

    /// Their share of the machine, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        let known = ours() + processor_time(&self.family) - self.known;
        let strange = (busy() - self.busy).saturating_sub(known);
        let cores = std::thread::available_parallelism().unwrap().get();
        strange.as_secs_f64() / self.begun.elapsed().as_secs_f64() / cores as f64
    }
}
