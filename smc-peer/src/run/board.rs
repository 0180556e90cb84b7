//! What the page is shown: collected from what the peer decides, put up anew when something has changed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smc_core::desk::{Desk, Entry};
use smc_core::introduction::Introduction;
use smc_core::name::{NodeName, QueryName};
use smc_core::protocol::plan::Plan;
use smc_core::request::{Decision, Verdict};
use smc_core::result::ResultDocument;
use smc_core::roster::{Node, QuantityIndex, Roster};
use smc_core::session::Session;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Timestamp, WindowIndex};
use smc_core::value::Value;
use smc_mqtt::status::Fare;
use tokio::sync::watch;

use super::service::{Known, Service};
use crate::figure::told;
use crate::page::{self, Health, Log, Member, Role, Says, State, Story, Subject, View, Waiting, Window};

/// How many windows of each session are remembered.
const WINDOWS: usize = 120;
/// How many decisions are remembered.
const DECISIONS: usize = 1_000;
/// How many members are listed.
const MEMBERS: usize = 500;
/// The longest value in words, in characters: nobody reads a million elements.
const VALUE: usize = 200;

/// The page's side of a peer.
pub(super) struct Board {
    views: watch::Sender<Arc<View>>,
    windows: BTreeMap<QueryName, Arc<Vec<Window>>>,
    decisions: VecDeque<Decision>,
    agents: BTreeMap<usize, Health>,
    changed: bool,
}

impl Board {
    /// A board with what was decided before.
    pub(super) fn new(views: watch::Sender<Arc<View>>, desk: &Desk) -> Self {
        let mut decisions: Vec<_> = desk
            .entries()
            .filter(|entry| entry.client().is_some())
            .map(|entry| desk.decision(entry))
            .collect();
        decisions.sort_by_key(|decision| std::cmp::Reverse(decision.at));
        decisions.truncate(DECISIONS);
        let (windows, agents) = (BTreeMap::new(), BTreeMap::new());
        Self { views, windows, decisions: decisions.into(), agents, changed: true }
    }

    /// The member list is another one: what was known of the agents counts by the old one.
    pub(super) fn begin_anew(&mut self) {
        self.agents.clear();
        self.changed = true;
    }

    /// Something is to be seen that it does not know of.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    pub(super) fn decided(&mut self, decision: &Decision) {
        self.decisions.push_front(decision.clone());
        self.decisions.truncate(DECISIONS);
        self.changed = true;
    }

    /// Who of a quantity's agents is in the cohort, and with what.
    pub(super) fn agreed(
        &mut self,
        roster: &Roster,
        quantity: QuantityIndex,
        window: WindowIndex,
        plan: &Plan,
    ) {
        let members: BTreeMap<_, _> =
            plan.cohort.iter().map(|member| (member.stream, member.window == window)).collect();
        for (stream, &(bundle, _)) in roster.quantity(quantity).streams.iter().enumerate() {
            let health = match members.get(&stream) {
                Some(true) => Health::Good,
                Some(false) => Health::Silent,
                None => Health::Gone,
            };
            self.agents.insert(roster.bundle(bundle).agent.at(), health);
        }
    }

    pub(super) fn result(&mut self, result: &ResultDocument) {
        let windows = Arc::make_mut(self.windows.entry(result.query.clone()).or_default());
        if windows.len() >= WINDOWS {
            windows.remove(0);
        }
        windows.push(window(result));
        self.changed = true;
    }
}

impl Service {
    /// Something is to be seen that the page does not show yet.
    pub(super) fn touch_board(&mut self) {
        if let Some(board) = &mut self.board {
            board.touch();
        }
    }

    /// Puts up what has changed, if there is a page.
    pub(super) fn show(&mut self) {
        let now = self.clock.now();
        let Some(mut board) = self.board.take_if(|board| board.changed) else { return };
        board.changed = false;
        board.windows.retain(|query, _| self.desk.entry(query).is_some());
        let view = self.view(&board, now);
        board.views.send_replace(Arc::new(view));
        self.board = Some(board);
    }

    fn view(&self, board: &Board, now: Timestamp) -> View {
        let entries = || self.desk.entries().filter_map(|entry| Some((entry, entry.session.as_deref()?)));
        let waiting =
            entries().filter(|(entry, _)| entry.verdict == Verdict::Asked).map(|(entry, session)| Waiting {
                subject: subject(&self.roster, entry, session),
                since: entry.at,
                reason: entry.reason.clone(),
            });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|waiting| waiting.since);
        let sessions = entries().filter_map(|(entry, session)| {
            let state = match entry.verdict {
                Verdict::Allowed => State::Running,
                Verdict::Paused => State::Paused { reason: entry.reason.clone() },
                _ => return None,
            };
            let windows = board.windows.get(&entry.name).cloned().unwrap_or_default();
            Some(page::Session { subject: subject(&self.roster, entry, session), state, windows })
        });
        View {
            waiting,
            sessions: sessions.collect(),
            decisions: Arc::new(board.decisions.iter().cloned().collect()),
            members: self.members(board),
            logs: self.logs(),
            notices: self.worries(),
            ..View::empty(self.roster.site().clone(), self.name.clone(), now)
        }
    }

    fn members(&self, board: &Board) -> Vec<Member> {
        let fares = self.reporter.peers();
        let peers = self.roster.peers().map(|(_, node)| Member {
            name: node.name.clone(),
            role: Role::Peer,
            health: match fares.get(&node.name) {
                _ if node.name == self.name => Health::Good,
                Some(Fare::Gone) => Health::Gone,
                Some(Fare::Online) => Health::Good,
                Some(Fare::Slow) => Health::Slow,
                None => Health::Unknown,
            },
            says: None,
        });
        let agents = self.roster.agents().iter().enumerate().map(|(at, agent)| Member {
            name: agent.node.name.clone(),
            role: Role::Agent,
            health: board.agents.get(&at).copied().unwrap_or(Health::Unknown),
            says: self.says(&agent.node.name),
        });
        let clients = self.roster.clients().map(|(name, _)| Member {
            name: name.clone(),
            role: Role::Client,
            health: self.says(name).map_or(Health::Unknown, |_| Health::Known),
            says: self.says(name),
        });
        // Clients are few, agents may be many.
        peers.chain(clients).chain(agents).take(MEMBERS).collect()
    }

    fn says(&self, node: &NodeName) -> Option<Says> {
        let Introduction { program, since, .. } = self.introductions.get(node)?;
        Some(Says { program: program.to_string(), since: *since })
    }

    /// Whether the logs of the peers are what they were, as far as their heads tell.
    fn logs(&self) -> Vec<Log> {
        let log = |(index, node): (PeerIndex, &Node)| Log {
            peer: node.name.clone(),
            story: match self.account.known(index, &node.name) {
                Known::Forked => Story::Two,
                Known::Grown(head) => Story::One { size: head.size, at: head.time },
                Known::Unheard => Story::Unheard,
            },
        };
        self.roster.peers().map(log).collect()
    }

    /// What the operator should see to, in a sentence each.
    fn worries(&self) -> Vec<String> {
        let mut worries = Vec::new();
        if let Some(mistake) = self.policy.mistake() {
            worries.push(format!("The policy has a mistake and is not in force: {mistake}"));
        }
        if self.disk.trouble().is_some() {
            worries.push("The disk can't be written to; this peer takes no part until it can.".to_owned());
        }
        if let Some(ahead) = self.reporter.own_clock() {
            worries.push(format!("This machine's clock is {ahead} s ahead of most others; check NTP."));
        }
        worries
    }
}

fn subject(roster: &Roster, entry: &Entry, session: &Session) -> Subject {
    let query = session.query();
    let name = |quantity: QuantityIndex| roster.quantity(quantity).quantity.name().clone();
    let own = roster.quantity(query.quantity).quantity.period().as_duration();
    let every = u32::try_from(session.every()).unwrap_or(u32::MAX);
    Subject {
        query: query.name.clone(),
        client: entry.client().cloned(),
        function: query.function.entry().name.to_owned(),
        quantities: std::iter::once(query.quantity).chain(query.with).map(name).collect(),
        scope: query.scope.clone(),
        period: own.checked_mul(every).unwrap_or(Duration::MAX),
        minimum_cohort: query.minimum_cohort,
        purpose: query.purpose.clone(),
        audience: query.audience.clone(),
        until: entry.request().map(|request| request.until),
    }
}

fn window(result: &ResultDocument) -> Window {
    Window {
        start: result.window.start.clone(),
        status: result.status,
        value: result.value.as_ref().map(|value| told(value, &result.unit).chars().take(VALUE).collect()),
        number: result.value.as_ref().and_then(Value::as_number),
        cohort: result.cohort,
        carried: result.carried,
        verified: result.verified,
        reason: result.reason.clone(),
    }
}
