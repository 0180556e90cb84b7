//! The policy in force, and the file that it is from, which people change while the peer runs.

use std::path::PathBuf;

use smc_mqtt::watch::Watch;
use smc_policy::{Policy, PolicyError};

/// A policy that is there whatever becomes of its file.
#[derive(Debug)]
pub(super) struct PolicyFile {
    file: Option<(PathBuf, Watch)>,
    policy: Policy,
    /// What is wrong with the file, until it is mended.
    mistake: Option<PolicyError>,
}

impl PolicyFile {
    /// Reads the policy at `path`; without one every request asks the operator. If there is no policy in the file, every
    /// request is denied until there is.
    ///
    /// # Errors
    /// Only if the program itself is broken.
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, PolicyError> {
        let Some(path) = path else {
            return Ok(Self { file: None, policy: Policy::ask_everything()?, mistake: None });
        };
        let watch = Watch::new(vec![path.clone()]);
        let (policy, mistake) = match Policy::load(&path) {
            Ok(policy) => (policy, None),
            Err(mistake) => (Policy::deny_everything()?, Some(mistake)),
        };
        Ok(Self { file: Some((path, watch)), policy, mistake })
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is wrong with the file, if it is none that could be in force.
    pub(super) fn mistake(&self) -> Option<&PolicyError> {
        self.mistake.as_ref()
    }

    /// Reads the file again if it has changed: how many rules are in force from now on, or why what was in force stays so. Each
    /// change is told once, when it has settled.
    pub(super) fn poll(&mut self) -> Option<Result<usize, String>> {
        let (path, watch) = self.file.as_mut()?;
        if !watch.poll() {
            return None;
        }
        Some(match Policy::load(path) {
            Ok(policy) => {
                let rules = policy.rules();
                (self.policy, self.mistake) = (policy, None);
                Ok(rules)
            }
            Err(mistake) => {
                let told = mistake.to_string();
                self.mistake = Some(mistake);
                Err(told)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const YES: &str = "@id(\"yes\") permit (principal, action, resource);";
    const NO: &str = "@id(\"no\") forbid (principal, action, resource);\n";

    fn open(path: &Path) -> PolicyFile {
        PolicyFile::open(Some(path.to_owned())).unwrap()
    }

    /// Whether the policy in force is that of this text.
    fn is(file: &PolicyFile, text: &str) -> bool {
        file.policy().digest() == Policy::parse(text, "").unwrap().digest()
    }

    #[test]
    fn without_a_file_every_request_asks_the_operator() {
        let mut file = PolicyFile::open(None).unwrap();
        assert_eq!(file.policy().digest(), Policy::ask_everything().unwrap().digest());
        assert!(file.mistake().is_none() && file.poll().is_none());
    }

    #[test]
    fn a_changed_file_is_in_force_once_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.cedar");
        fs::write(&path, YES).unwrap();
        let mut file = open(&path);
        assert!(is(&file, YES) && file.mistake().is_none());
        assert!(file.poll().is_none());
        fs::write(&path, NO).unwrap();
        assert!(file.poll().is_none(), "it may be half written");
        assert!(is(&file, YES));
        assert_eq!(file.poll(), Some(Ok(1)));
        assert!(is(&file, NO));
        assert!(file.poll().is_none());
    }

    #[test]
    fn a_policy_with_a_mistake_leaves_the_last_good_one_in_force_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.cedar");
        fs::write(&path, YES).unwrap();
        let mut file = open(&path);
        fs::write(&path, "permit everything;").unwrap();
        assert!(file.poll().is_none());
        let told = file.poll().unwrap().unwrap_err();
        assert!(told.contains("policy.cedar:1:"), "{told}");
        assert!(file.poll().is_none() && file.poll().is_none());
        assert!(is(&file, YES) && file.mistake().is_some());
        fs::remove_file(&path).unwrap();
        assert!(file.poll().is_none());
        assert!(matches!(file.poll(), Some(Err(_))), "a file that is gone is no policy");
        assert!(is(&file, YES));
        fs::write(&path, NO).unwrap();
        assert!(file.poll().is_none());
        assert_eq!(file.poll(), Some(Ok(1)));
        assert!(is(&file, NO) && file.mistake().is_none());
    }

    #[test]
    fn a_peer_that_starts_with_a_mistake_denies_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.cedar");
        let mut file = open(&path);
        assert!(file.mistake().unwrap().to_string().contains("can't be read"));
        assert_eq!(file.policy().digest(), Policy::deny_everything().unwrap().digest());
        fs::write(&path, YES).unwrap();
        assert!(file.poll().is_none());
        assert_eq!(file.poll(), Some(Ok(1)));
        assert!(is(&file, YES));
    }
}
