//! Logins: who a client is.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::account::{Account, is_name};
use crate::error::BrokerError;
use smc_mqtt::password::Password;

/// Password checks at once; each may take megabytes and tens of milliseconds.
const CHECKS_AT_ONCE: usize = 2;

/// Why a login failed. What the client is told does not say whether the account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("no login, and no account for anonymous clients is configured")]
    Anonymous,
    #[error("unknown account or wrong password")]
    Credentials,
}

/// The accounts and what is needed to check logins against them.
#[derive(Debug)]
pub(crate) struct Authenticator {
    /// Those of the configuration.
    configured: Vec<Arc<Entry>>,
    known: RwLock<Arc<Known>>,
    anonymous: Option<Arc<Entry>>,
    checks: Semaphore,
    decoys: RandomState,
    key: [u8; 32],
}

/// The accounts by name. One whose password is about to change has two, each with a password of its own.
type Known = BTreeMap<String, Vec<Arc<Entry>>>;

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    /// A keyed digest of the password that was last found right, so that an agent that reconnects every few
    /// minutes costs no argon2. Useless without this process's key.
    right: Mutex<Option<[u8; 32]>>,
}

impl Authenticator {
    pub(crate) fn new(accounts: Vec<Account>, anonymous: Option<&str>) -> Result<Self, BrokerError> {
        let mut known = Known::new();
        for account in accounts {
            if !is_name(&account.name, 64) {
                return Err(BrokerError::AccountName { name: account.name });
            }
            let name = account.name.clone();
            if known.insert(name.clone(), vec![Entry::new(account)]).is_some() {
                return Err(BrokerError::DuplicateAccount { name });
            }
        }
        let anonymous = match anonymous {
            None => None,
            Some(name) => match known.get(name).and_then(|entries| entries.first()) {
                Some(entry) if entry.account.shared => Some(entry.clone()),
                _ => return Err(BrokerError::AnonymousAccount { name: name.to_owned() }),
            },
        };
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| BrokerError::Entropy)?;
        Ok(Self {
            configured: known.values().flatten().cloned().collect(),
            known: RwLock::new(Arc::new(known)),
            anonymous,
            checks: Semaphore::new(CHECKS_AT_ONCE),
            decoys: RandomState::new(),
            key,
        })
    }

    /// The accounts of the configuration.
    pub(crate) fn configured(&self) -> impl Iterator<Item = &Account> {
        self.configured.iter().map(|entry| &*entry.account)
    }

    /// Whether an account is called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.known().contains_key(name)
    }

    /// From now on there are the accounts of the configuration without those called as in `changed`, and `accounts`.
    pub(crate) fn admit(&self, accounts: Vec<Account>, changed: &BTreeSet<String>) {
        let before = self.known();
        let mut known = Known::new();
        for entry in self.configured.iter().filter(|entry| !changed.contains(&entry.account.name)) {
            known.entry(entry.account.name.clone()).or_default().push(entry.clone());
        }
        for account in accounts.into_iter().filter(|account| is_name(&account.name, 64)) {
            let same = |entry: &&Arc<Entry>| entry.account.is_same(&account);
            let entry = before.get(&account.name).and_then(|entries| entries.iter().find(same)).cloned();
            let name = account.name.clone();
            known.entry(name).or_default().push(entry.unwrap_or_else(|| Entry::new(account)));
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account that the credentials open. An unknown name costs as much as a wrong password.
    pub(crate) async fn login(
        &self,
        name: Option<&str>,
        password: Option<Password>,
    ) -> Result<Arc<Account>, LoginError> {
        let Some(name) = name else {
            return self.anonymous.as_ref().map(|entry| entry.account.clone()).ok_or(LoginError::Anonymous);
        };
        let known = self.known();
        let password = password.ok_or(LoginError::Credentials)?;
        let own = known.get(name);
        let entries = own.or_else(|| self.decoy(&known, name)).ok_or(LoginError::Credentials)?;
        for entry in entries {
            let digest = self.digest(&entry.account.name, &password);
            if own.is_some() && entry.is_right(&digest) {
                return Ok(entry.account.clone());
            }
            let right = self.check(entry.account.clone(), password.clone()).await;
            if own.is_some() && right {
                entry.remember(digest);
                return Ok(entry.account.clone());
            }
        }
        Err(LoginError::Credentials)
    }

    /// The account whose hash is checked in place of an unknown one's: always the same for one name, so that
    /// the time of an answer tells nothing.
    fn decoy<'a>(&self, known: &'a Known, name: &str) -> Option<&'a Vec<Arc<Entry>>> {
        let count = known.len().max(1) as u64;
        known.values().nth(usize::try_from(self.decoys.hash_one(name) % count).unwrap_or_default())
    }

    async fn check(&self, account: Arc<Account>, password: Password) -> bool {
        let Ok(permit) = self.checks.acquire().await else { return false };
        let checked = tokio::task::spawn_blocking(move || account.password.verify(&password)).await;
        drop(permit);
        checked.unwrap_or(false)
    }

    fn digest(&self, name: &str, password: &Password) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update(password.as_bytes());
        hash.finalize().into()
    }
}

impl Entry {
    fn new(account: Account) -> Arc<Self> {
        Arc::new(Self { account: Arc::new(account), right: Mutex::new(None) })
    }

    fn is_right(&self, digest: &[u8; 32]) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let differ = |right: [u8; 32]| right.iter().zip(digest).fold(0, |acc, (a, b)| acc | (a ^ b));
        right.is_some_and(|right| differ(right) == 0)
    }

    fn remember(&self, digest: [u8; 32]) {
        *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PasswordHash, Rules};

    fn account(name: &str, shared: bool) -> Account {
        let password = PasswordHash::of_random_key(&Password::new(b"right")).unwrap();
        Account { name: name.into(), password, shared, rules: Rules::default() }
    }

    #[tokio::test]
    async fn only_the_right_password_opens_an_account() {
        let auth = Authenticator::new(vec![account("tenant", false)], None).unwrap();
        let login = |name, password: &'static [u8]| auth.login(name, Some(Password::new(password)));
        for _ in 0..2 {
            assert_eq!(login(Some("tenant"), b"right").await.unwrap().name, "tenant");
            assert_eq!(login(Some("tenant"), b"wrong").await.unwrap_err(), LoginError::Credentials);
            assert_eq!(login(Some("nobody"), b"right").await.unwrap_err(), LoginError::Credentials);
        }
        assert_eq!(auth.login(Some("tenant"), None).await.unwrap_err(), LoginError::Credentials);
        assert_eq!(auth.login(None, None).await.unwrap_err(), LoginError::Anonymous);
    }

    #[tokio::test]
    async fn nobody_logs_in_where_nobody_is_known() {
        let auth = Authenticator::new(vec![], None).unwrap();
        let result = auth.login(Some("tenant"), Some(Password::new(b"right"))).await;
        assert_eq!(result.unwrap_err(), LoginError::Credentials);
    }

    #[tokio::test]
    async fn accounts_come_and_go_and_may_have_two_passwords_in_between() {
        let auth = Authenticator::new(vec![account("tenant", false)], None).unwrap();
        let login = |password: &'static [u8]| auth.login(Some("tenant"), Some(Password::new(password)));
        let other = || {
            let password = PasswordHash::of_random_key(&Password::new(b"other")).unwrap();
            Account { password, ..account("tenant", false) }
        };
        let changed = BTreeSet::from(["tenant".to_owned()]);
        auth.admit(vec![other()], &BTreeSet::new());
        assert!(login(b"right").await.is_ok() && login(b"other").await.is_ok());
        auth.admit(vec![other()], &changed);
        assert!(login(b"right").await.is_err() && login(b"other").await.is_ok());
        auth.admit(vec![], &changed);
        assert!(login(b"other").await.is_err() && !auth.has("tenant"));
    }

    #[test]
    fn accounts_that_cannot_work_are_refused() {
        let new = |accounts, anonymous| Authenticator::new(accounts, anonymous).unwrap_err();
        let twice = vec![account("a", false), account("a", true)];
        assert!(matches!(new(twice, None), BrokerError::DuplicateAccount { .. }));
        assert!(matches!(new(vec![account("a/b", false)], None), BrokerError::AccountName { .. }));
        assert!(matches!(new(vec![account("a", false)], Some("a")), BrokerError::AnonymousAccount { .. }));
        assert!(matches!(new(vec![account("a", true)], Some("b")), BrokerError::AnonymousAccount { .. }));
    }
}
