//! What the kernel says of this process.
//!
//! Refuses to fail: where there is no `/proc`, the metrics stay 0.

use super::Metrics;

/// Ticks a second in `/proc/self/stat`: fixed for user space on every Linux that Kubernetes runs
/// on.
const TICKS: f64 = 100.0;

pub(super) fn observe(metrics: &Metrics) {
    if let Some(seconds) = std::fs::read_to_string("/proc/self/stat")
        .ok()
        .as_deref()
        .and_then(cpu_seconds)
    {
        metrics.cpu.inc_by((seconds - metrics.cpu.get()).max(0.0));
    }
    if let Some(bytes) = std::fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(resident_bytes)
    {
        metrics.resident_memory.set(bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics
            .open_fds
            .set(i64::try_from(files.count()).unwrap_or(i64::MAX));
    }
}

/// User and system time: the 14th and 15th field, counted after the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace()
        .next()?
        .parse::<i64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  12 kB\n"), Some(12_288));
    }
}
