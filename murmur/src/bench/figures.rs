//! What comes out of a measurement.

use std::fmt;

use assessment::meter;
use serde::Serialize;

use super::setup::Told;
use crate::percentiles::Percentiles;

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) setup: Told,
    pub(crate) machine: Machine,
    pub(crate) murmuration: Figures,
    pub(crate) plain: Figures,
    pub(crate) ratios: Ratios,
}

/// Where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: u32,
}

/// Figures of one half.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Readings that made their window, per second.
    pub(crate) readings_per_s: f64,
    /// Readings that made their window, of all.
    pub(crate) made_window: f64,
    /// Windows that came to a result.
    pub(crate) windows_with_result: u64,
    /// From window end + grace to the result at an observer.
    pub(crate) result_ms: Percentiles,
    /// CPU time of all roles, while the windows were measured.
    pub(crate) cpu_s: f64,
    /// The broker with all agents connected and nothing sent yet.
    pub(crate) connected_broker_rss_mib: f64,
    pub(crate) roles: Vec<RoleUsage>,
}

/// What one process used while the windows were measured.
#[derive(Debug, Serialize)]
pub(crate) struct RoleUsage {
    pub(crate) role: String,
    pub(crate) cpu_s: f64,
    pub(crate) peak_rss_mib: f64,
}

/// This system over plain MQTT.
#[derive(Debug, Serialize)]
pub(crate) struct Ratios {
    /// Readings per second.
    pub(crate) readings_per_s: f64,
    /// CPU time for the same number of readings offered.
    pub(crate) cpu: f64,
}

impl Ratios {
    pub(crate) fn of(murmuration: &Figures, plain: &Figures) -> Self {
        Self {
            readings_per_s: murmuration.readings_per_s / plain.readings_per_s,
            cpu: murmuration.cpu_s / plain.cpu_s,
        }
    }
}

impl Machine {
    pub(crate) fn here() -> Self {
        let meter::Machine { processor, cores, .. } = meter::Machine::here();
        Self { processor, cores }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28}{:>14}{:>14}", "", "murmuration", "plain MQTT")?;
        let mut row = |name: &str, value: fn(&Figures) -> f64, digits: usize| {
            let (ours, plain) = (value(&self.murmuration), value(&self.plain));
            writeln!(f, "{name:<28}{ours:>14.digits$}{plain:>14.digits$}")
        };
        row("readings per second", |figures| figures.readings_per_s, 0)?;
        row("made their window, %", |figures| figures.made_window * 100.0, 3)?;
        row("result after, p50 ms", |figures| figures.result_ms.p50, 1)?;
        row("result after, p99 ms", |figures| figures.result_ms.p99, 1)?;
        row("CPU of all roles, s", |figures| figures.cpu_s, 2)?;
        for (name, figures) in [("murmuration", &self.murmuration), ("plain", &self.plain)] {
            for role in &figures.roles {
                let what = format!("{name}, {}", role.role);
                writeln!(f, "{what:<28}{:>8.2} s CPU {:>8.1} MiB peak", role.cpu_s, role.peak_rss_mib)?;
            }
        }
        write!(
            f,
            "ratios: {:.3} of the readings, {:.2} of the CPU",
            self.ratios.readings_per_s, self.ratios.cpu
        )
    }
}
