//! Orders: what the operator of a peer tells it while it runs, signed with the peer's own key.
//!
//! The key is in the peer's key file, which its operator alone may read; so whoever can sign an order could also have
//! stopped the peer and changed its files. An order is taken once, and within five minutes of its making.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::document::{Signable, Signed};
use crate::identity::{SigningKey, VerifyingKey};
use crate::name::{NodeName, SiteName, SubjectName};
use crate::result::VERSION;
use crate::time::Timestamp;

/// How far the clocks of operator and peer may be apart, with the time that an order takes on its way.
pub const FRESH: Duration = Duration::from_secs(300);
/// The longest order, in bytes.
pub const MAX_ORDER: usize = 4096;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 200;

/// What an operator tells the peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whom.
    pub peer: NodeName,
    /// What to do.
    pub order: Verb,
    /// With what: a query's name, or the digest of a proposed member list in hexadecimal.
    pub subject: SubjectName,
    /// Why, for whoever reads it later.
    pub reason: Reason,
    /// When it was given.
    pub issued: Timestamp,
}

impl Signable for Order {
    const DOMAIN: &'static str = "murmuration/1/order";
}

/// What a peer can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Let a query that waits for the operator run.
    Approve,
    /// Sign a proposed member list.
    Consent,
    /// Don't let a query run.
    Deny,
    /// Take no part in a query for the time being.
    Pause,
    /// Don't sign a proposed member list.
    Refuse,
    /// Take part in a query again.
    Resume,
    /// Take no part in a query any more.
    Withdraw,
}

impl Verb {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Consent => "consent",
            Self::Deny => "deny",
            Self::Pause => "pause",
            Self::Refuse => "refuse",
            Self::Resume => "resume",
            Self::Withdraw => "withdraw",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Words for people: one line of at most [`MAX_REASON`] characters, none of which moves a terminal's cursor. May be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// A text that is too long for a reason, or not one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of at most {MAX_REASON} characters")]
pub struct ReasonError;

impl Reason {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;
    fn try_from(text: String) -> Result<Self, ReasonError> {
        let fits = text.chars().count() <= MAX_REASON && !text.chars().any(char::is_control);
        if fits { Ok(Self(text)) } else { Err(ReasonError) }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why an order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Not JSON of this form, too long, or of another version, site or peer.
    #[error("not an order to this peer")]
    Malformed,
    /// Made more than [`FRESH`] before or after the peer's now.
    #[error("an order of another time: it counts for five minutes; compare the clocks of operator and peer")]
    NotNow,
    /// Not made after the last one that was taken: brought back by somebody, or overtaken.
    #[error("an order that was taken before, or one made before the last that was taken")]
    NotNew,
    /// Not signed with the peer's own key.
    #[error("an order that is not signed with the peer's key")]
    Unsigned,
}

/// Takes the orders to one peer, each once.
///
/// Orders count in the order of their making: one instant to remember is enough to know them all.
#[derive(Debug)]
pub struct Orders {
    site: SiteName,
    peer: NodeName,
    key: VerifyingKey,
    last: Option<Timestamp>,
}

impl Orders {
    /// Takes what `key` signed for `peer` after `last`, the making of the last order that was taken in an earlier life.
    pub fn new(site: SiteName, peer: NodeName, key: VerifyingKey, last: Option<Timestamp>) -> Self {
        Self { site, peer, key, last }
    }

    /// The making of the last order that was taken: on disk before the order is carried out, it keeps a restarted peer from
    /// taking it again.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Takes an order in at `now`.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn take(&mut self, now: Timestamp, json: &[u8]) -> Result<Order, OrderError> {
        if json.len() > MAX_ORDER {
            return Err(OrderError::Malformed);
        }
        let signed: Signed<Order> = serde_json::from_slice(json).map_err(|_| OrderError::Malformed)?;
        let order = signed.verified(&self.key).ok_or(OrderError::Unsigned)?;
        if order.v != VERSION || order.site != self.site || order.peer != self.peer {
            return Err(OrderError::Malformed);
        }
        // First: a retained order comes again on every connection, however much later.
        if self.last.is_some_and(|last| order.issued <= last) {
            return Err(OrderError::NotNew);
        }
        if now.since(order.issued).max(order.issued.since(now)) > FRESH {
            return Err(OrderError::NotNow);
        }
        self.last = Some(order.issued);
        Ok(order)
    }
}

/// An order as it is published.
pub fn sign(order: Order, key: &SigningKey) -> Vec<u8> {
    // An order always has a JSON form; nothing is what no peer takes.
    serde_json::to_vec(&Signed::new(order, key)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng;

    const NOW: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn key() -> SigningKey {
        SigningKey::generate(&mut rng(1))
    }

    fn order(issued: Timestamp) -> Order {
        Order {
            v: VERSION,
            site: "hq".parse().unwrap(),
            peer: "tenant".parse().unwrap(),
            order: Verb::Approve,
            subject: "co2-mean".parse().unwrap(),
            reason: Reason::default(),
            issued,
        }
    }

    fn orders(last: Option<Timestamp>) -> Orders {
        Orders::new("hq".parse().unwrap(), "tenant".parse().unwrap(), key().verifying_key(), last)
    }

    #[test]
    fn an_order_is_taken_once_also_by_a_peer_that_restarted() {
        let mut peer = orders(None);
        let json = sign(order(NOW), &key());
        assert_eq!(peer.take(NOW, &json), Ok(order(NOW)));
        assert_eq!(peer.take(NOW, &json), Err(OrderError::NotNew));
        assert_eq!(orders(peer.last()).take(NOW, &json), Err(OrderError::NotNew));
        assert_eq!(peer.take(NOW + 2 * FRESH, &json), Err(OrderError::NotNew), "known, not late");
        let later = NOW + Duration::from_micros(1);
        assert!(peer.take(NOW, &sign(order(later), &key())).is_ok());
        assert_eq!(peer.take(NOW, &json), Err(OrderError::NotNew));
    }

    #[test]
    fn an_order_counts_for_five_minutes_whichever_clock_is_ahead() {
        for now in [NOW - FRESH, NOW + FRESH] {
            assert!(orders(None).take(now, &sign(order(NOW), &key())).is_ok());
        }
        let beyond = FRESH + Duration::from_micros(1);
        for now in [NOW - beyond, NOW + beyond] {
            let mut peer = orders(None);
            assert_eq!(peer.take(now, &sign(order(NOW), &key())), Err(OrderError::NotNow));
            assert_eq!(peer.last(), None, "what was not taken must not bar what comes");
        }
    }

    #[test]
    fn nobody_but_the_holder_of_the_peers_key_gives_orders() {
        let other = SigningKey::generate(&mut rng(2));
        assert_eq!(orders(None).take(NOW, &sign(order(NOW), &other)), Err(OrderError::Unsigned));
        let signed = String::from_utf8(sign(order(NOW), &key())).unwrap();
        let changed = signed.replace("approve", "deny");
        assert_eq!(orders(None).take(NOW, changed.as_bytes()), Err(OrderError::Unsigned));
    }

    #[test]
    fn an_order_to_another_peer_site_or_version_is_refused() {
        let elsewhere = [
            Order { site: "hq2".parse().unwrap(), ..order(NOW) },
            Order { peer: "landlord".parse().unwrap(), ..order(NOW) },
            Order { v: 2, ..order(NOW) },
        ];
        for order in elsewhere {
            assert_eq!(orders(None).take(NOW, &sign(order, &key())), Err(OrderError::Malformed));
        }
        let long = vec![b' '; MAX_ORDER + 1];
        for json in [&b""[..], b"{}", b"null", &long] {
            assert_eq!(orders(None).take(NOW, json), Err(OrderError::Malformed));
        }
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert!(Reason::try_from("x".repeat(MAX_REASON)).is_ok());
        assert_eq!(Reason::try_from("x".repeat(MAX_REASON + 1)), Err(ReasonError));
        for text in ["two\nlines", "\u{1b}[2J"] {
            assert_eq!(Reason::try_from(text.to_owned()), Err(ReasonError));
        }
    }

    #[test]
    fn verbs_are_spelled_as_they_are_named() {
        use Verb::*;
        for verb in [Approve, Consent, Deny, Pause, Refuse, Resume, Withdraw] {
            assert_eq!(serde_json::to_string(&verb).unwrap(), format!("\"{verb}\""));
        }
    }
}
