//! The figures of a process: from the kernel, and from its metrics.

use std::fmt;
use std::net::SocketAddr;

use procfs::process::Process;

use crate::harness::get;

/// The resources of a process.
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

    /// The sum of the series with this name and all of these labels.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let is_one = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| rest.contains(label))
        };
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter(|(series, _)| is_one(series)).map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// The value of a series without labels.
    pub fn value(&self, name: &str) -> f64 {
        self.sum(name, &[])
    }
}
