//! A site of three peers, and logs as they write them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value as Json, json};
use smc_core::audit::{
    Audited, Auditor, Before, Body, Finding, Head, Kind, Misfit, Node, PolicyRead, Row, Started, Tail, Unfit,
    Voted, consistency, examine,
};
use smc_core::charter::{Change, Enacted, Register};
use smc_core::decimal::Decimal;
use smc_core::digest::Digest;
use smc_core::document::{Signable, Signed, canonical};
use smc_core::identity::{NodeKeys, SigningKey};
use smc_core::name::NodeName;
use smc_core::order::{Order, Verb};
use smc_core::protocol::standing::{Members, Standing};
use smc_core::request::{Cancellation, Decision, Request, Verdict};
use smc_core::result::{ResultDocument, SignedResult, Status, WindowDocument};
use smc_core::roster::document::{AgentTable, ClientTable, PeerTable, QueryTable, SiteTable, StreamTable};
use smc_core::roster::{Roster, SiteDocument, Tolerate};
use smc_core::shamir::PeerIndex;
use smc_core::time::{Period, Timestamp, WindowIndex};

/// When all logs begin, and a window that ends then.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
pub(crate) const WINDOW: u64 = 1_767_268_800 / 60;

/// Whose keys the client `display` has, and everybody that is no peer of the log.
pub(crate) const CLIENT: usize = 6;
/// Whose keys a peer has that comes later.
pub(crate) const NEWCOMER: usize = 7;

pub(crate) struct Site {
    pub(crate) document: SiteDocument,
    pub(crate) roster: Arc<Roster>,
    keys: Vec<NodeKeys>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(6962);
        let keys: Vec<_> = (0..8).map(|_| NodeKeys::generate(&mut rng)).collect();
        let public = |at: usize| (keys[at].signing.verifying_key(), *keys[at].sealing.public());
        let peer = |at: usize| {
            let (identity, sealing) = public(at);
            PeerTable { name: format!("peer-{}", at + 1).parse().unwrap(), identity, sealing }
        };
        let agent = |at: usize| {
            let (identity, sealing) = public(at);
            let name = format!("room-{at}").parse().unwrap();
            let streams = vec![StreamTable::Plain("co2".parse().unwrap())];
            AgentTable { name, identity, sealing, labels: BTreeMap::new(), streams }
        };
        let client = |at: usize| {
            let (identity, sealing) = public(at);
            let (name, identity) = ("display".parse().unwrap(), Some(identity));
            ClientTable { name, identity, sealing, groups: vec![] }
        };
        let site: SiteTable = serde_json::from_value(json!({"name": "hq", "threshold": 1})).unwrap();
        let site = SiteTable { tolerate: Tolerate::Crash, ..site };
        let query = QueryTable::new("co2-mean".parse().unwrap(), "mean", "co2".parse().unwrap());
        let document = SiteDocument {
            site,
            peer: (0..3).map(peer).collect(),
            agent: (3..6).map(agent).collect(),
            client: vec![client(CLIENT)],
            quantity: vec![],
            query: vec![query],
        };
        Self { roster: Arc::new(document.clone().try_into().unwrap()), document, keys }
    }

    pub(crate) fn key(&self, at: usize) -> &SigningKey {
        &self.keys[at].signing
    }

    /// The next charter after those of `register`, signed by the peers with the numbers `signers`.
    pub(crate) fn enacted(&self, register: &Register, change: Change, signers: &[u8]) -> Enacted {
        let effective = NOON + Duration::from_secs(3_600);
        let charter = register.propose(change, effective, NOON).unwrap();
        let sign = |&at: &u8| (self.name(at), charter.sign(self.key(usize::from(at) - 1)));
        Enacted { signatures: signers.iter().map(sign).collect(), charter }
    }

    pub(crate) fn replace_peer_3(&self) -> Change {
        let keys = &self.keys[NEWCOMER];
        let (identity, sealing) = (keys.signing.verifying_key(), *keys.sealing.public());
        Change::ReplacePeer {
            gone: "peer-3".parse().unwrap(),
            peer: PeerTable { name: "peer-4".parse().unwrap(), identity, sealing },
            login: "$argon2id$x".to_owned().try_into().unwrap(),
        }
    }

    pub(crate) fn peer(&self, at: u8) -> PeerIndex {
        PeerIndex::new(at).unwrap()
    }

    pub(crate) fn name(&self, at: u8) -> NodeName {
        self.roster.peer(self.peer(at)).unwrap().name.clone()
    }

    /// A result of `query` for `window`, signed by `signers`.
    pub(crate) fn result(&self, query: &str, window: u64, signers: &[u8]) -> SignedResult {
        let result = ResultDocument {
            v: 1,
            site: "hq".parse().unwrap(),
            query: query.parse().unwrap(),
            function: "mean".to_owned(),
            quantity: "co2".parse().unwrap(),
            unit: "ppm".to_owned(),
            window: WindowDocument::new(Period::from_millis(60_000).unwrap(), WindowIndex(window)),
            audience: None,
            value: Some(Decimal::new(6_124, 1).unwrap().into()),
            parts: None,
            cohort: 5,
            declined: 0,
            fresh: 5,
            carried: 0,
            peers: signers.iter().map(|&at| self.name(at)).collect(),
            validated: true,
            verified: true,
            status: Status::Ok,
            reason: None,
        };
        self.sign(result, signers)
    }

    pub(crate) fn sign(&self, result: ResultDocument, signers: &[u8]) -> SignedResult {
        let sign = |&at: &u8| (self.name(at), result.sign(&self.keys[usize::from(at) - 1].signing));
        let signatures = signers.iter().map(sign).collect();
        SignedResult { result, signatures }
    }

    /// A question of the client, as it is published.
    pub(crate) fn request(&self, query: &str) -> Json {
        json!(self.question(query))
    }

    fn question(&self, query: &str) -> Signed<Request> {
        let (not_before, until) = (NOON - Duration::from_secs(60), NOON + Duration::from_secs(3_600));
        let table = QueryTable::new(query.parse().unwrap(), "mean", "co2".parse().unwrap());
        let query = QueryTable { purpose: "ventilation".to_owned(), ..table };
        let (site, client) = ("hq".parse().unwrap(), "display".parse().unwrap());
        let request = Request { v: 1, site, client, query, every: None, not_before, until, once: false };
        request.signed(&self.keys[CLIENT].signing)
    }

    pub(crate) fn cancellation(&self, query: &str) -> Json {
        let (request, query) = (Request::digest(&self.question(query)), query.parse().unwrap());
        let (site, client) = ("hq".parse().unwrap(), "display".parse().unwrap());
        let cancellation = Cancellation { v: 1, site, client, cancel: query, request };
        json!(Signed::new(cancellation, &self.keys[CLIENT].signing))
    }

    /// What the peer with the number `at` says to that question.
    pub(crate) fn decision(&self, at: u8, query: &str, verdict: Verdict) -> Json {
        let about = Some(Request::digest(&self.question(query)));
        self.decision_about(at, query, about, verdict)
    }

    /// The same about another request of that name.
    pub(crate) fn decision_about(
        &self,
        at: u8,
        query: &str,
        request: Option<Digest>,
        verdict: Verdict,
    ) -> Json {
        let decision = Decision {
            v: 1,
            site: "hq".parse().unwrap(),
            peer: self.name(at),
            query: query.parse().unwrap(),
            client: Some("display".parse().unwrap()),
            request,
            verdict,
            reason: "because".to_owned(),
            rule: None,
            at: NOON,
        };
        json!(Signed::new(decision, &self.keys[usize::from(at) - 1].signing))
    }

    /// What the operator of the peer with the number `at` orders.
    pub(crate) fn order(&self, at: u8, reason: &str) -> Json {
        let order = Order {
            v: 1,
            site: "hq".parse().unwrap(),
            peer: self.name(at),
            order: Verb::Pause,
            subject: "asked".parse().unwrap(),
            reason: reason.to_owned().try_into().unwrap(),
            issued: NOON,
        };
        json!(Signed::new(order, &self.keys[usize::from(at) - 1].signing))
    }

    pub(crate) fn vote(&self, window: u64) -> Voted {
        let standing = Standing {
            epoch: 1,
            window: WindowIndex(window),
            peers: self.roster.sharing().indices().collect(),
            members: Members::new(3, 0..3),
            frozen: true,
            roster: Digest(*self.roster.digest()),
        };
        Voted::new("co2".parse().unwrap(), &standing, None)
    }
}

/// The log of one peer.
pub(crate) struct Log<'a> {
    pub(crate) site: &'a Site,
    at: u8,
    tail: Tail,
    pub(crate) rows: Vec<Row>,
    pub(crate) heads: Vec<Signed<Head>>,
}

impl<'a> Log<'a> {
    /// A log that has nothing but the peer's start.
    pub(crate) fn begun(site: &'a Site, at: u8) -> Self {
        let tail = Tail::new(site.roster.site(), &site.name(at));
        let mut log = Self { site, at, tail, rows: Vec::new(), heads: Vec::new() };
        log.add(Kind::Start, &serde_json::to_value(Started::new(&site.roster, "0.1.0")).unwrap());
        log
    }

    /// One with an entry of every kind, and two heads.
    pub(crate) fn of_all_kinds(site: &'a Site, at: u8) -> Self {
        let mut log = Self::begun(site, at);
        log.add(Kind::Request, &site.request("asked"));
        log.add(Kind::Decision, &site.decision(at, "asked", Verdict::Allowed));
        log.add(Kind::Vote, &json!(site.vote(WINDOW)));
        log.sign();
        log.add(Kind::Result, &json!(site.result("asked", WINDOW, &[1, 2, 3])));
        log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW, &[1, 2, 3])));
        log.add(Kind::Head, &json!(Log::begun(site, at % 3 + 1).sign()));
        log.add(Kind::Intervention, &site.order(at, ""));
        let register = Register::new(site.document.clone()).unwrap();
        let digest = Digest([7; 32]);
        log.add(Kind::Policy, &json!(PolicyRead { v: 1, taken: true, digest, rules: 3, mistake: None }));
        log.add(Kind::Membership, &json!(site.enacted(&register, site.replace_peer_3(), &[1, 2])));
        log.sign();
        log
    }

    pub(crate) fn add(&mut self, kind: Kind, body: &Json) {
        let time = Timestamp::from_micros(NOON.as_micros() + 1_000_000 * self.tail.size());
        self.add_at(time, kind, body);
    }

    pub(crate) fn add_at(&mut self, time: Timestamp, kind: Kind, body: &Json) {
        let (entry, nodes) = self.tail.append(time, kind, Body::of(body).unwrap());
        self.rows.push(Row {
            seq: entry.seq,
            time: entry.time.to_string(),
            kind: entry.kind.to_string(),
            body: entry.body.to_string(),
            prev: entry.prev.0.to_vec(),
            nodes: nodes.iter().flat_map(|node| node.0).collect(),
        });
    }

    /// Signs a head and keeps it.
    pub(crate) fn sign(&mut self) -> Signed<Head> {
        let before = self.heads.last().map(|head| self.before(&head.document));
        let head = self.head(before);
        self.heads.push(head.clone());
        head
    }

    /// That the log begins as `head` says.
    pub(crate) fn before(&self, head: &Head) -> Before {
        let proof = consistency(head.size, self.tail.size(), &mut |at| Ok::<_, ()>(self.node(at))).unwrap();
        Before { size: head.size, root: head.root, proof }
    }

    pub(crate) fn head(&self, before: Option<Before>) -> Signed<Head> {
        self.head_at(Timestamp::from_micros(NOON.as_micros() + self.tail.size()), before)
    }

    pub(crate) fn head_at(&self, time: Timestamp, before: Option<Before>) -> Signed<Head> {
        let (site, peer) = (self.site.roster.site().clone(), self.site.name(self.at));
        let (size, root, chain) = (self.tail.size(), self.tail.root(), self.tail.chain());
        let head = Head { v: 1, site, peer, size, root, chain, time, before };
        Signed::new(head, &self.site.keys[usize::from(self.at) - 1].signing)
    }

    pub(crate) fn node(&self, at: Node) -> Digest {
        let nodes = &self.rows[at.last_leaf() as usize].nodes;
        Digest(nodes[32 * at.level as usize..][..32].try_into().unwrap())
    }

    pub(crate) fn audit(&self) -> Result<Audited, Misfit> {
        self.audit_with(&[]).map(|(audited, _)| audited)
    }

    /// Audits the log against its own heads, and others that somebody has.
    pub(crate) fn audit_with(&self, seen: &[Signed<Head>]) -> Result<(Audited, Vec<Finding>), Misfit> {
        audit(self.site, self.at, &self.rows, &self.heads, seen)
    }

    pub(crate) fn misfit(&self) -> (u64, Unfit) {
        let Misfit { seq, unfit } = self.audit().unwrap_err();
        (seq, unfit)
    }
}

pub(crate) fn audit(
    site: &Site,
    at: u8,
    rows: &[Row],
    heads: &[Signed<Head>],
    seen: &[Signed<Head>],
) -> Result<(Audited, Vec<Finding>), Misfit> {
    let mut auditor = Auditor::new(site.roster.site(), &site.name(at));
    let own = heads.iter().map(|head| (head.document.size, canonical(head)));
    auditor.want_own(own, site.roster.site(), site.roster.peer(site.peer(at)).unwrap())?;
    auditor.want(seen.iter().map(|head| head.document.clone()), "peer-2 has");
    let (mut found, mut misfit) = (Vec::new(), None);
    let _ = rows.iter().try_for_each(|row| {
        match auditor.take(examine(row.clone(), &site.roster)) {
            Ok(finding) => found.extend(finding),
            Err(first) => misfit = Some(first),
        }
        if misfit.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match misfit {
        Some(misfit) => Err(misfit),
        None => auditor.finish().map(|audited| (audited, found)),
    }
}
