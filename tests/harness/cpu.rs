//! How much processor time a process has used, as the kernel counts it.

use std::time::Duration;

/// Length of the ticks in which Linux tells processor times to programs, in milliseconds (`USER_HZ`).
const TICK_MS: u64 = 10;

/// Processor time of all threads of a process since its start, in the program and in the kernel on its behalf.
pub fn time_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the program's name, which may hold anything but ends in the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis((ticks(14) + ticks(15)) * TICK_MS)
}
