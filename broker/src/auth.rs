//! Logins: who a client is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::account::{Account, is_name};
use crate::error::BrokerError;
use crate::password::Password;

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
    accounts: Vec<Arc<Entry>>,
    by_name: HashMap<String, usize>,
    anonymous: Option<usize>,
    checks: Semaphore,
    decoys: RandomState,
    key: [u8; 32],
}

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    /// A keyed digest of the password that was last found right, so that an agent that reconnects every few
    /// minutes costs no argon2. Useless without this process's key.
    right: Mutex<Option<[u8; 32]>>,
}

impl Authenticator {
    pub(crate) fn new(accounts: Vec<Account>, anonymous: Option<&str>) -> Result<Self, BrokerError> {
        let mut by_name = HashMap::with_capacity(accounts.len());
        for (index, account) in accounts.iter().enumerate() {
            if !is_name(&account.name, 64) {
                return Err(BrokerError::AccountName { name: account.name.clone() });
            }
            if by_name.insert(account.name.clone(), index).is_some() {
                return Err(BrokerError::DuplicateAccount { name: account.name.clone() });
            }
        }
        let anonymous = match anonymous {
            None => None,
            Some(name) => match by_name.get(name) {
                Some(&index) if accounts[index].shared => Some(index),
                _ => return Err(BrokerError::AnonymousAccount { name: name.to_owned() }),
            },
        };
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| BrokerError::Entropy)?;
        let entry = |account| Arc::new(Entry { account: Arc::new(account), right: Mutex::new(None) });
        Ok(Self {
            accounts: accounts.into_iter().map(entry).collect(),
            by_name,
            anonymous,
            checks: Semaphore::new(CHECKS_AT_ONCE),
            decoys: RandomState::new(),
            key,
        })
    }

    /// All accounts.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|entry| &*entry.account)
    }

    /// Whether an account is called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The account that the credentials open. An unknown name costs as much as a wrong password.
    pub(crate) async fn login(
        &self,
        name: Option<&str>,
        password: Option<Password>,
    ) -> Result<Arc<Account>, LoginError> {
        let Some(name) = name else {
            let index = self.anonymous.ok_or(LoginError::Anonymous)?;
            return Ok(self.accounts[index].account.clone());
        };
        let known = self.by_name.get(name).copied();
        let password = password.ok_or(LoginError::Credentials)?;
        let entry = self.accounts.get(known.unwrap_or_else(|| self.decoy(name))).cloned();
        let entry = entry.ok_or(LoginError::Credentials)?;
        let digest = self.digest(&entry.account.name, &password);
        if known.is_some() && entry.is_right(&digest) {
            return Ok(entry.account.clone());
        }
        let right = self.check(entry.account.clone(), password).await;
        if known.is_none() || !right {
            return Err(LoginError::Credentials);
        }
        entry.remember(digest);
        Ok(entry.account.clone())
    }

    /// The account whose hash is checked in place of an unknown one's: always the same for one name, so that
    /// the time of an answer tells nothing.
    fn decoy(&self, name: &str) -> usize {
        let count = self.accounts.len().max(1) as u64;
        usize::try_from(self.decoys.hash_one(name) % count).unwrap_or_default()
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
