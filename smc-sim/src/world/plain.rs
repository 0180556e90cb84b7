//! What the peers should have computed, computed in the plain; and what must hold in every history.

use std::collections::{BTreeMap, BTreeSet};

use smc_core::message::PeerMessage;
use smc_core::protocol::plan::Plan;
use smc_core::result::{ResultDocument, Status};
use smc_core::roster::QuantityIndex;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;
use smc_core::value::Value;

use super::{Content, Sender, World};

impl World {
    /// The agents of a plan's cohort within a query's scope, with the window after noon that each reading is of.
    pub fn covered(&self, query: &str, plan: &Plan) -> Vec<(usize, u64)> {
        let query = self.roster.query(self.roster.query_named(&query.parse().unwrap()).unwrap());
        let streams = &self.roster.quantity(query.quantity).streams;
        let of = |stream: usize| self.roster.bundle(streams[stream].0).agent;
        let covered = plan.cohort.iter().filter(|m| query.covers(&self.roster.agent(of(m.stream)).labels));
        covered.map(|m| (of(m.stream).at(), self.since_noon(m.window))).collect()
    }

    /// The value of `function` over the readings of `covered`, exact for whole numbers.
    pub fn plainly(&self, function: &str, covered: &[(usize, u64)]) -> f64 {
        let readings: Vec<f64> =
            covered.iter().map(|&(agent, w)| (self.readings)(agent, w).unwrap()).collect();
        let sum: f64 = readings.iter().sum();
        match function {
            "count" => readings.len() as f64,
            "sum" => sum,
            "max" => readings.iter().copied().fold(f64::MIN, f64::max),
            "mean" => (sum / readings.len() as f64 * 100.0).round_ties_even() / 100.0,
            other => panic!("{other}"),
        }
    }

    /// The plan that a peer agreed to.
    pub fn plan(&self, peer: PeerIndex, window: WindowIndex) -> Option<&Plan> {
        let agreed = self.log.agreed.iter().find(|(at, _, w, _)| (*at, *w) == (peer, window));
        agreed.map(|(_, _, _, plan)| &**plan)
    }

    /// Everything that must hold whatever happened, as long as all are honest.
    pub fn assert_sound(&self) {
        self.assert_values_are_plain();
        self.assert_one_vote();
        self.assert_cohorts_are_frozen();
        self.assert_one_result();
        assert_eq!(self.log.blamed, [], "nobody lied");
    }

    /// A value is that of the plain computation on the agreed cohort, and the cohort is large enough.
    pub fn assert_values_are_plain(&self) {
        for told in &self.log.results {
            let result = &told.signed.result;
            if result.status != Status::Ok {
                assert_eq!(result.value, None);
                continue;
            }
            let plan = self.plan(told.peer, result.window.index).expect("a value without an agreement");
            let covered = self.covered(result.query.as_str(), plan);
            let plain = self.plainly(&result.function, &covered);
            let value = result.value.as_ref().and_then(Value::as_number).unwrap();
            assert!((value - plain).abs() < 0.011, "{result:?} instead of {plain}");
            let now = self.since_noon(result.window.index);
            let fresh = covered.iter().filter(|&&(_, w)| w == now).count();
            assert_eq!((result.fresh as usize, result.carried as usize), (fresh, covered.len() - fresh));
            assert!(result.cohort >= self.minimum(result), "{result:?}");
            assert!(result.fresh >= self.minimum(result), "{result:?}");
            assert_eq!(told.signed.verify(&self.roster), Ok(()));
        }
    }

    fn minimum(&self, result: &ResultDocument) -> u32 {
        self.roster.query(self.roster.query_named(&result.query).unwrap()).minimum_cohort
    }

    /// No peer ever sends two different votes, nor two different shares of an output, in one window.
    pub fn assert_one_vote(&self) {
        let mut said = BTreeMap::new();
        for (_, packet) in &self.log.sent {
            let (Sender::Peer(from), Content::Peer(message)) = (packet.from, &packet.content) else {
                continue;
            };
            let (what, content) = match message {
                PeerMessage::Partial(p) => {
                    (format!("{:?} {}.{}", p.of, p.round, p.part), format!("{:?}", *p.shares.0))
                }
                PeerMessage::Seeds(_) => continue,
                PeerMessage::Vote(v) => {
                    (format!("vote {}", v.document.quantity), String::from(v.document.digest))
                }
                PeerMessage::Inventory(_) | PeerMessage::Endorsement(_) => continue,
            };
            let first = said.entry((from, message.window(), what)).or_insert_with(|| content.clone());
            assert_eq!(*first, content, "{from} said two things in {:?}", message.window());
        }
    }

    /// All cohorts agreed within one epoch have the same members.
    pub fn assert_cohorts_are_frozen(&self) {
        let mut frozen: BTreeMap<(QuantityIndex, u64), BTreeSet<usize>> = BTreeMap::new();
        for (_, quantity, window, plan) in &self.log.agreed {
            let period = self.roster.quantity(*quantity).quantity.period();
            let epoch =
                period.start(*window).as_micros() / self.roster.timing().cohort_epoch.as_micros() as u64;
            let members: BTreeSet<usize> = plan.cohort.iter().map(|member| member.stream).collect();
            let first = frozen.entry((*quantity, epoch)).or_insert_with(|| members.clone());
            assert_eq!(*first, members, "the cohort changed within epoch {epoch}, in window {window}");
        }
    }

    /// All agreements of a window are on one plan, and all values of a query in a window are one value.
    pub fn assert_one_result(&self) {
        let mut plans = BTreeMap::new();
        for (_, quantity, window, plan) in &self.log.agreed {
            let first = plans.entry((*quantity, *window)).or_insert(plan);
            assert_eq!(*first, plan, "two plans were agreed in {window}");
        }
        let mut values = BTreeMap::new();
        let told = self.log.results.iter().map(|told| &told.signed.result);
        for result in told.filter(|result| result.status == Status::Ok) {
            let first = values.entry((&result.query, result.window.index)).or_insert(result);
            assert_eq!(*first, result, "two values in one window");
        }
    }

    /// How many windows of a query came to a value.
    pub fn succeeded(&self, query: &str) -> usize {
        let ok = self.log.results.iter().map(|told| &told.signed.result);
        let windows: BTreeSet<_> = ok
            .filter(|r| r.query.as_str() == query && r.status == Status::Ok)
            .map(|r| r.window.index)
            .collect();
        windows.len()
    }
}
