//! The `process_*` metrics of the Prometheus client libraries (prometheus.io, "Standard and runtime
//! collectors"). They exist on Linux only.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        use prometheus_client::encoding::EncodeMetric;
        use prometheus_client::metrics::counter::ConstCounter;
        use prometheus_client::metrics::gauge::ConstGauge;

        // Without /proc, as in some sandboxes, the other metrics still work.
        let Some(usage) = linux::read_usage() else { return Ok(()) };
        let mut gauge = |name: &str, help: &str, value: f64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("process_resident_memory_bytes", "Resident memory", usage.resident)?;
        gauge("process_virtual_memory_bytes", "Virtual memory", usage.virtual_memory)?;
        gauge("process_open_fds", "Open file descriptors", usage.open_files)?;
        gauge("process_max_fds", "Maximum number of open file descriptors", usage.max_files)?;
        gauge("process_threads", "Threads", usage.threads)?;
        gauge("process_start_time_seconds", "Start time of the process, since the epoch", usage.started)?;
        let cpu = ConstCounter::new(usage.cpu);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time, user and system",
            None,
            cpu.metric_type(),
        )?)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::{LimitValue, Process};
    use procfs::{boot_time_secs, page_size, ticks_per_second};

    pub(super) struct Usage {
        pub(super) resident: f64,
        pub(super) virtual_memory: f64,
        pub(super) open_files: f64,
        pub(super) max_files: f64,
        pub(super) threads: f64,
        pub(super) started: f64,
        pub(super) cpu: f64,
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a double; bytes fit it up to 8 PiB")]
    pub(super) fn read_usage() -> Option<Usage> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let max_files = match process.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(most) => most as f64,
            LimitValue::Unlimited => f64::INFINITY,
        };
        let ticks = ticks_per_second() as f64;
        Some(Usage {
            resident: stat.rss as f64 * page_size() as f64,
            virtual_memory: stat.vsize as f64,
            open_files: process.fd_count().ok()? as f64,
            max_files,
            threads: stat.num_threads as f64,
            started: boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks,
            cpu: (stat.utime + stat.stime) as f64 / ticks,
        })
    }
}
