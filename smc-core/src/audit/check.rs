//! Whether a log is what it was: every entry, the chain, the tree, the heads, and what must have come before what.
//!
//! Most of the time goes into what can be said of each entry alone ([`examine`]: forms, hashes, signatures), which may be
//! done for many at once. The rest goes in order ([`Auditor`]).

use serde_json::Value;

use super::content::Content;
use super::entry::{Body, BodyError, Entry, Kind};
use super::head::{Forked, Head, HeadError};
use super::rules::Rules;
use super::tail::Tail;
use super::{Before, instant};
use crate::digest::Digest;
use crate::document::Signed;
use crate::name::{NodeName, QuantityName, QueryName};
use crate::result::VerifyError;
use crate::roster::Roster;
use crate::time::WindowIndex;

/// An entry as a file has it, before any of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its number.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// The name of its kind.
    pub kind: String,
    /// A JSON object.
    pub body: String,
    /// The hash of the entry before.
    pub prev: Vec<u8>,
    /// Its own hash, and the roots of the perfect subtrees that end with it, one after the other.
    pub nodes: Vec<u8>,
}

impl Row {
    /// Reads the entry.
    ///
    /// # Errors
    /// If a field is not written as it must be, or the hash is not that of the others.
    pub fn read(self) -> Result<Written, Unfit> {
        self.read_with_value().map(|(written, _)| written)
    }

    fn read_with_value(self) -> Result<(Written, Value), Unfit> {
        let Self { seq, time, kind, body, prev, nodes } = self;
        let time = instant::parse(&time).ok_or(Unfit::Field("time"))?;
        let kind: Kind = kind.parse().map_err(|_| Unfit::Field("kind"))?;
        let prev = Digest(prev.try_into().map_err(|_| Unfit::Field("prev"))?);
        let (body, value) = Body::read(body)?;
        let entry = Entry { seq, time, kind, body, prev };
        let hash = entry.hash();
        if nodes.get(..32) != Some(&hash.0) {
            return Err(Unfit::Hash);
        }
        Ok((Written { entry, hash, nodes }, value))
    }
}

/// An entry whose fields are what they must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The entry.
    pub entry: Entry,
    /// Its hash.
    pub hash: Digest,
    /// What the file has as its own hash and the roots of the perfect subtrees that end with it.
    pub nodes: Vec<u8>,
}

/// What can be said of an entry by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// The number that the file gives it.
    seq: u64,
    outcome: Result<(Written, Content), Unfit>,
}

/// The first entry that doesn't fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("entry {seq}: {unfit}")]
pub struct Misfit {
    /// Which entry.
    pub seq: u64,
    /// What is wrong with it.
    pub unfit: Unfit,
}

/// What a log proves about another peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{peer} signed heads that contradict each other, entries {} and {}: {forked}", entries.0, entries.1)]
pub struct Finding {
    /// About whom.
    pub peer: NodeName,
    /// What.
    pub forked: Forked,
    /// The entries that have the heads.
    pub entries: (u64, u64),
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// The body is no document, or not written as it was hashed.
    #[error("its body is {0}")]
    Body(#[from] BodyError),
    /// A head that was signed differs from the log.
    #[error("the head of {size} entries that {keeper} does not fit the entries from {from} on")]
    Changed {
        /// How many entries the head has.
        size: u64,
        /// Who has the head.
        keeper: String,
        /// The first entry that no earlier head vouches for.
        from: u64,
    },
    /// The cohort is not the one that it is said to be.
    #[error("a vote on {quantity} for a cohort that is not written down")]
    Cohort {
        /// Of what.
        quantity: QuantityName,
    },
    /// The body is not the document that its kind demands.
    #[error("its body is no {kind}: {error}")]
    Content {
        /// What it should be.
        kind: Kind,
        /// Why it is none.
        error: String,
    },
    /// Entries are missing at the end.
    #[error("it is missing: the log ends here, and {keeper} a head of {size} entries")]
    Ends {
        /// How many entries the head has.
        size: u64,
        /// Who has the head.
        keeper: String,
    },
    /// A field is not written as it must be.
    #[error("its {0} is not what can stand there")]
    Field(&'static str),
    /// The hash is not that of the entry.
    #[error("its hash is not that of its content")]
    Hash,
    /// An own head is no head.
    #[error("the peer's own head of {size} entries: {error}")]
    Head {
        /// How many entries it has.
        size: u64,
        /// What is wrong with it.
        error: HeadError,
    },
    /// Own heads are missing, or not in their order.
    #[error("the peer's own head of {size} entries does not name the head before it")]
    HeadOrder {
        /// How many entries it has.
        size: u64,
    },
    /// The entry before is another one.
    #[error("it does not follow the entry before it")]
    Link,
    /// There is an entry with another number.
    #[error("it is missing: entry {found} follows")]
    Missing {
        /// What is there instead.
        found: u64,
    },
    /// Nothing allowed a result.
    #[error("a result of {query}, which this peer had not allowed")]
    NotAllowed {
        /// Of which query.
        query: QueryName,
    },
    /// Nobody asked.
    #[error("a result of {query}, which nobody had asked for")]
    NotRequested {
        /// Of which query.
        query: QueryName,
    },
    /// The peer's own signature is missing.
    #[error("a result of {query} for window {window} without this peer's own signature")]
    NotSigned {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// The peer had not voted.
    #[error("a result of {query} for window {window} of {quantity}, on which this peer had not voted")]
    NotVoted {
        /// Of which query.
        query: QueryName,
        /// Of what.
        quantity: QuantityName,
        /// Which window.
        window: WindowIndex,
    },
    /// The log does not begin with a start.
    #[error("it comes before any start")]
    NoStart,
    /// The result answers another question.
    #[error("a result of {query} with another function or quantity than was asked for")]
    OtherQuestion {
        /// Of which query.
        query: QueryName,
    },
    /// The signatures are not those that it takes.
    #[error("the result is not signed as it must be: {0}")]
    Signatures(VerifyError),
    /// A result of a window that began after the end of the question.
    #[error("a result of {query}, whose window began after this peer had stopped it")]
    Stopped {
        /// Of which query.
        query: QueryName,
    },
    /// The tree was tampered with.
    #[error("the subtrees stored with it are not those that end with it")]
    Tree,
    /// A window has two values.
    #[error("a second result of {query} for window {window}")]
    TwoResults {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// A window has two votes.
    #[error("a second vote on window {window} of {quantity}")]
    TwoVotes {
        /// Of what.
        quantity: QuantityName,
        /// Which window.
        window: WindowIndex,
    },
}

impl Unfit {
    /// What that means, for people.
    pub fn means(&self) -> &'static str {
        match self {
            Self::Body(_) | Self::Field(_) | Self::Hash | Self::Tree => {
                "the entry was changed after it was written, or the file is damaged"
            }
            Self::Link => {
                "this entry or the one before it was changed, put in or taken out after it was written"
            }
            Self::Missing { .. } => "an entry was taken out, or the file is damaged",
            Self::Ends { .. } => "entries were taken off the end after the peer had signed for them",
            Self::Changed { .. } => {
                "the log was rewritten, hashes and all, after the peer had signed for it: keep both files, they prove it"
            }
            Self::Head { .. } | Self::HeadOrder { .. } => {
                "what the peer keeps of its own heads was changed, or another key signed it"
            }
            Self::Content { .. } | Self::NoStart | Self::Cohort { .. } => {
                "the peer's program did not write this: the log was made up from here on, or by another version"
            }
            Self::Signatures(_) | Self::NotSigned { .. } => {
                "the result is not what the peers signed, or was signed with keys that the site file does not have"
            }
            Self::NotAllowed { .. }
            | Self::NotRequested { .. }
            | Self::OtherQuestion { .. }
            | Self::Stopped { .. } => "the peer computed what it should not have",
            Self::NotVoted { .. } | Self::TwoResults { .. } | Self::TwoVotes { .. } => {
                "the peer broke the protocol, or forgot how it had voted: an old copy of its store was put back"
            }
        }
    }
}

/// Examines one entry by itself.
pub fn examine(row: Row, roster: &Roster) -> Examined {
    Examined { seq: row.seq, outcome: read(row, roster) }
}

fn read(row: Row, roster: &Roster) -> Result<(Written, Content), Unfit> {
    let (written, value) = row.read_with_value()?;
    let content = Content::read(written.entry.kind, value, roster)?;
    Ok((written, content))
}

/// A signed head that the log must fit, and who has it.
#[derive(Debug)]
struct Wanted {
    head: Head,
    keeper: String,
}

/// Goes through a log from its first entry to its last.
#[derive(Debug)]
pub struct Auditor {
    tail: Tail,
    rules: Rules,
    /// Heads to come, the largest first.
    wanted: Vec<Wanted>,
    /// How many entries the last head that fit vouches for.
    vouched: u64,
    heads: u64,
}

impl Auditor {
    /// Begins with the log of `peer`.
    pub fn new(roster: &Roster, peer: &NodeName) -> Self {
        Self {
            tail: Tail::new(roster.site(), peer),
            rules: Rules::new(peer.clone()),
            wanted: Vec::new(),
            vouched: 0,
            heads: 0,
        }
    }

    /// Wants the log to fit heads that its peer signed; `keeper` has them, as in "peer-2 has". The caller checked whose
    /// signature they bear.
    pub fn want(&mut self, heads: impl IntoIterator<Item = Head>, keeper: &str) {
        let wanted = heads.into_iter().map(|head| Wanted { head, keeper: keeper.to_owned() });
        self.wanted.extend(wanted);
        self.wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.head.size));
    }

    /// Wants it to fit the heads that the peer itself keeps, in their order, each naming the one before.
    ///
    /// # Errors
    /// The first that is none.
    pub fn want_own(
        &mut self,
        heads: impl IntoIterator<Item = (u64, Vec<u8>)>,
        roster: &Roster,
        peer: &NodeName,
    ) -> Result<(), Misfit> {
        let node = roster.peer_named(peer.as_str()).and_then(|peer| roster.peer(peer));
        let mut before: Option<Head> = None;
        let mut own = Vec::new();
        for (size, json) in heads {
            let misfit = |unfit| Misfit { seq: size.saturating_sub(1), unfit };
            let broken = |error| misfit(Unfit::Head { size, error });
            let read =
                node.ok_or(HeadError::Malformed).and_then(|node| Head::read(&json, roster.site(), node));
            let Signed { document: head, sig } = read.map_err(broken)?;
            // One text: whoever changes a space changes the file.
            let form = Body::of(&Signed { document: head.clone(), sig });
            if head.size != size || form.as_ref().map(|form| form.as_str().as_bytes()) != Ok(&json) {
                return Err(broken(HeadError::Malformed));
            }
            let named = |Before { size, root, .. }: &Before| (*size, *root);
            let known = before.as_ref().map(|before| (before.size, before.root));
            if head.before.as_ref().map(named) != known {
                return Err(misfit(Unfit::HeadOrder { size }));
            }
            before = Some(head.clone());
            own.push(head);
        }
        self.want(own, "the peer itself keeps");
        Ok(())
    }

    /// Takes in the next entry; returns what it proves about another peer.
    ///
    /// # Errors
    /// Why it does not go with those before.
    pub fn take(&mut self, entry: Examined) -> Result<Option<Finding>, Misfit> {
        let seq = self.tail.size();
        let found = self.follow(entry).map_err(|unfit| Misfit { seq, unfit })?;
        self.hold()?;
        Ok(found)
    }

    fn follow(&mut self, Examined { seq, outcome }: Examined) -> Result<Option<Finding>, Unfit> {
        // First of all: what is out of place, as it makes no difference what it is.
        if seq != self.tail.size() {
            return Err(Unfit::Missing { found: seq });
        }
        let (written, content) = outcome?;
        self.tail.follow(&written)?;
        self.rules.take(&written.entry, content)
    }

    /// Holds the log so far against the heads of this size.
    fn hold(&mut self) -> Result<(), Misfit> {
        let (size, before) = (self.tail.size(), self.heads);
        while let Some(wanted) = self.wanted.pop_if(|wanted| wanted.head.size == size) {
            if (wanted.head.root, wanted.head.chain) != (self.tail.root(), self.tail.chain()) {
                let (from, keeper) = (self.vouched, wanted.keeper);
                return Err(Misfit { seq: size - 1, unfit: Unfit::Changed { size, keeper, from } });
            }
            self.heads += 1;
        }
        if self.heads > before {
            self.vouched = size;
        }
        Ok(())
    }

    /// The log ends here.
    ///
    /// # Errors
    /// If a head has more entries.
    pub fn finish(self) -> Result<Audited, Misfit> {
        match self.wanted.into_iter().last() {
            Some(Wanted { head, keeper }) => {
                Err(Misfit { seq: self.tail.size(), unfit: Unfit::Ends { size: head.size, keeper } })
            }
            None => Ok(Audited {
                entries: self.tail.size(),
                root: self.tail.root(),
                heads: self.heads,
                vouched: self.vouched,
            }),
        }
    }
}

/// What a log that fits has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// How many entries.
    pub entries: u64,
    /// The root of their tree.
    pub root: Digest,
    /// How many signed heads it fits.
    pub heads: u64,
    /// How many entries the newest of them vouches for.
    pub vouched: u64,
}
