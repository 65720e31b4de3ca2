//! What the process itself costs, under the names of Prometheus' own client libraries; read from `/proc` when asked.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::fs;

/// Clock ticks a second, as Linux reports them to user space on every architecture.
const TICKS: f64 = 100.0;

/// Reads the process's figures whenever metrics are asked for.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut tell = |name: &str, help: &str, metric: &dyn Told| metric.tell(&mut encoder, name, help);
        if let Some(seconds) = cpu_seconds(&read("/proc/self/stat")) {
            let counter = ConstCounter::new(seconds);
            tell("process_cpu_seconds", "Processor time used, in seconds", &counter)?;
        }
        if let Some(bytes) = resident(&read("/proc/self/status")) {
            let gauge = ConstGauge::new(bytes);
            tell("process_resident_memory_bytes", "Memory in use, in bytes", &gauge)?;
        }
        let files = fs::read_dir("/proc/self/fd").map(Iterator::count);
        if let Some(files) = files.ok().and_then(|n| i64::try_from(n).ok()) {
            tell(
                "process_open_fds",
                "Files and sockets that are open",
                &ConstGauge::new(files),
            )?;
        }
        Ok(())
    }
}

/// A metric without labels.
trait Told {
    fn tell(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> std::fmt::Result;
}

impl<M: EncodeMetric> Told for M {
    fn tell(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> std::fmt::Result {
        let metric = encoder.encode_descriptor(name, help, None, self.metric_type())?;
        self.encode(metric)
    }
}

/// A metric that is not there is left out, so that a file that is not there is empty.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// User and system time of `/proc/<pid>/stat`: fields 14 and 15; the name in field 2 may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS)
}

/// `VmRSS` of `/proc/<pid>/status`, which is in KiB.
fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_field_by_field() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(resident("Name:\tx\nVmRSS:\t  100 kB\n"), Some(102_400));
        assert_eq!((cpu_seconds(""), resident("x")), (None, None));
    }

    #[test]
    fn this_process_is_told() {
        let text = crate::metrics::Metrics::default().render();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}
