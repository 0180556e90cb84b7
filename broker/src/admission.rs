//! Logins that come and go with the member list: what the peers of the site signed counts here, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use smc_core::charter::{Change, LoginHash};
use smc_core::name::NodeName;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::topic::{Topic, Topics};
use tokio::sync::Notify;

use crate::account::Account;
use crate::filter::Filter;
use crate::roles::Role;
use crate::shared::Shared;

/// How many filters the members to come may bring along: a peer brings most.
pub(crate) const FILTERS_TO_COME: usize = 3 * smc_core::charter::MAX_REVISIONS as usize;
/// How often the list is looked after at least: the machine may sleep.
const LOOK: Duration = Duration::from_secs(30);

/// The member list as the broker knows it.
#[derive(Debug)]
pub(crate) struct Admission {
    members: Mutex<Members>,
    topics: Topics,
    topic: String,
    clock: Clock,
    moved: Notify,
}

/// The logins that the member list gives: of those whose keys are about to change two.
type Logins = BTreeMap<NodeName, Vec<(Role, LoginHash)>>;

impl Admission {
    pub(crate) fn new(members: Members) -> Self {
        let topics = Topics::new(members.register().document().site.name.clone());
        let topic = topics.spell(&Topic::Charter);
        Self { members: Mutex::new(members), topics, topic, clock: Clock::system(), moved: Notify::new() }
    }

    /// Whether charters are published on `topic`.
    pub(crate) fn concerns(&self, topic: &str) -> bool {
        self.topic == topic
    }

    /// Takes in what was published there, or was retained.
    pub(crate) fn take(&self, shared: &Shared, payload: &[u8]) {
        let taken = self.members.lock().unwrap_or_else(PoisonError::into_inner).take(payload);
        match taken {
            Ok(true) => {
                self.apply(shared);
                self.moved.notify_one();
            }
            Ok(false) => {}
            Err(error) => {
                if let Some(more) = shared.gates.charter.open() {
                    tracing::warn!(%error, more, "refused a member list");
                }
            }
        }
    }

    /// Takes in what is retained, then waits for lists to take force. Never returns.
    pub(crate) async fn serve(&self, shared: &Shared) {
        let filter: Option<Filter> = self.topic.parse().ok();
        for message in filter.iter().flat_map(|filter| shared.retained.matching(filter)) {
            self.take(shared, message.payload());
        }
        loop {
            let (due, advanced) = self.advance();
            match advanced {
                Ok(true) => self.apply(shared),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the member list does not hold together"),
            }
            let wait = due.map_or(LOOK, |due| due.since(self.clock.now()).min(LOOK));
            tokio::select! {
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
                () = self.moved.notified() => {}
            }
        }
    }

    fn advance(&self) -> (Option<Timestamp>, Result<bool, MembersError>) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let advanced = members.advance(self.clock.now()).map(|roster| roster.is_some());
        (members.due(), advanced)
    }

    /// Gives everybody the logins of the list, and ends the connections of those who are gone.
    fn apply(&self, shared: &Shared) {
        let (logins, gone) = {
            let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
            logins(&members)
        };
        let mut accounts = Vec::new();
        for (name, logins) in logins {
            accounts.extend(logins.into_iter().filter_map(|(role, login)| self.account(&name, role, &login)));
        }
        let filters = accounts.iter().flat_map(|account| account.rules.subscribe.iter().cloned());
        shared.fanout.extend(filters.collect());
        shared.auth.admit(accounts, &gone);
        for name in gone {
            if !shared.auth.has(&name) {
                shared.registry.dismiss(&name);
            }
        }
    }

    fn account(&self, name: &NodeName, role: Role, login: &LoginHash) -> Option<Account> {
        let (rules, password) = (role.rules(&self.topics, name.as_str()), login.as_str().parse());
        match (rules, password) {
            (Ok(rules), Ok(password)) => {
                Some(Account { name: name.to_string(), password, shared: role.is_shared(), rules })
            }
            (Err(error), _) => {
                tracing::warn!(%name, %error, "a new member can't log in");
                None
            }
            (_, Err(error)) => {
                tracing::warn!(%name, %error, "a new member can't log in");
                None
            }
        }
    }
}

/// The logins that charters gave, and the names that the list in force has lost or that it gave another login.
fn logins(members: &Members) -> (Logins, BTreeSet<String>) {
    let register = members.register();
    let in_force = register.revision_in_force();
    let (mut logins, mut changed) = (Logins::new(), BTreeSet::new());
    for enacted in register.chain().charters {
        let change = enacted.charter.change;
        let holds = enacted.charter.revision <= in_force;
        let leaves = match &change {
            Change::Remove { name } => Some(name),
            Change::ReplacePeer { gone, .. } => Some(gone),
            _ => None,
        };
        if let Some(name) = leaves.filter(|_| holds) {
            logins.remove(name);
            changed.insert(name.to_string());
        }
        let Some((name, Some(login))) = change.member() else { continue };
        let own = logins.entry(name.clone()).or_default();
        if holds {
            own.clear();
            changed.insert(name.to_string());
        }
        own.push((role(&change), login.clone()));
    }
    (logins, changed)
}

fn role(change: &Change) -> Role {
    match change {
        Change::AddAgent { .. } | Change::RekeyAgent { .. } | Change::Remove { .. } => Role::Agent,
        Change::AddClient { .. } | Change::RekeyClient { .. } => Role::Client,
        Change::AddPeer { .. } | Change::RaiseThreshold { .. } | Change::ReplacePeer { .. } => Role::Peer,
    }
}
