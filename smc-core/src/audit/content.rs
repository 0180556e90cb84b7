//! What an entry says, as far as others hang on it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::entry::Kind;
use super::head::Head;
use super::record::{PolicyRead, Started, Voted};
use super::unfit::Unfit;
use crate::charter::Enacted;
use crate::document::{Signable, Signed};
use crate::identity::Claims;
use crate::name::{NodeName, SiteName};
use crate::order::Order;
use crate::request::{Asked, Decision};
use crate::result::{SignedResult, VERSION};
use crate::roster::{Node, Roster};

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// What a client asks, or asks no longer.
    Asked(Asked),
    /// A change of the member list; it counts or not by those before, see [`Lists`](super::Lists).
    Charter,
    /// What became of a request.
    Decision(Box<Decision>),
    /// Another peer's head.
    Head(Box<Signed<Head>>),
    /// What the peer's operator ordered.
    Order(Box<Order>),
    /// A policy that was read. Which one is in force is the peer's own business.
    Policy,
    /// A result.
    Result(Box<SignedResult>),
    /// A start.
    Start(Started),
    /// A vote.
    Vote(Voted),
}

impl Content {
    /// Reads the body of an entry and checks what can be checked of it alone: its form, and whose signatures it bears.
    /// Signatures of results, most of all that there are, are believed if there are `claims` that they go into.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        kind: Kind,
        body: Value,
        roster: &Roster,
        claims: Option<&mut Claims>,
    ) -> Result<Self, Unfit> {
        match kind {
            Kind::Decision => {
                let named = |decision: &Decision| (decision.v, decision.site.clone(), decision.peer.clone());
                signed(kind, body, roster, named).map(|decision| Self::Decision(Box::new(decision)))
            }
            Kind::Head => head(&body, roster),
            Kind::Intervention => {
                let named = |order: &Order| (order.v, order.site.clone(), order.peer.clone());
                signed(kind, body, roster, named).map(|order| Self::Order(Box::new(order)))
            }
            Kind::Membership => parse::<Enacted>(kind, body).map(|_| Self::Charter),
            Kind::Policy => parse::<PolicyRead>(kind, body).map(|_| Self::Policy),
            Kind::Request => asked(body, roster),
            Kind::Result => {
                let result: SignedResult = parse(kind, body)?;
                let vouched = match claims {
                    Some(claims) => result.claim(roster, claims),
                    None => result.verify(roster),
                };
                vouched.map_err(Unfit::Signatures)?;
                Ok(Self::Result(Box::new(result)))
            }
            Kind::Start => parse(kind, body).map(Self::Start),
            Kind::Vote => parse(kind, body).map(Self::Vote),
        }
    }
}

fn parse<D: DeserializeOwned>(kind: Kind, body: Value) -> Result<D, Unfit> {
    serde_json::from_value(body).map_err(|error| Unfit::Content { kind, error: error.to_string() })
}

/// A document of this protocol and site that is signed by the peer that it is said to be of.
fn signed<D: DeserializeOwned + Signable>(
    kind: Kind,
    body: Value,
    roster: &Roster,
    named: impl Fn(&D) -> (u8, SiteName, NodeName),
) -> Result<D, Unfit> {
    let Signed { document, sig } = parse::<Signed<D>>(kind, body)?;
    let (v, site, peer) = named(&document);
    if (v, &site) != (VERSION, roster.site()) {
        let error = format!("version {v} of the protocol, at {site}");
        return Err(Unfit::Content { kind, error });
    }
    match peer_called(roster, &peer) {
        Some(node) if document.is_signed_by(&node.identity, &sig) => Ok(document),
        _ => Err(Unfit::Unsigned { kind, peer }),
    }
}

fn head(body: &Value, roster: &Roster) -> Result<Content, Unfit> {
    let foreign = |error: &str| Unfit::Content { kind: Kind::Head, error: error.to_owned() };
    let named = body["peer"].as_str().and_then(|name| name.parse::<NodeName>().ok());
    let peer = named.and_then(|name| peer_called(roster, &name));
    let peer = peer.ok_or_else(|| foreign("of nobody who is a peer of this site"))?;
    let read = Head::read(body.to_string().as_bytes(), roster.site(), peer);
    read.map(|head| Content::Head(Box::new(head))).map_err(|error| foreign(&error.to_string()))
}

/// A client signs what it asks as it sent it: so that is what is checked, whatever is read from it.
fn asked(body: Value, roster: &Roster) -> Result<Content, Unfit> {
    let missing = |key: &str| Unfit::Content { kind: Kind::Request, error: format!("it names no {key}") };
    let name = if body["cancel"].is_null() { &body["query"]["name"] } else { &body["cancel"] };
    let query = name.as_str().and_then(|name| name.parse().ok()).ok_or_else(|| missing("query"))?;
    let client = body["client"].as_str().and_then(|name| name.parse().ok());
    let client = client.ok_or_else(|| missing("client"))?;
    Asked::read(roster, &client, &query, body).map(Content::Asked).map_err(Unfit::Request)
}

fn peer_called<'a>(roster: &'a Roster, name: &NodeName) -> Option<&'a Node> {
    roster.peer_named(name.as_str()).and_then(|peer| roster.peer(peer))
}
