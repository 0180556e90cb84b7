//! The peer's policy and budgets as its desk asks them.

mod file;

use std::sync::Arc;
use std::time::Duration;

use smc_core::audit::PolicyRead;
use smc_core::desk::{Judge, Judgement, Outcome, Running, Saved};
use smc_core::request::{Request, Verdict};
use smc_core::result::VERSION;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_core::time::Timestamp;
use smc_policy::{Budgets, Case, Circumstances, PolicyError, PolicySettings, Spending};

use self::file::PolicyFile;

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
    file: PolicyFile,
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
        let file = PolicyFile::open(options.settings.file.clone())?;
        let mut spending = Spending::default();
        for Saved { request, decision } in decided {
            // By its last change: a query that was paused today counts as begun today, which is on the safe side.
            if let Some(request) = request.as_ref().filter(|_| decision.verdict != Verdict::Denied) {
                spending.count(&request.client, decision.at);
            }
        }
        Ok(Self { roster, file, options, spending, looked: now })
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
        self.file.poll()
    }

    /// What is in force and what is wrong with the file, for the log; nothing without a file.
    pub(crate) fn record(&self) -> Option<PolicyRead> {
        self.options.settings.file.as_ref()?;
        let (policy, mistake) = (self.file.policy(), self.file.mistake());
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
        self.file.mistake()
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
        let judged = smc_policy::judge(self.file.policy(), &self.options.budgets, &self.spending, &case);
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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use smc_core::identity::NodeKeys;
    use smc_core::roster::SiteDocument;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
    const RULE: &str = "@id(\"all\") permit (principal, action, resource);";

    fn roster() -> Arc<Roster> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let peer = |number: usize| {
            let keys = NodeKeys::generate(&mut rng);
            let (identity, sealing) = (keys.signing.verifying_key(), *keys.sealing.public());
            format!(r#"{{"name":"peer-{number}","identity":"{identity}","sealing":"{sealing}"}}"#)
        };
        let peers = (1..=3).map(peer).collect::<Vec<_>>().join(",");
        let site = format!(r#"{{"site":{{"name":"hq","threshold":1}},"peer":[{peers}]}}"#);
        Arc::new(serde_json::from_str::<SiteDocument>(&site).unwrap().try_into().unwrap())
    }

    #[test]
    fn the_log_is_told_what_was_read_and_what_is_in_force_and_not_where_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.cedar");
        std::fs::write(&path, RULE).unwrap();
        let settings = PolicySettings { file: Some(path.clone()), ..PolicySettings::default() };
        let options = PolicyOptions { settings, budgets: Budgets::default() };
        let mut policy = Policy::new(roster(), options, &[], NOON).unwrap();
        let first = policy.record().unwrap();
        assert_eq!((first.taken, first.rules, &first.mistake), (true, 1, &None));

        std::fs::write(&path, "permit (").unwrap();
        let told = (1..=3_u32).filter_map(|time| policy.look(NOON + time * LOOK)).next();
        assert!(matches!(told, Some(Err(_))), "{told:?}");
        let kept = policy.record().unwrap();
        assert_eq!((kept.taken, kept.digest, kept.rules), (false, first.digest, 1), "the last good one");
        let mistake = kept.mistake.unwrap();
        assert!(!mistake.is_empty() && !mistake.contains("policy.cedar"), "{mistake}");

        std::fs::write(&path, format!("{RULE}\n// mended")).unwrap();
        let told = (4..=6_u32).filter_map(|time| policy.look(NOON + time * LOOK)).next();
        assert!(matches!(told, Some(Ok(1))), "{told:?}");
        let mended = policy.record().unwrap();
        assert!(mended.taken && mended.digest != first.digest, "another text");
    }

    #[test]
    fn without_a_policy_file_there_is_nothing_to_log() {
        let policy = Policy::new(roster(), PolicyOptions::default(), &[], NOON).unwrap();
        assert_eq!(policy.record(), None);
    }
}
