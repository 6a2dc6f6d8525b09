//! A process looked at from outside: what the kernel says of it, and what it says of itself.

use std::fmt;
use std::net::SocketAddr;

use procfs::process::Process;

use crate::harness::get;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    /// Resident memory, in KiB.
    pub memory: u64,
    /// Open files, sockets included.
    pub files: usize,
    pub threads: u64,
}

impl Vitals {
    pub fn of(process: u32) -> Self {
        let process = Process::new(process.try_into().unwrap()).expect("a living process");
        let status = process.status().unwrap();
        Self { memory: status.vmrss.unwrap(), files: process.fd_count().unwrap(), threads: status.threads }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.memory as f64 / 1024.0;
        write!(f, "{megabytes:.1} MiB, {} files, {} threads", self.files, self.threads)
    }
}

/// One page of `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    pub async fn of(admin: SocketAddr) -> Self {
        Self(get(admin, "/metrics", "text/plain").await.1)
    }

    /// The sum of the series whose name begins like this and whose labels have all of these in them.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let is_one = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| rest.contains(label))
        };
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter(|(series, _)| is_one(series)).map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// A series without labels.
    pub fn value(&self, name: &str) -> f64 {
        self.sum(name, &[])
    }
}
