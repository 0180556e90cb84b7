//! What an entry says, as far as others hang on it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::Unfit;
use super::entry::Kind;
use super::head::Head;
use super::record::{Started, Voted};
use crate::document::Signed;
use crate::name::{NodeName, QueryName};
use crate::result::SignedResult;
use crate::roster::Roster;

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// What became of a request.
    Decision {
        /// Which.
        query: QueryName,
        /// What.
        verdict: String,
    },
    /// Another peer's head.
    Head(Box<Signed<Head>>),
    /// Something that no rule is about.
    Other,
    /// A question.
    Request {
        /// Its name.
        query: QueryName,
        /// The function's name.
        function: String,
        /// Of what.
        quantity: String,
    },
    /// A result.
    Result(Box<SignedResult>),
    /// A start.
    Start(Started),
    /// A vote.
    Vote(Voted),
}

impl Content {
    /// Reads the body of an entry and checks what can be checked of it alone: its form, and whose signatures it bears.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(kind: Kind, body: Value, roster: &Roster) -> Result<Self, Unfit> {
        match kind {
            Kind::Decision => Ok(decision(&body).unwrap_or(Self::Other)),
            Kind::Head => head(&body, roster),
            Kind::Intervention | Kind::Membership => Ok(Self::Other),
            Kind::Request => Ok(request(&body).unwrap_or(Self::Other)),
            Kind::Result => {
                let result: SignedResult = parse(kind, body)?;
                result.verify(roster).map_err(Unfit::Signatures)?;
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

fn head(body: &Value, roster: &Roster) -> Result<Content, Unfit> {
    let foreign = |error: &str| Unfit::Content { kind: Kind::Head, error: error.to_owned() };
    let named = body["peer"].as_str().and_then(|name| name.parse::<NodeName>().ok());
    let peer = named.and_then(|name| roster.peer_named(name.as_str())).and_then(|peer| roster.peer(peer));
    let peer = peer.ok_or_else(|| foreign("of nobody who is a peer of this site"))?;
    let read = Head::read(body.to_string().as_bytes(), roster.site(), peer);
    read.map(|head| Content::Head(Box::new(head))).map_err(|error| foreign(&error.to_string()))
}

/// Requests and decisions are read as far as the rules need them: their documents have more to say.
fn request(body: &Value) -> Option<Content> {
    let query = &body["query"];
    Some(Content::Request {
        query: query["name"].as_str()?.parse().ok()?,
        function: query["function"].as_str()?.to_owned(),
        quantity: query["quantity"].as_str()?.to_owned(),
    })
}

fn decision(body: &Value) -> Option<Content> {
    let query = body["query"].as_str()?.parse().ok()?;
    Some(Content::Decision { query, verdict: body["verdict"].as_str()?.to_owned() })
}
