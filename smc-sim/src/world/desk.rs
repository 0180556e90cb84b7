//! What is asked while the site runs: a client's topics, the peers' desks, their policies and operators.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::desk::{Desk, DeskEvent, Judge, Judgement, OrderRefused, Outcome, Running};
use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::name::QueryName;
use smc_core::order::Verb;
use smc_core::peer::{Refusal, Taken};
use smc_core::request::{Admissible, Cancellation, Request};
use smc_core::session::Session;
use smc_core::shamir::PeerIndex;
use smc_core::time::Timestamp;

use super::site::CLIENT;
use super::{Content, Host, Packet, Sender, Wish, World};

/// What each peer's policy says of a request.
pub(super) type Policy = Box<dyn Fn(PeerIndex, &Request) -> Outcome>;

struct At<'a> {
    peer: PeerIndex,
    policy: &'a Policy,
}

impl Judge for At<'_> {
    fn judge(&mut self, request: &Request, _: &Session, _: Running, _: Timestamp) -> Judgement {
        let outcome = (self.policy)(self.peer, request);
        Judgement { outcome, reason: "the history says so".to_owned(), rule: None }
    }
}

/// The key of the client of every world.
pub fn client_key() -> SigningKey {
    SigningKey::generate(&mut ChaCha20Rng::seed_from_u64(0xc11e))
}

/// The desk of a machine that comes up, with what its disk remembers.
pub(super) fn open_desk(host: &Host, now: Timestamp) -> Desk {
    let me = host.roster.peer(host.index).unwrap().name.clone();
    Desk::new(Arc::clone(&host.roster), me, host.disk.decisions.values().cloned().collect(), now)
}

impl World {
    /// What each peer's policy says of a request.
    pub fn judge(&mut self, policy: impl Fn(PeerIndex, &Request) -> Outcome + 'static) {
        self.policy = Box::new(policy);
    }

    /// The client asks.
    pub fn ask(&mut self, request: Request) {
        let query = request.query.name.clone();
        let signed = request.signed(&client_key());
        let digest = Request::digest(&signed);
        let json = serde_json::to_vec(&signed).unwrap();
        let asked = Admissible { request: signed.document, digest };
        if let Ok(session) = Session::asked(&self.roster, &asked) {
            self.asked.insert(digest, Arc::new(session));
        }
        self.retained.insert(query.clone(), (digest, json));
        self.publish(&query, self.all_peers());
    }

    /// The client needs a query no longer, as it last asked for it.
    pub fn cancel(&mut self, query: &QueryName) {
        let Some((request, json)) = self.retained.get_mut(query) else { return };
        let cancellation = Cancellation {
            v: 1,
            site: self.roster.site().clone(),
            client: CLIENT.parse().unwrap(),
            cancel: query.clone(),
            request: *request,
        };
        *json = serde_json::to_vec(&Signed::new(cancellation, &client_key())).unwrap();
        self.publish(query, self.all_peers());
    }

    /// The operator of a peer says what to do about a query; nothing, while the peer is down.
    #[allow(clippy::missing_errors_doc, reason = "those of the desk")]
    pub fn order(&mut self, at: PeerIndex, verb: Verb, query: &QueryName) -> Result<(), OrderRefused> {
        let now = self.clock(Sender::Peer(at));
        let Host { desk: Some(desk), peer: Some(peer), .. } = self.host(at) else { return Ok(()) };
        desk.handle_order(now, verb, query, "", peer.sessions())?;
        self.drain(at);
        Ok(())
    }

    /// An agent's owner wants something from now on, or nothing in particular.
    pub fn wish(&mut self, agent: usize, wish: Option<Wish>) {
        self.agents[agent].demand(wish.as_ref().map(Wish::terms).unwrap_or_default());
        self.wishes[agent] = wish;
    }

    fn all_peers(&self) -> Vec<PeerIndex> {
        self.roster.sharing().indices().collect()
    }

    fn publish(&mut self, query: &QueryName, to: Vec<PeerIndex>) {
        let json = self.retained[query].1.clone();
        for to in to {
            let content = Content::Asked { query: query.clone(), json: json.clone() };
            self.send(Packet { from: Sender::Client, to, content });
        }
    }

    /// A peer subscribes, and gets what is retained.
    pub(super) fn hand_out_retained(&mut self, to: PeerIndex) {
        let queries: Vec<_> = self.retained.keys().cloned().collect();
        queries.iter().for_each(|query| self.publish(query, vec![to]));
    }

    /// A peer hears what the client says.
    pub(super) fn hear(
        &mut self,
        now: Timestamp,
        at: PeerIndex,
        query: &QueryName,
        json: &[u8],
    ) -> Result<Taken, Refusal> {
        let Self { peers, policy, .. } = self;
        let Host { desk: Some(desk), peer: Some(peer), .. } = &mut peers[at.offset()] else {
            return Ok(Taken::New);
        };
        let (client, mut judge) = (CLIENT.parse().unwrap(), At { peer: at, policy });
        let heard = desk.handle_asked(now, (&client, query), json, peer.sessions(), &mut judge);
        self.drain(at);
        // One that came late is over.
        heard.map(|()| Taken::New).map_err(|_| Refusal::Late)
    }

    /// Decisions are on disk before anything follows from them.
    pub(super) fn drain_desk(&mut self, at: PeerIndex) {
        while let Some(event) = self.host(at).desk.as_mut().and_then(Desk::poll_event) {
            let sent = self.log.sent.len();
            let Host { disk, peer: Some(peer), .. } = &mut self.peers[at.offset()] else { return };
            match event {
                DeskEvent::Answered { .. } => {}
                DeskEvent::Decided { saved, decision } => {
                    disk.decisions.insert(decision.query.clone(), *saved);
                    self.log.decided.push((sent, at, decision));
                }
                DeskEvent::Forget { query } => drop(disk.decisions.remove(&query)),
                DeskEvent::Start { session, computed } => peer.start(session, computed).unwrap(),
                DeskEvent::Withdraw { query } => drop(peer.withdraw(&query)),
            }
        }
    }
}
