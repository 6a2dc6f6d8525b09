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
    /// The most resident memory so far, in KiB.
    pub peak: u64,
    /// Open files, sockets included.
    pub files: usize,
    pub threads: u64,
}

impl Vitals {
    pub fn of(process: u32) -> Self {
        let process = Process::new(process.try_into().unwrap()).expect("a living process");
        let status = process.status().unwrap();
        let (memory, peak) = (status.vmrss.unwrap(), status.vmhwm.unwrap());
        Self { memory, peak, files: process.fd_count().unwrap(), threads: status.threads }
    }

    /// Asserts that the process never needed more memory than the chart's limit.
    pub fn assert_fits_into_the_chart(self) {
        assert!(include_str!("../../../helm/values.yaml").contains("memory: 1Gi"), "the limit has changed");
        assert!(self.peak < 1024 * 1024, "{} KiB", self.peak);
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [memory, peak] = [self.memory, self.peak].map(|kibibytes| kibibytes as f64 / 1024.0);
        write!(f, "{memory:.1} MiB (peak {peak:.1}), {} files, {} threads", self.files, self.threads)
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
