//! A laboratory is ground to play on.

use super::{Calibrated, Ground, Links, Measured};
use crate::lab::{Calibration, Impairment, Lab, LinkKind, Verdict};
use crate::parameters::Parameters;
use crate::stage::PlayError;

impl Ground for Lab {
    fn kind(&self) -> String {
        match Lab::kind(self) {
            LinkKind::Netem => "the kernel's own emulation between network namespaces".to_owned(),
            LinkKind::Proxy => "proxies on the loopback".to_owned(),
            LinkKind::Relay => "a relay between network namespaces".to_owned(),
        }
    }

    fn notes(&self) -> Vec<String> {
        Lab::notes(self).to_vec()
    }

    fn impair(&mut self, point: &Parameters) -> Result<(), PlayError> {
        Lab::impair(self, Impairment::from(point)).map_err(|error| links(&error))
    }

    async fn calibrate(&mut self, point: &Parameters) -> Result<Calibrated, PlayError> {
        let calibration = Lab::calibrate(self, &Impairment::from(point)).await;
        let calibration = calibration.map_err(|error| links(&error))?;
        Ok(Calibrated { links: Links::from(point), rows: rows(&calibration) })
    }
}

fn links(error: &crate::lab::LabError) -> PlayError {
    PlayError::Setup { what: "the network".to_owned(), why: error.to_string() }
}

/// What was measured, beside what was asked; what nobody asked for is told all the same: what the laboratory itself costs.
fn rows(calibration: &Calibration) -> Vec<Measured> {
    let Calibration { asked, measured, verdict, .. } = calibration;
    let fits = |what: &str| match verdict {
        Verdict::Holds => true,
        Verdict::Off(reasons) => !reasons.iter().any(|reason| reason.starts_with(what)),
    };
    let row = |what: &str, asked: Option<f64>, measured: f64| Measured {
        what: what.to_owned(),
        asked,
        measured,
        low: None,
        high: None,
        fits: fits(what),
    };
    let latency = row("latency_ms", Some(asked.latency_ms), measured.latency_ms.median);
    let mut rows = vec![
        Measured { low: Some(measured.latency_ms.low), high: Some(measured.latency_ms.high), ..latency },
        row("jitter_ms", Some(asked.jitter_ms), measured.jitter_ms),
        row("loss_percent", Some(asked.loss_percent), measured.loss_percent),
        row("tcp_mbit_s", None, measured.tcp_mbit_s),
    ];
    if let Some(rate) = measured.rate_mbit_s {
        rows.push(row("rate_mbit_s", asked.rate_mbit_s, rate));
    }
    rows
}
