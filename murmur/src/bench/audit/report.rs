//! What came of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::percentiles::percentiles;

/// What appending to a log and verifying it took.
#[derive(Debug, Serialize)]
pub(crate) struct LogReport {
    pub(super) entries: u64,
    pub(super) results: u64,
    pub(super) signatures_per_result: usize,
    pub(super) bytes_per_entry: u64,
    pub(super) append_mean_us: f64,
    pub(super) append_p99_us: f64,
    pub(super) head_mean_ms: f64,
    pub(super) verify_s: f64,
    pub(super) verified_per_s: f64,
    /// The same entries in a plain table.
    pub(super) plain: PlainReport,
    pub(super) ratios: Ratios,
}

/// What a plain table takes.
#[derive(Debug, Serialize)]
pub(super) struct PlainReport {
    pub(super) append_mean_us: f64,
    pub(super) append_p99_us: f64,
    pub(super) scan_s: f64,
}

/// How many times as long as with a plain table.
#[derive(Debug, Serialize)]
pub(super) struct Ratios {
    pub(super) append_mean: f64,
    pub(super) verify_to_scan: f64,
}

/// Mean and 99th percentile, in microseconds.
pub(super) fn micros(times: &[Duration]) -> (f64, f64) {
    let mut micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let mean = micros.iter().sum::<f64>() / micros.len().max(1) as f64;
    (mean, percentiles(&mut micros).p99)
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plain, ratios, .. } = self;
        writeln!(
            f,
            "entries    {}, {} of them results with {} signatures each",
            self.entries, self.results, self.signatures_per_result
        )?;
        writeln!(f, "on disk    {} bytes per entry", self.bytes_per_entry)?;
        writeln!(
            f,
            "append     {:.0} us in the mean, p99 {:.0} us; in a plain table {:.0} and {:.0} us ({:.1} times)",
            self.append_mean_us,
            self.append_p99_us,
            plain.append_mean_us,
            plain.append_p99_us,
            ratios.append_mean
        )?;
        writeln!(f, "head       {:.1} ms in the mean, with the disk", self.head_mean_ms)?;
        write!(
            f,
            "verify     {:.1} s, {:.0} entries per second; a plain table is read in {:.2} s ({:.1} times)",
            self.verify_s, self.verified_per_s, plain.scan_s, ratios.verify_to_scan
        )
    }
}
