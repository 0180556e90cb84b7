//! What a peer's status tells: who is there, whose clock differs, who does not follow the protocol.

use std::collections::BTreeMap;

use smc_core::name::NodeName;
use smc_core::peer::{Ahead, Blame, Condition, Notices, Refusal};
use smc_core::time::WindowIndex;
use smc_mqtt::status::{Blamed, Fare};
use tracing::{info, warn};

/// How many accusations are listed, by node and reason; further ones are counted alone.
const BLAMED: usize = 64;

/// What was told last, and who was blamed so far.
#[derive(Default)]
pub(super) struct Reporter {
    notices: Notices,
    blamed: BTreeMap<(NodeName, &'static str), (u64, Option<WindowIndex>)>,
    /// Whether somebody was blamed since.
    news: bool,
}

impl Reporter {
    /// Takes over what the peer notices, and logs what is new; whether anything is, or somebody was blamed.
    pub(super) fn notice(&mut self, me: &NodeName, notices: Notices) -> bool {
        let notices = rounded(notices);
        for (peer, condition) in &notices.peers {
            if self.notices.peers.get(peer) != Some(condition) {
                info!(node = %me, %peer, condition = ?condition, "another peer");
            }
        }
        for (node, &ahead) in &notices.clocks {
            if !self.notices.clocks.contains_key(node) {
                warn!(node = %me, of = %node, seconds_ahead = seconds(ahead), "a clock differs from this peer's");
            }
        }
        if let (Some(ahead), None) = (notices.own_clock, self.notices.own_clock) {
            warn!(node = %me, seconds_ahead = seconds(ahead), "this peer's clock differs from most others; check NTP");
        }
        let news = std::mem::take(&mut self.news) || notices != self.notices;
        self.notices = notices;
        news
    }

    /// Notes that somebody did what an honest node doesn't; whether it could be listed.
    pub(super) fn blame(
        &mut self,
        node: NodeName,
        reason: &'static str,
        window: Option<WindowIndex>,
    ) -> bool {
        self.news = true;
        let full = self.blamed.len() >= BLAMED;
        let key = (node, reason);
        if full && !self.blamed.contains_key(&key) {
            return false;
        }
        let (count, newest) = self.blamed.entry(key).or_insert((0, None));
        *count += 1;
        *newest = window.max(*newest);
        true
    }

    /// How the other peers fare.
    pub(super) fn peers(&self) -> BTreeMap<&NodeName, Fare> {
        let fare = |condition: &Condition| match condition {
            Condition::Gone => Fare::Gone,
            Condition::Online => Fare::Online,
            Condition::Slow => Fare::Slow,
        };
        self.notices.peers.iter().map(|(peer, condition)| (peer, fare(condition))).collect()
    }

    /// Whose clocks are ahead of this peer's, by how many seconds.
    pub(super) fn clocks(&self) -> BTreeMap<&NodeName, f64> {
        self.notices.clocks.iter().map(|(node, &ahead)| (node, seconds(ahead))).collect()
    }

    /// How many seconds this peer's clock is ahead of most others.
    pub(super) fn own_clock(&self) -> Option<f64> {
        self.notices.own_clock.map(seconds)
    }

    /// Who was blamed, for what, how often, and in which window last.
    pub(super) fn blamed(&self) -> Vec<Blamed<'_>> {
        let blamed = self.blamed.iter();
        blamed.map(|((node, reason), &(count, window))| Blamed { node, reason, count, window }).collect()
    }
}

/// Who is blamed, for what, and in which window.
pub(super) fn accusation(blame: &Blame) -> (&NodeName, &'static str, WindowIndex) {
    match blame {
        Blame::Equivocation { agent, window } => (agent, "equivocation", *window),
        Blame::FalsePartial { peer, window, .. } => (peer, "false_partial", *window),
        Blame::InvalidInput { agent, window } => (agent, "invalid_input", *window),
        Blame::OtherResult { peer, window, .. } => (peer, "other_result", *window),
        Blame::TwoFaced { peer, window } => (peer, "two_faced", *window),
    }
}

/// To tenths of a second: what changes less is no news.
fn rounded(mut notices: Notices) -> Notices {
    let tenths = |ahead: &mut Ahead| ahead.0 = (ahead.0 / 100_000) * 100_000;
    notices.clocks.values_mut().for_each(tenths);
    notices.own_clock.as_mut().map(tenths);
    notices
}

fn seconds(ahead: Ahead) -> f64 {
    ahead.0 as f64 / 1e6
}

/// The name under which a refusal is counted.
pub(super) fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Contradicts => "contradiction",
        Refusal::Early => "early",
        Refusal::ForeignRoster => "other_site_file",
        Refusal::Late => "late",
        Refusal::Malformed => "malformed",
        Refusal::Unknown => "unknown_quantity_or_query",
        Refusal::Unsigned => "unsigned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accusations_are_counted_and_their_list_is_bounded() {
        let mut reporter = Reporter::default();
        for window in [7, 9, 8] {
            assert!(reporter.blame("peer-3".parse().unwrap(), "false_partial", Some(WindowIndex(window))));
        }
        let blamed = reporter.blamed();
        assert_eq!((blamed.len(), blamed[0].count, blamed[0].window), (1, 3, Some(WindowIndex(9))));
        let listed = (0..1_000).filter(|i| {
            reporter.blame(format!("room-{i}").parse().unwrap(), "equivocation", Some(WindowIndex(1)))
        });
        assert_eq!(listed.count(), BLAMED - 1);
        assert!(
            reporter.blame("peer-3".parse().unwrap(), "false_partial", None),
            "known ones are still counted"
        );
    }

    #[test]
    fn what_stays_the_same_is_no_news() {
        let mut reporter = Reporter::default();
        let me = "peer-1".parse().unwrap();
        let notices = |micros| Notices {
            clocks: BTreeMap::from([("peer-2".parse().unwrap(), Ahead(micros))]),
            ..Notices::default()
        };
        assert!(reporter.notice(&me, notices(-2_510_000)));
        assert!(!reporter.notice(&me, notices(-2_590_000)));
        assert_eq!(reporter.clocks().into_values().collect::<Vec<_>>(), [-2.5]);
        assert!(reporter.notice(&me, Notices::default()));
    }
}
