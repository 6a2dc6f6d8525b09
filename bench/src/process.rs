//! Reads the CPU time of a process from `/proc`.

use std::fs;
use std::time::Duration;

/// `USER_HZ`, the unit of proc(5). It is 100 on all common architectures.
const TICKS: u64 = 100;

/// User and system time of a process so far, all threads and those that have ended included.
///
/// # Panics
/// There is no such process, or no `/proc`.
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process that runs");
    // The name in brackets can contain spaces, later fields can't. utime and stime are 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}
