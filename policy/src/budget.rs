//! Bounds on what is asked, whatever the policy says.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use smc_core::name::{NodeName, QuantityName};
use smc_core::roster::Span;
use smc_core::time::Timestamp;

use crate::case::Case;
use crate::judgement::{Judgement, Outcome};
use crate::rules::BUDGET;

const DAY: Duration = Duration::from_secs(86_400);

/// `[budget]` of a peer's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// How many queries one client may have begun within 24 hours.
    pub queries_per_client_and_day: u16,
    /// How many queries may run altogether.
    pub running: u32,
    /// How many queries of one client may run.
    pub running_per_client: u32,
    /// The shortest time between two results of a quantity.
    pub finest_period: BTreeMap<QuantityName, Span>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            queries_per_client_and_day: 100,
            running: 1_000,
            running_per_client: 50,
            finest_period: BTreeMap::new(),
        }
    }
}

impl Budgets {
    /// What `case` would overdraw, in words for its client.
    ///
    /// # Errors
    /// The first budget that does not suffice, as a denial.
    pub fn check(&self, spending: &Spending, case: &Case) -> Result<(), Judgement> {
        for quantity in &case.quantities {
            if let Some(finest) = self.finest_period.get(quantity).filter(|finest| case.period < finest.get())
            {
                let period = Span::new(case.period);
                return Err(overdrawn(format!(
                    "`{quantity}` is given out every {finest} at most; this asks for every {period}"
                )));
            }
        }
        let (begun, most) = (spending.begun(&case.client, case.at), self.queries_per_client_and_day);
        if begun >= usize::from(most) {
            let again = spending.free_again(&case.client, usize::from(most));
            let again = again.map(|at| format!("; ask again after {at}")).unwrap_or_default();
            return Err(overdrawn(format!("{most} queries a day are this client's budget{again}")));
        }
        if case.running.client >= self.running_per_client {
            let most = self.running_per_client;
            return Err(overdrawn(format!("{most} queries of one client may run; cancel one of them")));
        }
        if case.running.all >= self.running {
            return Err(overdrawn(format!("{} queries may run at this peer, and do", self.running)));
        }
        Ok(())
    }
}

fn overdrawn(reason: String) -> Judgement {
    Judgement { outcome: Outcome::Deny, reason, rule: Some(BUDGET.to_owned()) }
}

/// What clients have begun within the last 24 hours. A peer that starts counts the requests again that its log says it
/// did not deny.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    /// For each client the instants, the oldest first; at most as many as a budget can allow.
    begun: BTreeMap<NodeName, VecDeque<Timestamp>>,
}

impl Spending {
    /// That `client`, which is one of the site's, was not denied a request at `at`.
    pub fn count(&mut self, client: &NodeName, at: Timestamp) {
        let begun = self.begun.entry(client.clone()).or_default();
        let place = begun.partition_point(|&earlier| earlier <= at);
        begun.insert(place, at);
        let newest = begun.back().copied().unwrap_or(at);
        while begun.len() > usize::from(u16::MAX)
            || begun.front().is_some_and(|&oldest| newest.since(oldest) >= DAY)
        {
            begun.pop_front();
        }
    }

    /// How many queries `client` has begun within the day before `now`. What a clock that ran ahead has dated later counts.
    pub fn begun(&self, client: &NodeName, now: Timestamp) -> usize {
        let begun = self.begun.get(client).into_iter().flatten();
        begun.filter(|&&at| now.since(at) < DAY).count()
    }

    /// When less than `most` of them will be within a day.
    fn free_again(&self, client: &NodeName, most: usize) -> Option<Timestamp> {
        let begun = self.begun.get(client)?;
        let last_that_counts = begun.len().checked_sub(most)?;
        begun.get(last_that_counts).map(|&at| at + DAY)
    }
}
