//! Who may connect, and to which topics.

use crate::filter::Filter;
use crate::roles::Role;
use smc_mqtt::password::PasswordHash;
use smc_mqtt::topic::HOME_ASSISTANT_EVERYTHING;

/// One login and what it is good for.
#[derive(Debug, Clone)]
pub struct Account {
    /// The login's name: letters, digits, `-`, `_`, `.`; at most 64. Also the client id of its client.
    pub name: String,
    /// What its password is checked against.
    pub password: PasswordHash,
    /// Several clients may use the login at once, under client ids of their own.
    pub shared: bool,
    /// What its clients may publish and subscribe; nothing else.
    pub rules: Rules,
}

impl Account {
    /// Whether `other` has the same name, password and rules.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.name, self.shared, &self.rules) == (&other.name, other.shared, &other.rules)
            && self.password.to_string() == other.password.to_string()
    }
}

/// What an account may do. Empty lists mean nothing at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Topics that it may publish to.
    pub publish: Vec<Filter>,
    /// Topics, among those, on which nothing may be retained: what is soon of no use to anybody, such as a share.
    pub fleeting: Vec<Filter>,
    /// Filters that it may subscribe, or any filter that one of them covers.
    pub subscribe: Vec<Filter>,
    /// What it is to the site, which decides how fast it may publish.
    pub role: Role,
}

impl Rules {
    /// Whether a message on `topic` is taken from the account.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|filter| filter.matches(topic))
    }

    /// Whether the broker keeps a message on `topic` for those who come later, if the account may publish it at all.
    pub fn may_retain(&self, topic: &str) -> bool {
        !self.fleeting.iter().any(|filter| filter.matches(topic))
    }

    /// Whether it is Home Assistant's: it may see all that devices announce there.
    pub(crate) fn is_home_assistants(&self) -> bool {
        HOME_ASSISTANT_EVERYTHING.parse().is_ok_and(|everything| self.may_subscribe(&everything))
    }

    /// Whether the account may see everything that `filter` matches.
    pub fn may_subscribe(&self, filter: &Filter) -> bool {
        self.subscribe.iter().any(|allowed| allowed.covers(filter))
    }
}

/// Whether `text` can be an account's name or a client id.
pub(crate) fn is_name(text: &str, max: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= max && text.bytes().all(allowed)
}
