//! Documents that one node signed, in words.

use serde::de::DeserializeOwned;
use smc_core::audit::{Head, HeadError};
use smc_core::card::Card;
use smc_core::charter::{Chain, Change, Proposal};
use smc_core::control::Control;
use smc_core::document::{Signable, Signed};
use smc_core::identity::VerifyingKey;
use smc_core::introduction::{IntroducedRole, Introduction};
use smc_core::name::{NodeName, QueryName, SiteName};
use smc_core::order::Order;
use smc_core::request::{Cancellation, Decision, Request};
use smc_core::time::Timestamp;

use super::explain::{Explainer, MALFORMED};
use super::explained::{Explained, Signature};
use crate::command::asking::told;

impl Explainer {
    pub(super) fn card(&self, told: Explained, node: &NodeName, payload: &[u8]) -> Explained {
        self.told(
            told,
            node,
            payload,
            |card: &Card| (&card.site, &card.node),
            |card| {
                let length = self.known.as_ref().map(|known| known.roster.timing().key_epoch.as_micros());
                let from = length.and_then(|length| u64::try_from(length).ok()?.checked_mul(card.epoch.0));
                let from = from.map_or_else(String::new, |from| {
                    format!(", which began {}", Timestamp::from_micros(from))
                });
                format!(
                    "its sealing key of epoch {}{from}: whoever sends it anything seals with that",
                    card.epoch
                )
            },
        )
    }

    pub(super) fn control(&self, told: Explained, agent: &NodeName, payload: &[u8]) -> Explained {
        self.told(
            told,
            agent,
            payload,
            |control: &Control| (&control.site, &control.agent),
            |control| {
                let list = |names: Vec<&str>| names.join(", ");
                let streams = list(control.paused_streams.iter().map(|stream| stream.as_str()).collect());
                let purposes = list(control.paused_purposes.iter().map(String::as_str).collect());
                let what = match (control.paused, streams.is_empty(), purposes.is_empty()) {
                    (true, ..) => "share nothing".to_owned(),
                    (false, true, true) => "share everything".to_owned(),
                    (false, false, true) => format!("share nothing of {streams}"),
                    (false, true, false) => format!("take no part in results for {purposes}"),
                    (false, false, false) => {
                        format!("share nothing of {streams}, and take no part in results for {purposes}")
                    }
                };
                format!("its owner's word of {}: {what}", control.issued)
            },
        )
    }

    pub(super) fn decision(&self, told: Explained, peer: &NodeName, payload: &[u8]) -> Explained {
        self.told(
            told,
            peer,
            payload,
            |decision: &Decision| (&decision.site, &decision.peer),
            |decision| {
                let Decision { query, verdict, reason, rule, client, .. } = decision;
                let rule = rule.as_ref().map_or_else(String::new, |rule| format!(" (rule {rule})"));
                let asked = match client {
                    Some(client) => format!("{query}, asked by {client}"),
                    None => format!("{query} of the site file"),
                };
                format!("{verdict}: {asked}: {reason}{rule}")
            },
        )
    }

    pub(super) fn introduction(&self, told: Explained, node: &NodeName, payload: &[u8]) -> Explained {
        self.told(
            told,
            node,
            payload,
            |said: &Introduction| (&said.site, &said.node),
            |said| {
                let role = match said.role {
                    IntroducedRole::Agent => "an agent",
                    IntroducedRole::Client => "a client",
                };
                format!("{role} with program {} since {}", said.program, said.since)
            },
        )
    }

    pub(super) fn order(&self, told: Explained, peer: &NodeName, payload: &[u8]) -> Explained {
        self.told(
            told,
            peer,
            payload,
            |order: &Order| (&order.site, &order.peer),
            |order| {
                let Order { order, subject, reason, issued, .. } = order;
                let why = if reason.as_str().is_empty() { String::new() } else { format!(", \"{reason}\"") };
                format!("its operator's word of {issued}: {order} {subject}{why}")
            },
        )
    }

    pub(super) fn request(
        &self,
        told: Explained,
        client: &NodeName,
        query: &QueryName,
        payload: &[u8],
    ) -> Explained {
        if serde_json::from_slice::<Signed<Cancellation>>(payload).is_ok() {
            return self.told(
                told,
                client,
                payload,
                |said: &Cancellation| (&said.site, &said.client),
                |said| format!("takes {} back", said.cancel),
            );
        }
        self.told(
            told,
            client,
            payload,
            |request: &Request| (&request.site, &request.client),
            |request| format!("asks for {query}: {}", told::request(request)),
        )
    }

    pub(super) fn head(&self, mut told: Explained, peer: &NodeName, payload: &[u8]) -> Explained {
        let Ok(signed) = serde_json::from_slice::<Signed<Head>>(payload) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let Head { size, time, before, .. } = &signed.document;
        let grown = before.as_ref().map_or_else(String::new, |before| {
            format!(", and proves that it goes on from the one of {} entries before", before.size)
        });
        let entries = if *size == 1 { "entry" } else { "entries" };
        told.says = format!("its log had {size} {entries} at {time}{grown}");
        let node = self.known.as_ref().map(|known| known.members.register().eras().peer(peer));
        told.signature = match node {
            Some(Some(node)) => match Head::read(payload, self.site(), node) {
                Ok(_) => Signature::Good(vec![peer.clone()]),
                Err(error @ (HeadError::Malformed | HeadError::Unproven | HeadError::Unsigned)) => {
                    Signature::Bad(error.to_string())
                }
            },
            None | Some(None) => self.unchecked(),
        };
        told
    }

    pub(super) fn charters(&mut self, mut told: Explained, payload: &[u8], now: Timestamp) -> Explained {
        let Ok(chain) = serde_json::from_slice::<Chain>(payload) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let newest = chain.charters.last().map(|enacted| &enacted.charter);
        told.says = newest.map_or("no change of the member list".to_owned(), |charter| {
            format!(
                "{} changes of the member list; the newest, revision {}, holds from {} on: {}",
                chain.charters.len(),
                charter.revision,
                charter.effective,
                change(&charter.change)
            )
        });
        let unchecked = self.unchecked();
        let Some(known) = &mut self.known else {
            told.signature = unchecked;
            return told;
        };
        told.signature = match known.members.take(payload) {
            Ok(_) => {
                let signers =
                    chain.charters.last().map(|enacted| enacted.signatures.keys().cloned().collect());
                Signature::Good(signers.unwrap_or_default())
            }
            Err(error) => Signature::Bad(error.to_string()),
        };
        if let Ok(Some(roster)) = known.members.advance(now) {
            known.roster = roster;
        }
        told
    }

    pub(super) fn proposal(&self, mut told: Explained, peer: &NodeName, payload: &[u8]) -> Explained {
        let Ok(proposal) = serde_json::from_slice::<Proposal>(payload) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let charter = &proposal.document;
        told.says = format!(
            "signs revision {} of the member list, from {} on: {}",
            charter.revision,
            charter.effective,
            change(&charter.change)
        );
        told.signature = match &self.known {
            None => self.unchecked(),
            Some(known) => {
                let register = known.members.register();
                if charter.revision <= register.revision() {
                    Signature::Unchecked("it is enacted, or overtaken, already")
                } else if register.is_signed_by(&proposal, peer) {
                    Signature::Good(vec![peer.clone()])
                } else {
                    Signature::Bad(format!("not by {peer}, or it has no say in this"))
                }
            }
        };
        told
    }

    /// A document that `by` must have signed, in the words that `says` has for it; `of` tells of which site and of whom it
    /// says that it is.
    fn told<D: Signable + DeserializeOwned>(
        &self,
        mut told: Explained,
        by: &NodeName,
        payload: &[u8],
        of: impl Fn(&D) -> (&SiteName, &NodeName),
        says: impl FnOnce(&D) -> String,
    ) -> Explained {
        let Ok(signed) = serde_json::from_slice::<Signed<D>>(payload) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let (site, node) = of(&signed.document);
        told.says = says(&signed.document);
        told.signature = if (site, node) != (self.site(), by) {
            Signature::Bad(format!("it says that it is of {node} at {site}"))
        } else {
            match self.key(by) {
                Some(key) if signed.document.is_signed_by(&key, &signed.sig) => {
                    Signature::Good(vec![by.clone()])
                }
                Some(_) => Signature::Bad(format!("not by {by}, by the key that the member list has")),
                None => self.unchecked(),
            }
        };
        told
    }

    /// What a node signs with.
    fn key(&self, name: &NodeName) -> Option<VerifyingKey> {
        let known = self.known.as_ref()?;
        let roster = &known.roster;
        let peer = || known.members.register().eras().peer(name).map(|peer| peer.identity);
        let agent = roster.agent_named(name.as_str()).map(|agent| roster.agent(agent).node.identity);
        agent.or_else(|| roster.client(name)?.identity).or_else(peer)
    }
}

/// A change of the member list in few words.
fn change(change: &Change) -> String {
    match change {
        Change::AddAgent { agent, .. } => format!("the agent {} joins", agent.name),
        Change::AddClient { client, .. } => format!("the client {} joins", client.name),
        Change::AddPeer { peer, .. } => format!("the peer {} joins", peer.name),
        Change::RaiseThreshold { threshold } => format!("any {threshold} peers together learn nothing"),
        Change::RekeyAgent { name, .. } => format!("the agent {name} gets other keys"),
        Change::RekeyClient { client, .. } => format!("the client {} gets other keys", client.name),
        Change::Remove { name } => format!("{name} leaves"),
        Change::ReplacePeer { gone, peer, .. } => format!("{} takes the place of {gone}", peer.name),
    }
}
