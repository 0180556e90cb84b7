//! Whether a log is what it was: every entry, the chain, the tree, the heads, and what must have come before what.
//!
//! Most of the time goes into what can be said of each entry alone ([`examine`]: forms, hashes, signatures), which may be
//! done for many at once. The rest goes in order ([`Auditor`]).

use serde_json::Value;

use super::content::Content;
use super::entry::{Body, Entry, Kind};
use super::head::{Forked, Head, HeadError};
use super::rules::Rules;
use super::tail::Tail;
use super::unfit::{Misfit, Unfit};
use super::{Before, instant};
use crate::digest::Digest;
use crate::document::Signed;
use crate::identity::Claims;
use crate::name::{NodeName, SiteName};
use crate::roster::{Node, Roster};

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

impl Examined {
    /// The entry with what is found wrong with it beside the others, unless something is wrong with it itself.
    #[must_use]
    pub fn spoiled(self, unfit: Unfit) -> Self {
        Self { outcome: self.outcome.and(Err(unfit)), ..self }
    }
}

/// Examines one entry by itself.
pub fn examine(row: Row, roster: &Roster) -> Examined {
    Examined { seq: row.seq, outcome: read(row, roster, None) }
}

/// Examines many entries, each by itself, but for the signatures of results, which are verified together.
pub fn examine_many(rows: Vec<Row>, roster: &Roster) -> Vec<Examined> {
    let mut claims = Claims::default();
    let examined = rows
        .iter()
        .map(|row| Examined { seq: row.seq, outcome: read(row.clone(), roster, Some(&mut claims)) })
        .collect();
    if claims.hold() { examined } else { rows.into_iter().map(|row| examine(row, roster)).collect() }
}

fn read(row: Row, roster: &Roster, claims: Option<&mut Claims>) -> Result<(Written, Content), Unfit> {
    let (written, value) = row.read_with_value()?;
    let content = Content::read(written.entry.kind, value, roster, claims)?;
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
    pub fn new(site: &SiteName, peer: &NodeName) -> Self {
        Self {
            tail: Tail::new(site, peer),
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
        site: &SiteName,
        peer: &Node,
    ) -> Result<(), Misfit> {
        let mut before: Option<Head> = None;
        let mut own = Vec::new();
        for (size, json) in heads {
            let misfit = |unfit| Misfit { seq: size.saturating_sub(1), unfit };
            let broken = |error| misfit(Unfit::Head { size, error });
            let Signed { document: head, sig } = Head::read(&json, site, peer).map_err(broken)?;
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
