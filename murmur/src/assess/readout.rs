//! From what processes said and used to observations.

use std::collections::{BTreeMap, BTreeSet};

use assessment::lab::Wire;
use assessment::{Measure, Observation, Phase, PlayError, Role as Whose, Subject};
use smc_core::time::WindowIndex;
use smc_mqtt::traffic::Traffic;

use super::company::{Actor, Looked};
use super::plan::Plan;
use crate::bench::Role;
use crate::bench::said::{Mark, Said, Seen, Shared, Window};

/// Bytes of a share of the field.
const SHARE_BYTES: u64 = 8;

/// What everybody had used and carried at one instant, by host.
pub(super) struct Sample {
    pub(super) nodes: BTreeMap<String, Looked>,
    pub(super) wires: BTreeMap<String, Wire>,
}

/// All that was heard of one run.
pub(super) struct Readout<'a> {
    pub(super) plan: &'a Plan,
    /// The first window that counts.
    pub(super) first: WindowIndex,
    /// At its start.
    pub(super) before: &'a Sample,
    /// At the end of the last one that counts.
    pub(super) after: &'a Sample,
}

/// What is being written down.
struct Sheet {
    subject: Subject,
    rows: Vec<Observation>,
}

/// Whose numbers they are.
#[derive(Clone, Copy)]
struct Node<'a> {
    role: Whose,
    name: &'a str,
}

/// All queries of one window at one peer: the last one counts.
struct Together<'a> {
    /// What they have in common.
    common: &'a Window,
    opening: Option<Mark>,
    stated: Option<Mark>,
    done: Option<Mark>,
    rounds: u32,
}

impl Readout<'_> {
    /// Everything as rows.
    ///
    /// # Errors
    /// If no window came to a value.
    pub(super) fn observations(&self, actors: &[Actor]) -> Result<Vec<Observation>, PlayError> {
        let mut sheet = Sheet { subject: self.plan.subject, rows: Vec::new() };
        let lookout = actors.iter().find(|actor| actor.role == Some(Role::Lookout));
        let seen = lookout.map(|lookout| self.results(&lookout.said)).unwrap_or_default();
        if seen.is_empty() {
            let (wanted, period) = (self.plan.windows, self.plan.setup.period.get());
            return Err(PlayError::Stalled { have: 0, wanted, seconds: (period * wanted).as_secs() });
        }
        self.site(&mut sheet, &seen);
        let agents = actors.iter().find(|actor| actor.role == Some(Role::Agents));
        let shared: Vec<_> = agents.map(|agents| self.shared(&agents.said)).unwrap_or_default();
        self.sharing(&mut sheet, &shared);
        for actor in actors {
            if let Some(Role::Peer(_)) = actor.role {
                self.peer(&mut sheet, actor, &shared);
            }
            self.used(&mut sheet, actor);
        }
        Ok(sheet.rows)
    }

    /// The last result of each window that counts and has a value.
    fn results(&self, said: &[Said]) -> BTreeMap<u32, Seen> {
        let seen = said.iter().filter_map(|said| match said {
            Said::Result(seen) if seen.ok => Some((self.number(seen.window)?, *seen)),
            _ => None,
        });
        seen.collect()
    }

    fn shared(&self, said: &[Said]) -> Vec<(u32, Shared)> {
        let shared = said.iter().filter_map(|said| match said {
            Said::Shared(shared) => Some((self.number(shared.window)?, *shared)),
            _ => None,
        });
        shared.collect()
    }

    /// Which of the windows that count it is, from 0.
    fn number(&self, window: WindowIndex) -> Option<u32> {
        let number = u32::try_from(window.0.checked_sub(self.first.0)?).ok()?;
        (number < self.plan.windows).then_some(number)
    }

    /// When the peers begin with a window: at its end and the grace.
    fn due_us(&self, number: u32) -> u64 {
        let window = WindowIndex(self.first.0 + u64::from(number));
        (self.plan.period.end(window) + self.plan.setup.grace.get()).as_micros()
    }

    /// From the due instant to the result, as an onlooker sees.
    fn site(&self, sheet: &mut Sheet, seen: &BTreeMap<u32, Seen>) {
        let site = Node { role: Whose::Site, name: "" };
        for (&number, seen) in seen {
            let took = seen.at_us.saturating_sub(self.due_us(number));
            sheet.wall(site, Phase::Whole, number, took);
            let covered = seen.readings as f64 / self.plan.readings() as f64 * 100.0;
            sheet.note(site, Phase::Whole, Some(number), Measure::CoveredPercent, covered);
        }
        let lost = f64::from(self.plan.windows) - seen.len() as f64;
        sheet.note(site, Phase::Whole, None, Measure::LostCount, lost);
    }

    /// What the agents did.
    fn sharing(&self, sheet: &mut Sheet, shared: &[(u32, Shared)]) {
        let agents = Node { role: Whose::Agents, name: "agents" };
        for (number, shared) in shared {
            sheet.wall(agents, Phase::Sharing, *number, shared.longest_us);
            sheet.cpu(agents, Phase::Sharing, *number, shared.cpu_us);
            let mut note = |measure, value: u64| {
                sheet.note(agents, Phase::Sharing, Some(*number), measure, value as f64);
            };
            note(Measure::MessagesCount, shared.messages);
            note(Measure::PayloadBytes, shared.sealed_bytes);
            note(Measure::OwnOverheadBytes, shared.sealed_bytes.saturating_sub(shared.plain_bytes));
        }
    }

    /// What one peer did, window by window.
    fn peer(&self, sheet: &mut Sheet, actor: &Actor, shared: &[(u32, Shared)]) {
        let node = Node { role: Whose::Peer, name: &actor.name };
        let windows = self.windows(&actor.said);
        for (&number, together) in &windows {
            let window = together.common;
            if let (Some(last_us), Some((_, shared))) =
                (window.last_input_us, shared.iter().find(|(of, _)| *of == number))
            {
                let under_way = last_us.saturating_sub(shared.last_us);
                sheet.wall(node, Phase::Transport, number, under_way);
            }
            if let Some(planned) = window.planned {
                let waited = planned.at_us.saturating_sub(self.due_us(number));
                let voted = Window::between(window.voted, window.agreed);
                sheet.wall(node, Phase::Agreement, number, waited + voted);
            }
            if let (Some(gathered), Some(planned)) = (window.gathered, window.planned) {
                let cpu = planned.cpu_us.saturating_sub(gathered.cpu_us);
                sheet.cpu(node, Phase::Agreement, number, cpu + cpu_us(window.voted, window.agreed));
            }
            sheet.phase(node, Phase::Validity, number, window.planned, window.voted);
            sheet.phase(node, Phase::Computation, number, window.agreed, together.opening);
            sheet.phase(node, Phase::Opening, number, together.opening, together.stated);
            sheet.phase(node, Phase::Publication, number, together.stated, together.done);
            if let (Some(from), Some(to)) = (window.gathered, together.done) {
                self.said(sheet, node, number, (from, to), together.rounds);
            }
        }
        self.keeping(sheet, node, &windows);
    }

    /// What a peer said to the others from the due instant to the result.
    fn said(&self, sheet: &mut Sheet, node: Node<'_>, number: u32, marks: (Mark, Mark), rounds: u32) {
        let (from, to) = marks;
        let (bytes, shares) = (to.bytes - from.bytes, to.shares - from.shares);
        let mut note = |measure, value: u64| {
            sheet.note(node, Phase::Whole, Some(number), measure, value as f64);
        };
        note(Measure::MessagesCount, to.messages - from.messages);
        note(Measure::PayloadBytes, bytes);
        note(Measure::OwnOverheadBytes, bytes.saturating_sub(shares * SHARE_BYTES));
        note(Measure::RoundsCount, rounds.into());
    }

    /// CPU time between windows, when a peer opens and keeps shares and does little else.
    fn keeping(&self, sheet: &mut Sheet, node: Node<'_>, windows: &BTreeMap<u32, Together<'_>>) {
        for (number, together) in windows {
            let earlier = number.checked_sub(1).and_then(|earlier| windows.get(&earlier)?.done);
            if let (Some(_), Some(_)) = (earlier, together.common.gathered) {
                sheet.cpu(node, Phase::Transport, *number, cpu_us(earlier, together.common.gathered));
            }
        }
    }

    /// The windows of a peer that count and came to a value.
    fn windows<'a>(&self, said: &'a [Said]) -> BTreeMap<u32, Together<'a>> {
        let mut windows = BTreeMap::new();
        let mut failed = BTreeSet::new();
        for said in said {
            let Said::Window(window) = said else { continue };
            let Some(number) = self.number(WindowIndex(window.window)) else { continue };
            if window.reason.is_some() {
                failed.insert(number);
            }
            let none = || Together { common: window, opening: None, stated: None, done: None, rounds: 0 };
            windows.entry(number).or_insert_with(none).add(window);
        }
        windows.retain(|number, _| !failed.contains(number));
        windows
    }

    /// What a process used and a host sent, per window.
    fn used(&self, sheet: &mut Sheet, actor: &Actor) {
        let role = match actor.role {
            Some(Role::Lookout) => return,
            Some(Role::Agents | Role::Publishers) => Whose::Agents,
            Some(Role::Peer(_) | Role::Subscriber(_)) => Whose::Peer,
            Some(Role::Broker) | None => Whose::Broker,
        };
        let node = Node { role, name: &actor.name };
        let (Some(before), Some(after)) =
            (self.before.nodes.get(&actor.name), self.after.nodes.get(&actor.name))
        else {
            return;
        };
        let windows = f64::from(self.plan.windows);
        let mut note = |measure, value: f64| sheet.note(node, Phase::Whole, None, measure, value);
        note(Measure::CpuMs, (after.usage.cpu_ms - before.usage.cpu_ms) / windows);
        note(Measure::RssPeakBytes, after.usage.rss_peak_bytes as f64);
        if let Some(stack) = after.usage.stack_peak_bytes {
            note(Measure::StackPeakBytes, stack as f64);
        }
        let events = [
            (Measure::CpuCycles, before.usage.cycles, after.usage.cycles),
            (Measure::CpuInstructions, before.usage.instructions, after.usage.instructions),
        ];
        for (measure, before, after) in events {
            if let (Some(before), Some(after)) = (before, after) {
                note(measure, after.saturating_sub(before) as f64 / windows);
            }
        }
        if let Some(heap) = after.look.and_then(|look| look.heap) {
            note(Measure::HeapPeakBytes, heap.peak_bytes as f64);
            note(Measure::HeapLiveBytes, heap.live_bytes as f64);
        }
        let carried = before.look.zip(after.look);
        let carried = carried.map(|(before, after)| after.traffic.since(before.traffic));
        self.sent(sheet, node, carried);
    }

    /// What a host sent per window, layer by layer.
    fn sent(&self, sheet: &mut Sheet, node: Node<'_>, carried: Option<Traffic>) {
        let (Some(before), Some(after)) = (self.before.wires.get(node.name), self.after.wires.get(node.name))
        else {
            return;
        };
        let windows = f64::from(self.plan.windows);
        let mut note = |measure, value: u64| {
            sheet.note(node, Phase::Whole, None, measure, value as f64 / windows);
        };
        let wire = after.sent_bytes.saturating_sub(before.sent_bytes);
        note(Measure::WireSentBytes, wire);
        if let (Some(before), Some(after)) = (before.sent_packets, after.sent_packets) {
            note(Measure::WireSentPackets, after.saturating_sub(before));
        }
        // The embedded broker and Mosquitto count none of this.
        let Some(carried) = carried.filter(|carried| carried.mqtt_sent_bytes > 0) else { return };
        let streamed = carried.tls_sent_bytes.max(carried.mqtt_sent_bytes);
        note(Measure::NetworkOverheadBytes, wire.saturating_sub(streamed));
        note(Measure::TlsOverheadBytes, streamed - carried.mqtt_sent_bytes);
        note(Measure::MqttOverheadBytes, carried.mqtt_sent_bytes.saturating_sub(carried.payload_bytes));
    }
}

impl Together<'_> {
    fn add(&mut self, window: &Window) {
        let later = |one: Option<Mark>, other: Option<Mark>| {
            [one, other].into_iter().flatten().max_by_key(|mark| mark.at_us)
        };
        self.opening = later(self.opening, window.opening);
        self.stated = later(self.stated, window.stated);
        self.done = later(self.done, window.done);
        self.rounds = self.rounds.max(window.rounds);
    }
}

impl Sheet {
    fn note(&mut self, node: Node<'_>, phase: Phase, window: Option<u32>, measure: Measure, value: f64) {
        let (subject, role, node) = (self.subject, node.role, node.name.to_owned());
        self.rows.push(Observation { subject, role, node, phase, window, measure, value });
    }

    fn wall(&mut self, node: Node<'_>, phase: Phase, window: u32, us: u64) {
        self.note(node, phase, Some(window), Measure::WallMs, us as f64 / 1e3);
    }

    fn cpu(&mut self, node: Node<'_>, phase: Phase, window: u32, us: u64) {
        self.note(node, phase, Some(window), Measure::CpuMs, us as f64 / 1e3);
    }

    /// What a phase took that lies between two marks.
    fn phase(&mut self, node: Node<'_>, phase: Phase, window: u32, from: Option<Mark>, to: Option<Mark>) {
        if from.is_some() && to.is_some() {
            self.wall(node, phase, window, Window::between(from, to));
            self.cpu(node, phase, window, cpu_us(from, to));
        }
    }
}

/// CPU time from one mark to another.
fn cpu_us(from: Option<Mark>, to: Option<Mark>) -> u64 {
    from.zip(to).map_or(0, |(from, to)| to.cpu_us.saturating_sub(from.cpu_us))
}
