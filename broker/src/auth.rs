//! Logins: who a client is.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::account::{Account, is_name};
use crate::error::BrokerError;
use crate::tls::Shown;
use smc_mqtt::password::Password;

/// Password checks at once; each may take megabytes and tens of milliseconds.
const CHECKS_AT_ONCE: usize = 2;

/// Why a login failed. What the client is told does not say whether the account exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("no login, and no account for anonymous clients is configured")]
    Anonymous,
    #[error("login {name:?} with a certificate that is for {}", .of.join(", "))]
    Certificate { name: String, of: Vec<String> },
    #[error("unknown account or wrong password")]
    Credentials,
}

/// The accounts and what is needed to check logins against them.
#[derive(Debug)]
pub(crate) struct Authenticator {
    book: RwLock<Arc<Book>>,
    checks: Semaphore,
    decoys: RandomState,
    key: [u8; 32],
}

/// Who is known, and from where.
#[derive(Debug)]
struct Book {
    /// Those of the configuration.
    configured: Vec<Arc<Entry>>,
    anonymous: Option<Arc<Entry>>,
    /// Those of the member list.
    listed: Vec<Arc<Entry>>,
    /// The names about which the member list has the last word, whatever the configuration says.
    overruled: BTreeSet<String>,
    /// What comes of all that.
    known: Known,
}

/// The accounts by name. One whose password is about to change has two, each with a password of its own.
type Known = BTreeMap<String, Vec<Arc<Entry>>>;

/// The accounts of a configuration, and the one of clients without a login.
type Configured = (Vec<Arc<Entry>>, Option<Arc<Entry>>);

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    /// A keyed digest of the password that was last found right, so that an agent that reconnects every few
    /// minutes costs no argon2. Useless without this process's key.
    right: Mutex<Option<[u8; 32]>>,
}

impl Authenticator {
    pub(crate) fn new(accounts: Vec<Account>, anonymous: Option<&str>) -> Result<Self, BrokerError> {
        let (configured, anonymous) = checked(accounts, anonymous, &Known::new())?;
        let book = Book::new(configured, anonymous, Vec::new(), BTreeSet::new());
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| BrokerError::Entropy)?;
        Ok(Self {
            book: RwLock::new(Arc::new(book)),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            decoys: RandomState::new(),
            key,
        })
    }

    /// The accounts of the configuration.
    pub(crate) fn configured(&self) -> Vec<Arc<Account>> {
        self.book().configured.iter().map(|entry| entry.account.clone()).collect()
    }

    /// Whether an account is called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.book().known.contains_key(name)
    }

    /// From now on there are the accounts of the configuration without those called as in `changed`, and `accounts`.
    pub(crate) fn admit(&self, accounts: Vec<Account>, changed: &BTreeSet<String>) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let named = accounts.into_iter().filter(|account| is_name(&account.name, 64));
        let listed = named.map(|account| Entry::again(account, &book.known)).collect();
        let Book { configured, anonymous, .. } = &**book;
        *book = Arc::new(Book::new(configured.clone(), anonymous.clone(), listed, changed.clone()));
    }

    /// From now on the configuration has `accounts`; the member list goes on having the last word about its members. Returns
    /// the names under which somebody may be connected who could not log in any more, or not to the same.
    ///
    /// # Errors
    /// For accounts that can't work: then all stays as it was.
    pub(crate) fn configure(
        &self,
        accounts: Vec<Account>,
        anonymous: Option<&str>,
    ) -> Result<BTreeSet<String>, BrokerError> {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let (configured, anonymous) = checked(accounts, anonymous, &book.known)?;
        let new = Book::new(configured, anonymous, book.listed.clone(), book.overruled.clone());
        let gone = new.lacks(&book);
        *book = Arc::new(new);
        Ok(gone)
    }

    fn book(&self) -> Arc<Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account that the credentials open. An unknown name costs as much as a wrong password. A certificate that is
    /// shown must be for the account; it may do in place of a password, or of a whole login, but never of a wrong one.
    pub(crate) async fn login(
        &self,
        name: Option<&str>,
        password: Option<Password>,
        shown: Option<&Shown>,
    ) -> Result<Arc<Account>, LoginError> {
        let book = self.book();
        let known = &book.known;
        let logs_in = shown.filter(|shown| shown.logs_in && password.is_none());
        let of = |name: &str| known.get(name).and_then(|entries| entries.first());
        let Some(name) = name else {
            let of_certificate = logs_in.and_then(|shown| shown.facts.names.iter().find_map(|name| of(name)));
            let entry = of_certificate.or(book.anonymous.as_ref());
            return entry.map(|entry| entry.account.clone()).ok_or(LoginError::Anonymous);
        };
        if let Some(shown) = shown.filter(|shown| !shown.facts.is_of(name)) {
            return Err(LoginError::Certificate { name: name.to_owned(), of: shown.facts.names.clone() });
        }
        if let Some(entry) = logs_in.and_then(|_| of(name)) {
            return Ok(entry.account.clone());
        }
        let password = password.ok_or(LoginError::Credentials)?;
        let own = known.get(name);
        let entries = own.or_else(|| self.decoy(known, name)).ok_or(LoginError::Credentials)?;
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

/// The accounts of a configuration by name, if they can work, and the one of clients without a login.
fn checked(
    accounts: Vec<Account>,
    anonymous: Option<&str>,
    before: &Known,
) -> Result<Configured, BrokerError> {
    let mut entries = BTreeMap::new();
    for account in accounts {
        if !is_name(&account.name, 64) {
            return Err(BrokerError::AccountName { name: account.name });
        }
        let name = account.name.clone();
        if entries.insert(name.clone(), Entry::again(account, before)).is_some() {
            return Err(BrokerError::DuplicateAccount { name });
        }
    }
    let anonymous = match anonymous {
        None => None,
        Some(name) => match entries.get(name) {
            Some(entry) if entry.account.shared => Some(entry.clone()),
            _ => return Err(BrokerError::AnonymousAccount { name: name.to_owned() }),
        },
    };
    Ok((entries.into_values().collect(), anonymous))
}

impl Book {
    fn new(
        configured: Vec<Arc<Entry>>,
        anonymous: Option<Arc<Entry>>,
        listed: Vec<Arc<Entry>>,
        overruled: BTreeSet<String>,
    ) -> Self {
        let mut known = Known::new();
        let own = configured.iter().filter(|entry| !overruled.contains(&entry.account.name));
        for entry in own.chain(&listed) {
            known.entry(entry.account.name.clone()).or_default().push(entry.clone());
        }
        Self { configured, anonymous, listed, overruled, known }
    }

    /// The names whose accounts were others, or more, in `before`.
    fn lacks(&self, before: &Self) -> BTreeSet<String> {
        let is_here = |entry: &Arc<Entry>| {
            let same = self.known.get(&entry.account.name);
            same.is_some_and(|same| same.iter().any(|own| own.account.is_same(&entry.account)))
        };
        let gone = before.known.values().flatten().filter(|entry| !is_here(entry));
        let mut gone: BTreeSet<_> = gone.map(|entry| entry.account.name.clone()).collect();
        let name = |book: &Self| book.anonymous.as_ref().map(|entry| entry.account.name.clone());
        // Who is connected without a login can't be told from who has one.
        gone.extend(name(before).filter(|old| name(self).as_ref() != Some(old)));
        gone
    }
}

impl Entry {
    fn new(account: Account) -> Arc<Self> {
        Arc::new(Self { account: Arc::new(account), right: Mutex::new(None) })
    }

    /// The entry of the same account that there was before, which remembers its password, or a new one.
    fn again(account: Account, before: &Known) -> Arc<Self> {
        let same = |entry: &&Arc<Self>| entry.account.is_same(&account);
        let known = before.get(&account.name).and_then(|entries| entries.iter().find(same)).cloned();
        known.unwrap_or_else(|| Self::new(account))
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
        let login = |name, password: &'static [u8]| auth.login(name, Some(Password::new(password)), None);
        for _ in 0..2 {
            assert_eq!(login(Some("tenant"), b"right").await.unwrap().name, "tenant");
            assert_eq!(login(Some("tenant"), b"wrong").await.unwrap_err(), LoginError::Credentials);
            assert_eq!(login(Some("nobody"), b"right").await.unwrap_err(), LoginError::Credentials);
        }
        assert_eq!(auth.login(Some("tenant"), None, None).await.unwrap_err(), LoginError::Credentials);
        assert_eq!(auth.login(None, None, None).await.unwrap_err(), LoginError::Anonymous);
    }

    #[tokio::test]
    async fn nobody_logs_in_where_nobody_is_known() {
        let auth = Authenticator::new(vec![], None).unwrap();
        let result = auth.login(Some("tenant"), Some(Password::new(b"right")), None).await;
        assert_eq!(result.unwrap_err(), LoginError::Credentials);
    }

    #[tokio::test]
    async fn accounts_come_and_go_and_may_have_two_passwords_in_between() {
        let auth = Authenticator::new(vec![account("tenant", false)], None).unwrap();
        let login = |password: &'static [u8]| auth.login(Some("tenant"), Some(Password::new(password)), None);
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

    #[tokio::test]
    async fn another_configuration_names_whom_it_lets_in_no_more_and_overrules_no_member_list() {
        let auth = Authenticator::new(
            vec![account("a", true), account("b", false), account("c", false), account("d", false)],
            Some("a"),
        )
        .unwrap();
        let login =
            |name, password: &'static [u8]| auth.login(Some(name), Some(Password::new(password)), None);
        let other = |name| {
            let password = PasswordHash::of_random_key(&Password::new(b"other")).unwrap();
            Account { password, ..account(name, false) }
        };
        // The list has given `c` another login, and has lost `d`.
        let overruled = BTreeSet::from(["c".to_owned(), "d".to_owned()]);
        auth.admit(vec![other("c")], &overruled);
        let same =
            |name: &str| Account::clone(&auth.configured().into_iter().find(|a| a.name == name).unwrap());
        let again = vec![same("a"), same("b"), same("c"), same("d")];
        assert_eq!(auth.configure(again, Some("a")).unwrap(), BTreeSet::new(), "nothing has changed");
        assert!(login("c", b"other").await.is_ok() && login("c", b"right").await.is_err() && !auth.has("d"));
        let fewer = vec![same("a"), other("b"), account("e", false)];
        let gone = auth.configure(fewer, None).unwrap();
        assert_eq!(gone, BTreeSet::from(["a".to_owned(), "b".to_owned()]), "nobody is anonymous; b changed");
        assert!(login("b", b"other").await.is_ok() && login("b", b"right").await.is_err());
        assert!(login("e", b"right").await.is_ok() && login("c", b"other").await.is_ok());
        assert_eq!(auth.login(None, None, None).await.unwrap_err(), LoginError::Anonymous);
        assert!(auth.configure(vec![account("a/b", false)], None).is_err() && auth.has("e"));
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
