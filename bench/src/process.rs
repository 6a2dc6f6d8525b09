//! Reads the CPU time of a process.

use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// User and system time of a process so far, all threads and those that have ended included.
///
/// It is the process's own CPU clock, which counts nanoseconds. `/proc/PID/stat` counts ticks of
/// 10 ms.
///
/// # Panics
/// There is no such process.
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let pid = Pid::from_raw(pid.try_into().expect("a process id"));
    let clock = clock_getcpuclockid(pid).expect("a process that runs");
    clock.now().expect("a clock of a process that runs").into()
}
