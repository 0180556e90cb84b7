//! A stage whose measurements are a formula, so that a test knows what must come out. It takes no time.

use std::collections::VecDeque;

use assessment::ground::Ground;
use assessment::lab::{Calibration, Impairment, LinkKind, Measured, Verdict};
use assessment::{Measure, Median, Observation, Parameters, Phase, PlayError, Role, Run, Stage, Subject};

/// Links that are what was asked for, but for a latency that adds to it.
#[derive(Default)]
pub(crate) struct Closed {
    pub(crate) added_ms: f64,
    /// Only the first so many times that they are measured.
    pub(crate) at_first: Option<usize>,
    pub(crate) calibrations: usize,
}

impl Ground for Closed {
    fn kind(&self) -> String {
        "none".to_owned()
    }

    fn notes(&self) -> Vec<String> {
        vec!["nothing is emulated <here>".to_owned()]
    }

    fn impair(&mut self, _: &Parameters) -> Result<(), PlayError> {
        Ok(())
    }

    async fn calibrate(&mut self, links: &Impairment) -> Result<Calibration, PlayError> {
        self.calibrations += 1;
        let over = self.at_first.is_some_and(|times| self.calibrations > times);
        let added_ms = if over { 0.0 } else { self.added_ms };
        let median = links.latency_ms + added_ms;
        let measured = Measured {
            latency_ms: Median::of(&[median]).unwrap(),
            jitter_ms: 0.0,
            sent_packets: 100,
            lost_packets: 0,
            loss_percent: 0.0,
            rate_mbit_s: None,
            tcp_mbit_s: 1_000.0,
        };
        let off = format!("latency_ms: asked {}, measured {median:.3}", links.latency_ms);
        let verdict = if added_ms < 0.3 { Verdict::Holds } else { Verdict::Off(vec![off]) };
        Ok(Calibration { asked: *links, kind: LinkKind::Relay, measured, verdict })
    }
}

/// Tells what [`whole_ms`] says, until something else is scripted.
#[derive(Default)]
pub(crate) struct Formula {
    /// What the next runs come to instead.
    pub(crate) script: VecDeque<PlayError>,
    pub(crate) played: Vec<(Parameters, Run)>,
}

/// A window at this system: 10 ms, 0.9 ms per peer and five times there and back.
pub(crate) fn whole_ms(p: &Parameters) -> f64 {
    10.0 + 0.9 * f64::from(p.peers) + 10.0 * p.latency_ms
}

impl<L> Stage<L> for Formula {
    async fn play(&mut self, _: &mut L, p: &Parameters, run: &Run) -> Result<Vec<Observation>, PlayError> {
        self.played.push((p.clone(), run.clone()));
        if let Some(error) = self.script.pop_front() {
            return Err(error);
        }
        let scale = if run.subject == Subject::Murmuration { 1.0 } else { 0.5 };
        let observation = |role, node: &str, phase, window, measure, value| Observation {
            subject: run.subject,
            role,
            node: node.to_owned(),
            phase,
            window,
            measure,
            value,
        };
        let mut all = Vec::new();
        for window in 0..run.windows {
            // Spread evenly around the formula.
            let off = f64::from(window) - f64::from(run.windows - 1) / 2.0;
            let value = scale * whole_ms(p) + 0.01 * off;
            all.push(observation(Role::Site, "", Phase::Whole, Some(window), Measure::WallMs, value));
        }
        for peer in 1..=p.peers {
            let bytes = 1000.0 * f64::from(p.peers) * scale;
            let node = format!("peer-{peer}");
            all.push(observation(Role::Peer, &node, Phase::Whole, None, Measure::WireSentBytes, bytes));
        }
        Ok(all)
    }
}
