//! Statuses, in words.

use smc_core::name::NodeName;
use smc_mqtt::status::{Fare, Heard, Presence, WorkerState};

use super::explain::MALFORMED;
use super::explained::Explained;

pub(super) fn explain(mut told: Explained, node: &NodeName, payload: &[u8]) -> Explained {
    let heard = Heard::read(payload).filter(|heard| heard.node == *node);
    told.says = heard.map_or_else(|| MALFORMED.to_owned(), |heard| words(&heard));
    told
}

fn words(heard: &Heard) -> String {
    let mut words = vec![match heard.state {
        Presence::Idle => "connected, and takes no part".to_owned(),
        Presence::Offline => "gone".to_owned(),
        Presence::Online => "there".to_owned(),
    }];
    let mut say = |what: String| words.push(what);
    if let Some(since) = heard.since {
        say(format!("started {since}"));
    }
    if let Some(program) = &heard.program {
        say(format!("program {program}"));
    }
    if let Some(disk) = &heard.disk {
        say(format!("its disk takes nothing: {disk}"));
    }
    for (peer, fare) in &heard.peers {
        match fare {
            Fare::Gone => say(format!("{peer} is gone")),
            Fare::Online => {}
            Fare::Slow => say(format!("{peer} is slow")),
        }
    }
    for (other, ahead) in &heard.clocks {
        say(format!("the clock of {other} is {ahead} s ahead of its own"));
    }
    if let Some(ahead) = heard.own_clock {
        say(format!("its own clock is {ahead} s ahead of most others"));
    }
    if let Some(back) = heard.set_back {
        say(format!("its clock was set back by {back} s"));
    }
    for worker in &heard.workers {
        let state = match worker.state {
            WorkerState::Alone => "takes all shares",
            WorkerState::Away => "is not connected",
            WorkerState::Refused => "is not let in to take a part of the shares",
            WorkerState::Shared => "takes a part of the shares",
        };
        say(format!(
            "its connection {} {state}, had {} and broke {} times",
            worker.client, worker.shares, worker.broke
        ));
    }
    for (reason, count) in &heard.refused {
        say(format!("refused {count} as {reason}"));
    }
    if !heard.left_out.is_empty() {
        let names = heard.left_out.iter().map(NodeName::as_str).collect::<Vec<_>>();
        say(format!("leaves out {}", names.join(" ")));
    }
    for accused in &heard.blamed {
        say(format!("blames {} for {} ({} times)", accused.node, accused.reason, accused.count));
    }
    words.join("; ")
}
