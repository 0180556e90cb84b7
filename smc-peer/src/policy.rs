//! The peer's policy and budgets as its desk asks them.

use std::sync::Arc;
use std::time::Duration;

use smc_core::audit::PolicyRead;
use smc_core::desk::{Judge, Judgement, Outcome, Running, Saved};
use smc_core::request::{Request, Verdict};
use smc_core::result::VERSION;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_core::time::Timestamp;
use smc_policy::{Budgets, Case, Circumstances, News, PolicyError, PolicySettings, Spending, Watched};

/// How often the policy file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What a peer's file says of what may be asked.
#[derive(Debug, Clone, Default)]
pub struct PolicyOptions {
    /// `[policy]`
    pub settings: PolicySettings,
    /// `[budget]`
    pub budgets: Budgets,
}

/// What decides about requests.
#[derive(Debug)]
pub(crate) struct Policy {
    roster: Arc<Roster>,
    watched: Watched,
    /// What is wrong with the file, until it is mended.
    mistake: Option<PolicyError>,
    options: PolicyOptions,
    spending: Spending,
    looked: Timestamp,
}

impl Policy {
    /// Reads the policy, and counts again what was asked before.
    ///
    /// # Errors
    /// Only if the program itself is broken: a policy with a mistake denies everything until it is mended.
    pub(crate) fn new(
        roster: Arc<Roster>,
        options: PolicyOptions,
        decided: &[Saved],
        now: Timestamp,
    ) -> Result<Self, PolicyError> {
        let (watched, mistake) = Watched::open(options.settings.file.clone())?;
        let mut spending = Spending::default();
        for Saved { request, decision } in decided {
            // By its last change: a query that was paused today counts as begun today, which is on the safe side.
            if let Some(request) = request.as_ref().filter(|_| decision.verdict != Verdict::Denied) {
                spending.count(&request.client, decision.at);
            }
        }
        Ok(Self { roster, watched, mistake, options, spending, looked: now })
    }

    /// Goes on with another member list: what clients have asked so far still counts.
    pub(crate) fn move_to(&mut self, roster: Arc<Roster>) {
        self.roster = roster;
    }

    /// When [`Policy::look`] is due; never without a file.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.options.settings.file.as_ref().map(|_| self.looked + LOOK)
    }

    /// Reads the file again if it has changed; what came of it is to be told.
    pub(crate) fn look(&mut self, now: Timestamp) -> Option<Result<usize, String>> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.looked = now;
        Some(match self.watched.poll()? {
            News::Kept(mistake) => {
                let told = mistake.to_string();
                self.mistake = Some(mistake);
                Err(told)
            }
            News::Taken { rules } => {
                self.mistake = None;
                Ok(rules)
            }
        })
    }

    /// What is in force and what is wrong with the file, for the log; nothing without a file.
    pub(crate) fn record(&self) -> Option<PolicyRead> {
        self.options.settings.file.as_ref()?;
        let (policy, mistake) = (self.watched.policy(), self.mistake.as_ref());
        // Without the path, which is nobody else's business.
        let told =
            |mistake: &PolicyError| mistake.flaws().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Some(PolicyRead {
            v: VERSION,
            taken: mistake.is_none(),
            digest: policy.digest(),
            rules: policy.rules() as u64,
            mistake: mistake.map(told),
        })
    }

    /// What is wrong with the file, if it is none that could be in force.
    pub(crate) fn mistake(&self) -> Option<&PolicyError> {
        self.mistake.as_ref()
    }
}

impl Judge for Policy {
    fn judge(&mut self, request: &Request, _: &Session, running: Running, now: Timestamp) -> Judgement {
        let count = |queries: usize| u32::try_from(queries).unwrap_or(u32::MAX);
        let running = smc_policy::Running { all: count(running.all), client: count(running.client) };
        let here = Circumstances { at: now, zone: &self.options.settings.zone, running };
        let case = match Case::new(&self.roster, request, &here) {
            Ok(case) => case,
            Err(error) => return Judgement::deny(error.to_string()),
        };
        let judged = smc_policy::judge(self.watched.policy(), &self.options.budgets, &self.spending, &case);
        let outcome = match judged.outcome {
            smc_policy::Outcome::Allow => Outcome::Allow,
            smc_policy::Outcome::Ask => Outcome::Ask,
            smc_policy::Outcome::Deny => Outcome::Deny,
        };
        if outcome != Outcome::Deny {
            self.spending.count(&request.client, now);
        }
        Judgement { outcome, reason: judged.reason, rule: judged.rule }
    }
}
