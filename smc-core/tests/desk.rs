//! What a peer decides, and what its operator and its clients can do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use smc_core::desk::{
    Desk, DeskEvent, Judge, Judgement, MAX_PER_CLIENT, OrderRefused, Outcome, Running, Saved,
};
use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::name::QueryName;
use smc_core::order::Verb;
use smc_core::request::{Admissible, Cancellation, Decision, Request, Verdict};
use smc_core::result::{ResultDocument, Status};
use smc_core::roster::document::{ClientTable, QueryTable};
use smc_core::roster::{MAX_QUERIES, Roster};
use smc_core::session::{Session, Sessions};
use smc_core::time::Timestamp;
use smc_sim::world::{NOON, Site, World, peer};

const HOUR: Duration = Duration::from_secs(3600);

/// A policy as a closure.
struct Rule<F>(F);

impl<F: FnMut(&Request, Running) -> Judgement> Judge for Rule<F> {
    fn judge(&mut self, request: &Request, _: &Session, running: Running, _: Timestamp) -> Judgement {
        (self.0)(request, running)
    }
}

/// A desk with all that belongs to it, as a peer has it.
struct Office {
    roster: Arc<Roster>,
    key: SigningKey,
    desk: Desk,
    sessions: Sessions,
    outcome: Outcome,
    decided: Vec<Decision>,
    answered: Vec<Decision>,
    saved: Vec<Saved>,
}

impl Office {
    fn site(key: &SigningKey) -> Site {
        let mut site = Site::of(3, 1).agents(12).query("sum");
        site.document.client.push(ClientTable {
            name: "display".parse().unwrap(),
            identity: Some(key.verifying_key()),
            sealing: *site.keys[0].sealing.public(),
            groups: vec![],
        });
        site
    }

    fn new() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let roster = Arc::new(Self::site(&key).roster());
        let desk = Desk::new(Arc::clone(&roster), "peer-1".parse().unwrap(), vec![], NOON);
        let sessions = Sessions::standing(&roster);
        let (decided, answered, saved) = (vec![], vec![], vec![]);
        Self { roster, key, desk, sessions, outcome: Outcome::Allow, decided, answered, saved }
    }

    fn request(&self, name: &str) -> Request {
        Request {
            v: 1,
            site: self.roster.site().clone(),
            client: "display".parse().unwrap(),
            query: QueryTable {
                purpose: "ventilation".into(),
                ..QueryTable::new(name.parse().unwrap(), "mean", "co2".parse().unwrap())
            },
            every: None,
            not_before: NOON,
            until: NOON + HOUR,
            once: false,
        }
    }

    fn send(&mut self, now: Timestamp, request: &Request) -> Signed<Request> {
        let signed = request.clone().signed(&self.key);
        let _ = self.receive(now, request.query.name.as_str(), &serde_json::to_vec(&signed).unwrap());
        signed
    }

    fn receive(
        &mut self,
        now: Timestamp,
        query: &str,
        json: &[u8],
    ) -> Result<(), smc_core::request::RequestError> {
        let outcome = self.outcome;
        let mut rule = Rule(|_: &Request, _| Judgement {
            outcome,
            reason: "as the rule says".into(),
            rule: Some("r1".into()),
        });
        let topic = (&"display".parse().unwrap(), &query.parse().unwrap());
        let taken = self.desk.handle_asked(now, topic, json, &self.sessions, &mut rule);
        self.drain();
        taken
    }

    fn order(&mut self, now: Timestamp, verb: Verb, query: &str) -> Result<(), OrderRefused> {
        let done = self.desk.handle_order(now, verb, &name(query), "too curious", &self.sessions);
        self.drain();
        done
    }

    fn move_to(&mut self, roster: Roster) {
        self.roster = Arc::new(roster);
        self.desk.move_to(Arc::clone(&self.roster), NOON);
        self.sessions = Sessions::standing(&self.roster);
        self.drain();
    }

    fn pass(&mut self, now: Timestamp) {
        self.desk.handle_timeout(now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.desk.poll_event() {
            match event {
                DeskEvent::Answered { decision } => self.answered.push(decision),
                DeskEvent::Decided { saved, decision } => {
                    self.saved.retain(|other| other.decision.query != decision.query);
                    self.saved.push(*saved);
                    self.decided.push(decision);
                }
                DeskEvent::Forget { query } => self.saved.retain(|saved| saved.decision.query != query),
                DeskEvent::Start { session, computed } => self.sessions.insert(session, computed).unwrap(),
                DeskEvent::Withdraw { query } => {
                    self.sessions.remove(&query);
                }
            }
        }
    }

    fn computes(&self, query: &str) -> Option<bool> {
        self.sessions.get(&name(query)).map(|known| known.computed)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.decided.iter().map(|decision| decision.verdict).collect()
    }
}

fn name(query: &str) -> QueryName {
    query.parse().unwrap()
}

#[test]
fn what_policy_allows_is_computed_and_what_it_denies_is_known() {
    for (outcome, verdict) in
        [(Outcome::Allow, Verdict::Allowed), (Outcome::Ask, Verdict::Asked), (Outcome::Deny, Verdict::Denied)]
    {
        let mut office = Office::new();
        office.outcome = outcome;
        let signed = office.send(NOON, &office.request("air"));
        assert_eq!(office.computes("air"), Some(verdict == Verdict::Allowed));
        let [decision] = &office.decided[..] else { panic!("{:?}", office.decided) };
        assert_eq!((decision.verdict, decision.request), (verdict, Some(Request::digest(&signed))));
        assert_eq!((decision.reason.as_str(), decision.rule.as_deref()), ("as the rule says", Some("r1")));
    }
}

#[test]
fn what_was_decided_stands_however_often_it_is_asked() {
    let mut office = Office::new();
    office.outcome = Outcome::Deny;
    office.send(NOON, &office.request("air"));
    office.outcome = Outcome::Allow;
    office.send(NOON, &office.request("air"));
    assert_eq!(office.verdicts(), [Verdict::Denied]);
    let other = Request { once: true, ..office.request("air") };
    let signed = office.send(NOON, &other);
    assert_eq!(office.verdicts(), [Verdict::Denied], "another request under the same name");
    assert_eq!(office.answered[0].request, Some(Request::digest(&signed)));
    assert!(office.answered[0].reason.contains("choose another name"));
    office.send(NOON, &office.request("sum"));
    assert!(office.answered[1].reason.contains("choose another name"), "it is in the site file");
}

#[test]
fn a_scope_that_would_single_somebody_out_is_refused_with_that_reason() {
    let mut office = Office::new();
    let mut few = office.request("few");
    few.query.scope.insert("floor".into(), "9".into());
    office.send(NOON, &few);
    assert_eq!(office.decided[0].reason, "its scope covers 0 agents; at least 5 must be covered");
    let mut one = office.request("one");
    one.query.scope.insert("floor".into(), "1".into());
    one.query.minimum_cohort = 6;
    office.send(NOON, &one);
    let mut wide = office.request("wide");
    wide.query.minimum_cohort = 7;
    office.send(NOON, &wide);
    assert_eq!(office.verdicts(), [Verdict::Denied, Verdict::Allowed, Verdict::Denied]);
    assert!(office.decided[2].reason.starts_with("its scope would single out 6 agents beside"));
    // Nobody can order what the rule forbids, either.
    let refused = office.order(NOON, Verb::Approve, "wide").unwrap_err();
    assert!(matches!(refused, OrderRefused::Session(_)), "{refused}");
    office.order(NOON, Verb::Withdraw, "one").unwrap();
    office.order(NOON, Verb::Approve, "wide").unwrap();
    assert_eq!(office.computes("wide"), Some(true));
}

#[test]
fn the_operator_approves_denies_pauses_resumes_and_withdraws() {
    let mut office = Office::new();
    office.outcome = Outcome::Ask;
    office.send(NOON, &office.request("air"));
    office.order(NOON, Verb::Approve, "air").unwrap();
    assert_eq!(office.order(NOON, Verb::Resume, "air"), Err(OrderRefused::NotNow { have: Verdict::Allowed }));
    for (verb, computed) in [(Verb::Pause, false), (Verb::Resume, true), (Verb::Withdraw, false)] {
        office.order(NOON, verb, "air").unwrap();
        assert_eq!(office.computes("air"), Some(computed), "{verb}");
    }
    use Verdict::{Allowed, Asked, Paused, Withdrawn};
    assert_eq!(office.verdicts(), [Asked, Allowed, Paused, Allowed, Withdrawn]);
    assert_eq!(office.decided[2].reason, "the operator of peer-1 says: pause, too curious");
    assert_eq!(office.order(NOON, Verb::Approve, "air"), Err(OrderRefused::NotNow { have: Withdrawn }));
    assert_eq!(office.order(NOON, Verb::Pause, "nothing"), Err(OrderRefused::Unknown));
    // Queries of the site file, too.
    office.order(NOON, Verb::Pause, "sum").unwrap();
    assert_eq!(office.computes("sum"), Some(false));
    office.outcome = Outcome::Ask;
    office.send(NOON, &office.request("water"));
    office.order(NOON, Verb::Deny, "water").unwrap();
    assert_eq!(office.decided.last().unwrap().verdict, Verdict::Denied);
}

#[test]
fn a_client_ends_what_it_asked_for_and_nobody_brings_it_back() {
    let mut office = Office::new();
    let signed = office.send(NOON, &office.request("air"));
    let cancel = |request| Cancellation {
        v: 1,
        site: office.roster.site().clone(),
        client: "display".parse().unwrap(),
        cancel: name("air"),
        request,
    };
    let other = Signed::new(cancel(Request::digest(&signed.clone())), &SigningKey::from_bytes(&[8; 32]));
    let own = Signed::new(cancel(Request::digest(&signed)), &office.key);
    assert!(office.receive(NOON, "air", &serde_json::to_vec(&other).unwrap()).is_err());
    assert_eq!(office.computes("air"), Some(true));
    office.receive(NOON, "air", &serde_json::to_vec(&own).unwrap()).unwrap();
    assert_eq!((office.computes("air"), office.verdicts()[1]), (None, Verdict::Cancelled));
    office.send(NOON, &signed.document);
    assert_eq!(office.computes("air"), None, "a replay");
    assert_eq!(office.verdicts().len(), 2);
}

#[test]
fn forged_and_expired_requests_get_an_answer_and_leave_no_trace() {
    let mut office = Office::new();
    let stranger = office.request("air").signed(&SigningKey::from_bytes(&[8; 32]));
    office.receive(NOON, "air", &serde_json::to_vec(&stranger).unwrap()).unwrap_err();
    office.send(NOON + HOUR, &office.request("air"));
    office.receive(NOON, "air", b"{").unwrap_err();
    assert_eq!(office.answered.len(), 3);
    assert!(office.answered[0].reason.contains("signature"));
    assert_eq!(office.answered[1].reason, format!("expired: it ends at {}", NOON + HOUR));
    assert!(office.decided.is_empty() && office.desk.entry(&name("air")).is_none());
}

#[test]
fn a_session_ends_with_its_time_and_is_forgotten_a_day_later() {
    let mut office = Office::new();
    office.send(NOON, &office.request("air"));
    assert_eq!(office.desk.poll_timeout(), Some(NOON + HOUR));
    office.pass(NOON + HOUR);
    assert_eq!((office.computes("air"), office.verdicts()[1]), (None, Verdict::Expired));
    let forgotten = office.desk.poll_timeout().unwrap();
    assert_eq!(forgotten, NOON + 25 * HOUR);
    office.pass(forgotten);
    assert!(office.desk.entry(&name("air")).is_none() && office.saved.is_empty());
    assert_eq!(office.desk.poll_timeout(), None);
}

#[test]
fn one_value_is_enough_where_one_was_asked_for() {
    let mut office = Office::new();
    office.send(NOON, &Request { once: true, ..office.request("air") });
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(1);
    let result = world.published("sum", 1)[0].result.clone();
    let failed = ResultDocument { query: name("air"), status: Status::Failed, ..result.clone() };
    office.desk.handle_result(NOON, &failed);
    office.desk.handle_result(NOON, &ResultDocument { status: Status::Ok, ..failed });
    office.drain();
    assert_eq!(office.verdicts(), [Verdict::Allowed, Verdict::Done]);
    assert_eq!(office.computes("air"), Some(false));
}

#[test]
fn a_restart_changes_nothing() {
    let mut office = Office::new();
    office.send(NOON, &office.request("air"));
    office.send(NOON, &office.request("water"));
    office.order(NOON, Verb::Pause, "water").unwrap();
    office.order(NOON, Verb::Pause, "sum").unwrap();
    let text = serde_json::to_string(&office.saved).unwrap();
    let before: Vec<_> =
        office.desk.entries().map(|entry| (entry.name.clone(), entry.verdict, entry.digest())).collect();
    office.desk = Desk::new(
        Arc::clone(&office.roster),
        "peer-1".parse().unwrap(),
        serde_json::from_str(&text).unwrap(),
        NOON,
    );
    office.sessions = Sessions::standing(&office.roster);
    office.drain();
    let after: Vec<_> =
        office.desk.entries().map(|entry| (entry.name.clone(), entry.verdict, entry.digest())).collect();
    assert_eq!(before, after);
    let computes = ["air", "water", "sum"].map(|query| office.computes(query));
    assert_eq!(computes, [Some(true), Some(false), Some(false)]);
}

#[test]
fn a_client_that_floods_is_told_and_pushes_nobody_out() {
    let mut office = Office::new();
    for i in 0..MAX_PER_CLIENT + 3 {
        office.send(NOON, &office.request(&format!("air-{i}")));
    }
    assert_eq!(office.decided.len(), MAX_PER_CLIENT);
    assert_eq!(office.answered.len(), 3);
    assert!(office.answered[0].reason.contains("wait until some are over"));
    assert_eq!(office.computes("air-0"), Some(true));
}

#[test]
fn a_peer_that_knows_as_many_sessions_as_it_can_says_so_instead_of_allowing_another() {
    let mut office = Office::new();
    for i in 0..MAX_QUERIES - 1 {
        let signed = office.request(&format!("air-{i}")).signed(&office.key);
        let (request, digest) = (signed.document.clone(), Request::digest(&signed));
        let session = Session::asked(&office.roster, &Admissible { request, digest }).unwrap();
        office.sessions.insert(Arc::new(session), false).unwrap();
    }
    office.send(NOON, &office.request("one-more"));
    assert!(office.decided.is_empty() && office.computes("one-more").is_none());
    assert!(office.answered[0].reason.contains("which is the limit"), "{:?}", office.answered);
}

#[test]
fn what_other_peers_say_is_shown_beside() {
    let mut office = Office::new();
    office.send(NOON, &office.request("air"));
    let theirs = Decision { verdict: Verdict::Denied, ..office.decided[0].clone() };
    office.desk.handle_decision(peer(2), &theirs);
    let other = Decision { request: None, verdict: Verdict::Allowed, ..theirs };
    office.desk.handle_decision(peer(3), &other);
    let others = &office.desk.entry(&name("air")).unwrap().others;
    assert_eq!(others.iter().collect::<Vec<_>>(), [(&peer(2), &Verdict::Denied)], "of another request");
}

#[test]
fn with_another_member_list_what_can_be_computed_goes_on_and_the_rest_ends_and_is_told() {
    let mut office = Office::new();
    office.send(NOON, &office.request("air"));
    office.order(NOON, Verb::Pause, "air").unwrap();
    office.send(NOON, &office.request("water"));
    let theirs = Decision { verdict: Verdict::Allowed, ..office.decided[2].clone() };
    office.desk.handle_decision(peer(3), &theirs);
    office.decided.clear();

    // Two agents less, and the third peer gave way to another one.
    let mut site = Office::site(&office.key);
    site.document.agent.truncate(10);
    site.document.peer[2].name = "peer-9".parse().unwrap();
    office.move_to(site.roster());
    assert_eq!(office.decided, [], "nothing has changed for anybody who asked");
    let computes = ["air", "water", "sum"].map(|query| office.computes(query));
    assert_eq!(computes, [Some(false), Some(true), Some(true)]);
    assert_eq!(office.desk.entry(&name("air")).unwrap().verdict, Verdict::Paused);
    assert!(office.desk.entry(&name("water")).unwrap().others.is_empty(), "who said so is gone");
    let covered = office.desk.entry(&name("water")).unwrap().session.as_ref().unwrap().agents(&office.roster);
    assert_eq!(covered.len(), 10);

    // And then the client is gone.
    site.document.client.clear();
    office.move_to(site.roster());
    let ended: Vec<_> = office.decided.iter().map(|told| (told.query.as_str(), told.verdict)).collect();
    assert_eq!(ended, [("air", Verdict::Denied), ("water", Verdict::Denied)]);
    assert_eq!(office.computes("water"), Some(false));
}
