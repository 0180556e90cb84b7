//! All traffic of a run, as the broker accepts it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::settings::Settings;
use broker::{Broker, QoS, TapEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smc_core::audit::Head;
use smc_core::card::Card;
use smc_core::control::Control;
use smc_core::document::{Signed, canonical};
use smc_core::envelope::Envelope;
use smc_core::introduction::Introduction;
use smc_core::message::PeerMessage;
use smc_core::name::QueryName;
use smc_core::order::Order;
use smc_core::output::SealedOutput;
use smc_core::protocol::input::{Input, plaintext_len};
use smc_core::request::{Cancellation, Decision, Request};
use smc_core::result::{PartDocument, SignedResult};
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::topic::{Topic, Topics};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, channel};

use super::words;
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

/// A broker in this process that shows all it accepts.
pub(super) struct Recording {
    runtime: Runtime,
    counters: std::sync::Arc<broker::Counters>,
    tapped: Receiver<TapEvent>,
    /// One moment by both clocks.
    began: (Instant, Timestamp),
    events: Vec<TapEvent>,
}

/// An agent's message to a peer, as seen from outside.
#[derive(Debug)]
pub(super) struct ShareSeen {
    pub(super) agent: String,
    pub(super) peer: String,
    pub(super) window: WindowIndex,
    /// From the window's first instant on.
    pub(super) offset: Duration,
    pub(super) bytes: usize,
    pub(super) retain: bool,
    pub(super) qos: QoS,
}

/// More than a run has messages.
const EVENTS: usize = 1 << 16;
/// The tag of AES-GCM.
const TAG: usize = 16;

impl Recording {
    /// Starts the site's broker.
    pub(super) fn start(site: &mut Site) -> Self {
        let runtime = Runtime::new().unwrap();
        let (tap, tapped) = channel(EVENTS);
        let mut config = Settings::load(&site.path("broker.toml")).unwrap();
        config.listen = Some(([127, 0, 0, 1], 0).into());
        config.tap = Some(tap);
        let broker = runtime.block_on(Broker::bind(config)).unwrap();
        site.use_broker(broker.local_addr());
        let counters = broker.counters();
        runtime.spawn(broker.run(std::future::pending()));
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        let began = (Instant::now(), Timestamp::from_micros(micros));
        Self { runtime, counters, tapped, began, events: Vec::new() }
    }

    /// Records until there were so many windows in which every agent spoke to every peer, one more that may not be over, and results
    /// meanwhile.
    pub(super) fn record(&mut self, site: &Site, windows: u64) {
        let topics = Topics::new(site.roster().site().clone());
        let mut spoken: BTreeMap<WindowIndex, usize> = BTreeMap::new();
        let (mut results, full) = (0, full(site));
        let is_full = |count: &&usize| **count >= full;
        while results == 0 || spoken.values().filter(is_full).count() as u64 <= windows {
            let next = async { tokio::time::timeout(PATIENCE, self.tapped.recv()).await };
            let event = self.runtime.block_on(next).expect("traffic goes on").unwrap();
            match topics.parse(std::str::from_utf8(&event.topic).unwrap()) {
                Ok(Topic::Share { .. }) => {
                    *spoken.entry(envelope(&event).window().unwrap().1).or_default() += 1;
                }
                Ok(Topic::Result { .. }) => results += u64::from(json(&event)["status"] == "ok"),
                _ => {}
            }
            self.events.push(event);
        }
    }

    /// How many messages the recording lacks.
    pub(super) fn missed(&self) -> u64 {
        self.counters.snapshot().dropped_tap_events
    }

    /// Every agent's messages in the windows in which all of them spoke, in the order in which they came. The first
    /// windows are left out: peers come one by one, and nobody can seal for one that has not introduced itself.
    pub(super) fn shares(&self, site: &Site) -> Vec<ShareSeen> {
        let period = site.roster().bundles()[0].period;
        let all: Vec<_> = self.events.iter().filter_map(|event| self.share(site, event)).collect();
        let count = |window| all.iter().filter(|share| share.window == window).count();
        let full = full(site);
        let first =
            all.iter().map(|share| share.window).filter(|&window| count(window) == full).min().unwrap();
        let end = period.window_at(self.time(self.events.last().unwrap().at));
        all.into_iter().filter(|share| first <= share.window && share.window < end).collect()
    }

    fn share(&self, site: &Site, event: &TapEvent) -> Option<ShareSeen> {
        let topics = Topics::new(site.roster().site().clone());
        let Ok(Topic::Share { to, from }) = topics.parse(std::str::from_utf8(&event.topic).unwrap()) else {
            return None;
        };
        let (period, window) = envelope(event).window().unwrap();
        Some(ShareSeen {
            agent: from.to_string(),
            peer: to.to_string(),
            window,
            offset: self.time(event.at).since(period.start(window)),
            bytes: event.topic.len() + event.payload.len(),
            retain: event.retain,
            qos: event.qos,
        })
    }

    fn time(&self, at: Instant) -> Timestamp {
        self.began.1 + at.saturating_duration_since(self.began.0)
    }

    /// Whitelists: there is a form for each topic, and nothing else is said on it.
    pub(super) fn assert_every_payload_is_what_its_topic_says(&self, site: &Site) {
        let topics = Topics::new(site.roster().site().clone());
        for event in &self.events {
            let topic = std::str::from_utf8(&event.topic).unwrap();
            match topics.parse(topic).unwrap_or_else(|_| panic!("{topic} is no topic of the site")) {
                Topic::Audit { peer } => {
                    let head: Signed<Head> = serde_json::from_slice(&event.payload).unwrap();
                    assert_eq!((canonical(&head), head.document.peer), (event.payload.to_vec(), peer));
                }
                Topic::Card { node } => {
                    let card: Signed<Card> = serde_json::from_slice(&event.payload).unwrap();
                    assert_eq!(card.document.node, node);
                }
                Topic::Charter
                | Topic::CharterProposed { .. }
                | Topic::PairAnswer { .. }
                | Topic::PairAsk { .. }
                | Topic::PairOffer { .. } => panic!("{topic}: nobody changed the member list"),
                Topic::Control { .. } => assert_is::<Signed<Control>>(event),
                Topic::Decision { .. } => assert_is::<Signed<Decision>>(event),
                Topic::Discovery { entity, .. } => {
                    assert!(json(event)["unique_id"].as_str().unwrap().ends_with(&entity.to_string()))
                }
                Topic::Introduction { .. } => assert_is::<Signed<Introduction>>(event),
                Topic::Operator { .. } => assert_is::<Signed<Order>>(event),
                Topic::Output { .. } => {
                    assert!(SealedOutput::from_bytes(&ciphertext(event)).is_err(), "{topic} is not sealed");
                }
                Topic::Peer { .. } => {
                    assert!(PeerMessage::from_bytes(&ciphertext(event)).is_err(), "{topic} is not sealed");
                }
                Topic::Request { .. } if json(event).get("cancel").is_some() => {
                    assert_is::<Signed<Cancellation>>(event);
                }
                Topic::Request { .. } => assert_is::<Signed<Request>>(event),
                Topic::Result { .. } => assert_is::<SignedResult>(event),
                Topic::ResultPart { .. } => {
                    let part: PartDocument = serde_json::from_slice(&event.payload).unwrap();
                    assert_eq!(canonical(&part), event.payload, "more than a part");
                }
                Topic::ResultState { query } => self.assert_is_value_of(&query, event),
                Topic::Share { from, .. } => assert_is_sealed(site, from.as_str(), event),
                Topic::Status { .. } => assert_is_status(&json(event)),
            }
        }
    }

    /// A bare value is what the last result said, or nothing.
    fn assert_is_value_of(&self, query: &QueryName, event: &TapEvent) {
        let state = std::str::from_utf8(&event.payload).unwrap();
        let of_query = |event: &&TapEvent| event.topic.ends_with(format!("/result/{query}").as_bytes());
        let mut values = self.events.iter().filter(of_query).map(|result| json(result)["value"].to_string());
        assert!(state.is_empty() || values.any(|value| value == state), "{query}: {state}");
    }

    /// None of `secrets` is a word of any payload, nor in binary a part of what a ciphertext looks like.
    pub(super) fn assert_silent_about(&self, secrets: &[String]) {
        let texts: HashSet<&str> = secrets.iter().map(String::as_str).collect();
        let numbers = secrets.iter().filter_map(|secret| secret.parse::<f64>().ok());
        let binary: HashSet<[u8; 8]> = numbers.flat_map(|x| [x.to_le_bytes(), x.to_be_bytes()]).collect();
        for event in &self.events {
            let payload = &without_value(event);
            // Display names have spaces: they are one word of JSON, but not one of `words`.
            for word in words(payload).chain(payload.split('"')) {
                assert!(!texts.contains(word), "{word} is in {payload}");
            }
            let sealed = if payload.contains("\"ct\":") { ciphertext(event) } else { Vec::new() };
            assert!(
                !sealed.windows(8).any(|part| binary.contains(part)),
                "a reading in the ciphertext of {payload}"
            );
        }
    }
}

/// How many messages a window has in which every agent spoke to every peer.
fn full(site: &Site) -> usize {
    site.peers().len() * site.agents().len()
}

/// The bytes of a share's ciphertext are no shares: elements of the field have three zero bits each.
fn assert_is_sealed(site: &Site, agent: &str, event: &TapEvent) {
    let roster = site.roster();
    let agent = roster.agent_named(agent).unwrap();
    let bundle = roster.bundle(roster.agent(agent).bundles[0]);
    let sealed = ciphertext(event);
    assert_eq!(sealed.len(), plaintext_len(bundle) + TAG);
    for from in 0..=TAG {
        let plain = &sealed[from..from + plaintext_len(bundle)];
        assert!(Input::read(bundle, plain).is_err(), "a share in the clear: {event:?}");
    }
    let elements = sealed.as_chunks::<8>().0;
    let small = elements.iter().filter(|element| element[7] < 0x20).count();
    assert!(small < elements.len() / 2, "{small} of {} look like elements of the field", elements.len());
}

/// An agent's status says that it is there and no more, for what an agent lacks tells about its room. A peer's also says
/// what it noticed.
fn assert_is_status(status: &Value) {
    let everybodys = ["v", "node", "state", "since"];
    let peers = [
        "announces",
        "blamed",
        "clocks",
        "disk",
        "last_window",
        "left_out",
        "own_clock",
        "peers",
        "program",
        "refused",
        "set_back",
    ];
    let agent = status["node"].as_str().unwrap().starts_with("room");
    for key in status.as_object().unwrap().keys() {
        let key = key.as_str();
        assert!(everybodys.contains(&key) || (!agent && peers.contains(&key)), "{key} in {status}");
    }
}

/// The payload, of a result without what it is there to tell: a mean may well be what some room reads.
fn without_value(event: &TapEvent) -> String {
    let payload = std::str::from_utf8(&event.payload).unwrap();
    if event.topic.ends_with(b"/state") {
        return String::new();
    }
    if !event.topic.windows(8).any(|part| part == b"/result/") {
        return payload.to_owned();
    }
    let mut result = json(event);
    result.as_object_mut().unwrap().remove("value");
    result.to_string()
}

fn envelope(event: &TapEvent) -> Envelope<'_> {
    Envelope::parse(&event.payload, event.payload.len()).unwrap_or_else(|error| panic!("{error}: {event:?}"))
}

fn ciphertext(event: &TapEvent) -> Vec<u8> {
    envelope(event);
    URL_SAFE_NO_PAD.decode(json(event)["ct"].as_str().unwrap()).unwrap()
}

/// Whether a payload is a document of this form and nothing more.
fn assert_is<D: DeserializeOwned + Serialize>(event: &TapEvent) {
    let document: D = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!(serde_json::to_value(document).unwrap(), json(event), "more than its topic says");
}

fn json(event: &TapEvent) -> Value {
    serde_json::from_slice(&event.payload).unwrap_or_else(|error| panic!("{error}: {event:?}"))
}
