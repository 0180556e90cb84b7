//! Plays a history and holds the invariants against every step of it.

mod asked;
mod guard;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use self::guard::{Said, Says, guarded};
use crate::action::{Action, Schedule, Timed};
use crate::adversary::{Adversary, astray, floods};
use crate::coverage::Coverage;
use crate::invariant::{self, Invariant, View};
use crate::noise::noise;
use crate::schedule::BITS;
use crate::world::{NOON, Packet, Sender, Skew, Step, World, peer};
use smc_core::order::Verb;

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What does not hold.
    pub what: String,
    /// When it was noticed, in milliseconds after the start of window 0.
    pub at: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ms after noon): {}", self.invariant, self.at, self.what)
    }
}

/// What a history came to.
#[derive(Debug)]
pub struct Outcome {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// What it has come by.
    pub coverage: Coverage,
    /// What happened, line by line, if that was asked for.
    pub history: Vec<String>,
}

/// Plays a history until it is over or something does not hold.
pub fn run(schedule: &Schedule) -> Outcome {
    let schedule = schedule.clone();
    guarded(move |_| Play::new(&schedule, None).play_out())
}

/// The same, and tells what happened.
pub fn tell(schedule: &Schedule) -> Outcome {
    let schedule = schedule.clone();
    guarded(move |says| Play::new(&schedule, Some(says.clone())).play_out())
}

/// Plays a history that is held to nothing but the invariant with this name.
pub fn hold(schedule: &Schedule, name: &'static str) -> Outcome {
    let schedule = schedule.clone();
    guarded(move |_| {
        let mut play = Play::new(&schedule, None);
        play.invariants.retain(|invariant| invariant.name() == name);
        play.play_out()
    })
}

struct Play<'a> {
    schedule: &'a Schedule,
    world: World,
    adversary: Rc<RefCell<Adversary>>,
    invariants: Vec<Box<dyn Invariant>>,
    says: Option<Says>,
    told: usize,
}

/// Which readings are missing: what is asked again later has to have the same answer.
struct Gaps(Vec<Timed>);

impl Gaps {
    fn of_1000(&self, window: u64) -> u64 {
        let of = self.0.iter().filter_map(|timed| match timed.action {
            Action::Gaps { of_1000 } if (timed.at..timed.at + timed.lasts).contains(&(window * 1000)) => {
                Some(of_1000)
            }
            _ => None,
        });
        of.max().unwrap_or(0)
    }
}

/// What a moment brings.
#[derive(Clone, Copy)]
enum Turn<'a> {
    Begin(&'a Timed),
    End(&'a Timed),
}

impl<'a> Play<'a> {
    fn new(schedule: &'a Schedule, says: Option<Says>) -> Self {
        let site = schedule.site();
        let mut world = World::new(site);
        let liars = schedule.liars.iter().map(|&liar| peer(liar));
        let keys = liars.clone().map(|liar| (liar, world.signing_key(liar))).collect();
        world.liars = liars.collect();
        let adversary = Adversary::new(schedule.seed, schedule.site.clone(), keys);
        let adversary = Rc::new(RefCell::new(adversary));
        let hook = Rc::clone(&adversary);
        world.intercept(move |packet| hook.borrow_mut().meets(packet));
        let gaps = schedule.actions.iter().filter(|timed| matches!(timed.action, Action::Gaps { .. }));
        let (seed, gaps) = (schedule.seed, Gaps(gaps.cloned().collect()));
        world.read(move |agent, window| {
            let speaks = noise(seed, &[1, agent as u64, window]) % 1000 >= gaps.of_1000(window);
            speaks.then_some((noise(seed, &[2, agent as u64, window]) % (1 << BITS)) as f64)
        });
        world.judge(asked::policies(schedule, &world.roster));
        Self { schedule, world, adversary, invariants: invariant::all(), says, told: 0 }
    }

    fn play_out(mut self) -> Outcome {
        let violation = self.play().and_then(|()| self.finish()).err();
        let coverage = Coverage::of(self.schedule, &self.world, &self.adversary.borrow());
        Outcome { violation, coverage, history: Vec::new() }
    }

    fn play(&mut self) -> Result<(), Violation> {
        let schedule = self.schedule;
        let begins = schedule.actions.iter().map(|timed| (timed.at, Turn::Begin(timed)));
        let ends = schedule.actions.iter().map(|timed| (timed.at + timed.lasts, Turn::End(timed)));
        let mut turns: Vec<_> = begins.chain(ends).collect();
        // Stable: of one instant begins come first.
        turns.sort_by_key(|&(at, _)| at);
        for (at, turn) in turns {
            self.run_to(at)?;
            match turn {
                Turn::Begin(timed) => self.begin(timed),
                Turn::End(timed) => self.end(timed),
            }
        }
        self.run_to(schedule.trouble * 1000)?;
        self.calm();
        let last = schedule.calm().end() + 1;
        self.run_to(last * 1000 + 950)
    }

    fn run_to(&mut self, millis: u64) -> Result<(), Violation> {
        let end = NOON + Duration::from_millis(millis);
        while self.world.step_before(end) {
            guard::reached(self.moment());
            self.note();
            self.hold(|invariant, view| invariant.check(view))?;
        }
        self.hold(|invariant, view| invariant.check(view))
    }

    fn finish(&mut self) -> Result<(), Violation> {
        self.hold(|invariant, view| invariant.finish(view))
    }

    fn hold(
        &mut self,
        look: impl Fn(&mut dyn Invariant, &View<'_>) -> Result<(), String>,
    ) -> Result<(), Violation> {
        let (at, adversary) = (self.moment(), self.adversary.borrow());
        let view = View { world: &self.world, schedule: self.schedule, lied: &adversary.lied };
        for invariant in &mut self.invariants {
            look(&mut **invariant, &view).map_err(|what| Violation {
                invariant: invariant.name(),
                what,
                at,
            })?;
        }
        Ok(())
    }

    fn begin(&mut self, timed: &Timed) {
        self.say(|| format!("begins: {:?} for {} ms", timed.action, timed.lasts));
        match &timed.action {
            Action::Clock { peer: of, by } => self.world.set_clock(Sender::Peer(peer(*of)), *by),
            Action::Crash { peer: of, loss, after } => match after {
                None if self.world.host(peer(*of)).peer.is_some() => {
                    self.world.crash_and_lose(peer(*of), *loss);
                }
                after => self.world.host(peer(*of)).breath = *after,
            },
            Action::Ask(ask) => self.world.ask(ask.request(&self.world.roster, timed)),
            Action::Cancel { query } => self.world.cancel(&asked::name(*query)),
            Action::Flood { peer, messages } => self.flood(*peer, *messages, timed.at),
            Action::Order { peer: at, query, verb } => self.order(*at, *query, *verb),
            Action::Replay { back, messages } => self.replay(*back, *messages, timed.at),
            Action::Rumour { at, about, up } => self.world.presence_at(peer(*at), peer(*about), *up),
            Action::Wish { agent, wish } => self.world.wish((*agent).into(), Some(wish.clone())),
            Action::Agent { .. }
            | Action::Gaps { .. }
            | Action::Partition { .. }
            | Action::Peer { .. }
            | Action::Weather { .. }
            | Action::Withhold { .. } => self.adversary.borrow_mut().begin(timed.clone()),
        }
    }

    fn end(&mut self, timed: &Timed) {
        self.adversary.borrow_mut().end(timed);
        match timed.action {
            Action::Clock { peer: of, .. } => self.world.host(peer(of)).skew = Skew::None,
            Action::Crash { peer: of, loss, .. } => {
                let host = self.world.host(peer(of));
                host.breath = None;
                if host.peer.is_none() {
                    self.say(|| format!("peer {of} comes back"));
                    self.world.crash_and_lose(peer(of), loss);
                    self.come_back(of, loss);
                }
            }
            Action::Wish { agent, .. } => self.world.wish(agent.into(), None),
            _ => {}
        }
    }

    /// An order that makes no sense now is not followed, and said so.
    fn order(&mut self, at: u8, query: u8, verb: Verb) {
        if let Err(refused) = self.world.order(peer(at), verb, &asked::name(query)) {
            self.say(|| format!("peer {at} does not {verb}: {refused}"));
        }
    }

    /// A peer without a memory is another one than a peer that remembers to have done nothing.
    fn come_back(&mut self, of: u8, loss: crate::world::Loss) {
        match loss {
            crate::world::Loss::Everything => self.world.start(peer(of), None),
            _ => self.world.restart(peer(of)),
        }
    }

    /// The disturbance is over: all are up, and know it.
    fn calm(&mut self) {
        self.say(|| "all is calm".to_owned());
        // False contributions that still are on their way would come after the true ones that follow now, and stay until
        // the key epoch ends.
        let liars: Vec<_> = self.schedule.liars.iter().map(|&liar| Sender::Peer(peer(liar))).collect();
        self.world.lose(|packet| liars.contains(&packet.from) && packet.content.step() == Step::Seeds);
        for number in 1..=self.schedule.site.peers {
            let host = self.world.host(peer(number));
            (host.skew, host.breath) = (Skew::None, None);
            if host.peer.is_none() {
                self.world.restart(peer(number));
            }
            self.world.presence(peer(number), true);
        }
    }

    /// Messages about all times, from one sender.
    fn flood(&mut self, from: Option<u8>, messages: u32, salt: u64) {
        let of = |sender: Sender| match from {
            Some(from) => sender == Sender::Peer(peer(from)),
            None => sender == Sender::Agent(0),
        };
        let sent = self.world.log.sent.iter().rev().map(|(_, packet)| packet);
        let packets: Vec<Packet> =
            sent.filter(|p| of(p.from) && floods(p.content.step())).take(20).cloned().collect();
        for i in 0..u64::from(messages) {
            let whim = noise(self.schedule.seed, &[salt, i]);
            if let Some(packet) = packets.get(whim as usize % packets.len().max(1)) {
                let packet = astray(packet, whim >> 8);
                if let (Sender::Agent(agent), window) = (packet.from, packet.content.window()) {
                    self.adversary.borrow_mut().lied.insert((agent, window));
                }
                self.world.inject(packet);
            }
        }
    }

    /// The broker carries once more what it carried lately.
    fn replay(&mut self, back: u64, messages: u32, salt: u64) {
        let since = self.world.now - Duration::from_millis(back);
        let log = &self.world.log.sent;
        let recent = &log[log.partition_point(|&(at, _)| at < since)..];
        let pick = |i| {
            let whim = noise(self.schedule.seed, &[salt, i]) as usize;
            recent.get(whim % recent.len().max(1)).map(|(_, packet)| packet.clone())
        };
        let packets: Vec<_> = (0..u64::from(messages)).filter_map(pick).collect();
        packets.into_iter().for_each(|packet| self.world.inject(packet));
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(says) = &self.says {
            let line = format!("{:>6} ms  {}", self.moment(), line());
            // Somebody listens as long as the history is played.
            let _ = says.send(Said::Happened(line));
        }
    }

    /// In milliseconds after the start of window 0.
    fn moment(&self) -> u64 {
        self.world.now.since(NOON).as_millis() as u64
    }

    /// Writes down what was sent and told.
    fn note(&mut self) {
        if self.says.is_none() {
            return;
        }
        let new: BTreeSet<String> = self.world.log.results[self.told..]
            .iter()
            .map(|told| {
                let result = &told.signed.result;
                let what = result.reason.clone().unwrap_or_else(|| format!("{:?}", result.value));
                format!("{} tells {} of {}: {what}", told.peer, result.query, result.window.index)
            })
            .collect();
        self.told = self.world.log.results.len();
        new.into_iter().for_each(|line| self.say(|| line));
    }
}
