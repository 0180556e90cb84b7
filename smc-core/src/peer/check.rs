//! 4.5 and 5.2: are the inputs of the planned cohort what they claim to be? All at once first, and only if they are
//! not, each agent by itself.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Node;
use super::exchange::Exchange;
use crate::field::Fp;
use crate::mutation::{Rule, disabled};
use crate::peers::PeerSet;
use crate::protocol::plan::{Member, Plan};
use crate::protocol::validity::{COIN, Challenge, Evidence, passes};
use crate::prss::Randomness;
use crate::result::Reason;
use crate::roster::QuantityIndex;
use crate::shamir::{Degree, PeerIndex, Sharing};
use crate::time::Timestamp;

/// A check in progress.
#[derive(Debug)]
pub(super) struct Check {
    plan: Arc<Plan>,
    randomness: Randomness,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Waiting for the coin, which nobody knows before the inventories are fixed.
    Coin,
    /// Waiting for the sums over all inputs.
    Batch(Vec<Fp>),
    /// Waiting for the sums over each input by itself.
    Each,
}

/// What a check has come to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// All inputs but those of these streams are what they claim to be.
    Invalid(Vec<usize>),
    /// The check itself failed.
    Failed(Reason),
    /// Not all have been heard.
    Waiting,
}

/// A coin that comes out, sums, and a list of what all peers showed.
type Shown = Vec<(PeerIndex, Zeroizing<Vec<Fp>>)>;

impl Check {
    /// Begins to check the inputs of `plan`.
    pub(super) fn start(
        node: &mut Node,
        now: Timestamp,
        plan: Arc<Plan>,
        randomness: Randomness,
        exchange: &mut Exchange,
    ) -> Self {
        let mut check = Self { plan, randomness, step: Step::Coin };
        let mut coin = Zeroizing::new(vec![Fp::ZERO; COIN]);
        check.randomness.add_random(&mut coin);
        exchange.show(node, now, check.plan.peers, coin);
        check
    }

    /// Who computes on what, if all is well.
    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Goes on as far as what was heard and the time allow.
    pub(super) fn advance(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        quantity: QuantityIndex,
        exchange: &mut Exchange,
    ) -> Verdict {
        while let Some(shown) = exchange.heard() {
            let sharing = node.roster.sharing();
            match std::mem::replace(&mut self.step, Step::Each) {
                Step::Coin => match open_coin(sharing, &shown) {
                    Ok(coin) => {
                        let Some(all) = self.weigh(node, quantity, &coin) else {
                            return Verdict::Failed(Reason::Lost);
                        };
                        let all = all.into_iter().fold(Evidence::default(), Evidence::plus);
                        let masked = self.mask(&[all]);
                        exchange.show(node, now, self.plan.peers, masked);
                        self.step = Step::Batch(coin);
                    }
                    Err(reason) => return Verdict::Failed(reason),
                },
                Step::Batch(_) if invalid(sharing, 1, &shown).is_empty() || disabled(Rule::CheckedInputs) => {
                    return Verdict::Invalid(Vec::new());
                }
                Step::Batch(coin) => {
                    let Some(each) = self.weigh(node, quantity, &coin) else {
                        return Verdict::Failed(Reason::Lost);
                    };
                    let masked = self.mask(&each);
                    exchange.show(node, now, self.plan.peers, masked);
                }
                Step::Each => return self.judge(&invalid(sharing, self.plan.cohort.len(), &shown)),
            }
        }
        if exchange.deadline().is_some_and(|deadline| deadline <= now) {
            let (have, need) = (exchange.have(), exchange.peers().len());
            return Verdict::Failed(Reason::ChecksMissing { have, need });
        }
        Verdict::Waiting
    }

    /// What this peer's shares of each input of the cohort come to.
    fn weigh(&self, node: &Node, quantity: QuantityIndex, coin: &[Fp]) -> Option<Vec<Evidence>> {
        let streams = &node.roster.quantity(quantity).streams;
        let mut challenge = Challenge::new(coin);
        let weigh = |member: &Member| {
            let (bundle, place) = streams[member.stream];
            let mut evidence = Evidence::default();
            for part in node.roster.parts(bundle) {
                let stream = &node.roster.bundle(part).streams[place];
                let bits = node.holdings.get(part, member.window)?.bits(place, stream)?;
                evidence = evidence.plus(challenge.weigh(bits));
            }
            Some(evidence)
        };
        self.plan.cohort.iter().map(weigh).collect()
    }

    /// All linear sums, then all squares, each hidden by a random number or by a sharing of zero.
    fn mask(&mut self, evidence: &[Evidence]) -> Zeroizing<Vec<Fp>> {
        let linear = evidence.iter().map(|evidence| evidence.linear);
        let squares = evidence.iter().map(|evidence| evidence.square);
        let mut masked: Zeroizing<Vec<Fp>> = Zeroizing::new(linear.chain(squares).collect());
        let (linear, squares) = masked.split_at_mut(evidence.len());
        self.randomness.add_random(linear);
        self.randomness.add_zeros(squares);
        masked
    }

    /// When most inputs seem wrong, it is not the agents who lie.
    fn judge(&self, invalid: &[usize]) -> Verdict {
        let cohort = &self.plan.cohort;
        if invalid.is_empty() || 2 * invalid.len() > cohort.len() {
            return Verdict::Failed(Reason::Check { invalid: invalid.len(), of: cohort.len() });
        }
        Verdict::Invalid(invalid.iter().map(|&at| cohort[at].stream).collect())
    }
}

fn open_coin(sharing: Sharing, shown: &Shown) -> Result<Vec<Fp>, Reason> {
    let partials: Vec<_> = shown.iter().map(|(peer, shares)| (*peer, shares.as_slice())).collect();
    match sharing.open_batch(Degree::Single, &partials) {
        Ok(batch) if batch.values.len() == COIN => Ok(batch.values),
        Ok(_) => Err(Reason::Check { invalid: 0, of: 0 }),
        Err(error) => Err(Reason::Coin(error)),
    }
}

/// The places, out of `count`, of the inputs that do not pass.
fn invalid(sharing: Sharing, count: usize, shown: &Shown) -> Vec<usize> {
    let complete = shown.iter().all(|(_, shares)| shares.len() == 2 * count);
    let lane = |lane: usize| -> Vec<(PeerIndex, &[Fp])> {
        shown.iter().map(|(peer, shares)| (*peer, &shares[lane..=lane])).collect()
    };
    (0..count).filter(|&at| !complete || !passes(sharing, &lane(at), &lane(count + at))).collect()
}

/// Whether inputs can be checked among `peers`.
pub(super) fn possible(sharing: Sharing, peers: PeerSet) -> bool {
    peers.len() >= crate::protocol::validity::needs(sharing)
}
