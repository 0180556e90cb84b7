//! Holds `topics.md` against the code: every topic is described, every described topic is one, and every example is
//! what the programs read and write.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use serde_json::Value;
use smc_core::audit::{Head, is_consistent};
use smc_core::card::Card;
use smc_core::charter::{Chain, Proposal};
use smc_core::control::Control;
use smc_core::document::{Signed, canonical};
use smc_core::envelope::Envelope;
use smc_core::introduction::Introduction;
use smc_core::message::PeerMessage;
use smc_core::name::MAX_NAME;
use smc_core::order::Order;
use smc_core::output::SealedOutput;
use smc_core::pairing::{Answer, Ask, Offer};
use smc_core::request::{Cancellation, Decision, Request, Verdict};
use smc_core::result::{PartDocument, SignedResult};
use smc_mqtt::status::presence;
use smc_mqtt::topic::{Component, Diagnostic, Entity, HOME_ASSISTANT_STATUS, Topic, Topics};

const PAGE: &str = include_str!("../../topics.md");
/// The site of the page's examples.
const SITE: &str = "demo";

/// What a section calls its topic. A topic that is new to the code does not compile here before it has a name.
fn pattern(topic: &Topic) -> &'static str {
    match topic {
        Topic::Audit { .. } => "murmur/<site>/audit/<peer>",
        Topic::Card { .. } => "murmur/<site>/card/<node>",
        Topic::Charter => "murmur/<site>/charter",
        Topic::CharterProposed { .. } => "murmur/<site>/charter/proposed/<peer>",
        Topic::Control { .. } => "murmur/<site>/control/<agent>",
        Topic::Decision { .. } => "murmur/<site>/decision/<peer>/<query>",
        Topic::Discovery { entity: Entity::Diagnostic(..), .. } => {
            "homeassistant/<component>/murmur_<site>/_<diagnostic>_<node>/config"
        }
        Topic::Discovery { entity: Entity::Node(_), .. } => {
            "homeassistant/device/murmur_<site>/_node_<node>/config"
        }
        Topic::Discovery { entity: Entity::Outcome(_), .. } => {
            "homeassistant/sensor/murmur_<site>/_outcome_<query>/config"
        }
        Topic::Discovery { entity: Entity::Result(_), .. } => {
            "homeassistant/<component>/murmur_<site>/<query>/config"
        }
        Topic::Introduction { .. } => "murmur/<site>/introduction/<node>",
        Topic::Operator { .. } => "murmur/<site>/operator/<peer>",
        Topic::Output { .. } => "murmur/<site>/output/<to>/<from>/<query>",
        Topic::PairAnswer { .. } => "murmur/<site>/pair/answer/<member>",
        Topic::PairAsk { .. } => "murmur/<site>/pair/ask/<member>",
        Topic::PairOffer { .. } => "murmur/<site>/pair/offer/<member>",
        Topic::Peer { .. } => "murmur/<site>/peer/<to>/<from>",
        Topic::Request { .. } => "murmur/<site>/request/<client>/<query>",
        Topic::Result { .. } => "murmur/<site>/result/<query>",
        Topic::ResultPart { .. } => "murmur/<site>/result/<query>/part/<part>",
        Topic::ResultState { .. } => "murmur/<site>/result/<query>/state",
        Topic::Share { .. } => "murmur/<site>/share/<peer>/<agent>",
        Topic::Status { .. } => "murmur/<site>/status/<node>",
    }
}

/// Home Assistant's name for what a topic announces; empty for topics that announce nothing.
fn component(topic: &Topic) -> &'static str {
    match topic {
        Topic::Discovery { component, .. } => component.name(),
        _ => "",
    }
}

/// One of every topic.
fn all() -> [Topic; 25] {
    let node = || "peer-1".parse().unwrap();
    let from = || "room-101".parse().unwrap();
    let query = || "co2-mean".parse().unwrap();
    let discovery = |component, entity| Topic::Discovery { component, entity };
    [
        Topic::Audit { peer: node() },
        Topic::Card { node: node() },
        Topic::Charter,
        Topic::CharterProposed { peer: node() },
        Topic::Control { agent: from() },
        Topic::Decision { peer: node(), query: query() },
        discovery(Component::BinarySensor, Entity::Result(query())),
        discovery(Component::Device, Entity::Result(query())),
        discovery(Component::Device, Entity::Node(node())),
        discovery(Component::Sensor, Entity::Result(query())),
        discovery(Component::Sensor, Entity::Diagnostic(Diagnostic::Window, node())),
        discovery(Component::Sensor, Entity::Outcome(query())),
        Topic::Introduction { node: node() },
        Topic::Operator { peer: node() },
        Topic::Output { to: node(), from: from(), query: query() },
        Topic::PairAnswer { member: node() },
        Topic::PairAsk { member: node() },
        Topic::PairOffer { member: node() },
        Topic::Peer { to: node(), from: from() },
        Topic::Request { client: "display".parse().unwrap(), query: query() },
        Topic::Result { query: query() },
        Topic::ResultPart { query: query(), part: 7 },
        Topic::ResultState { query: query() },
        Topic::Share { to: node(), from: from() },
        Topic::Status { node: node() },
    ]
}

fn topics() -> Topics {
    Topics::new(SITE.parse().unwrap())
}

/// The text of each section by its topic.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let section = |text: &'static str| text.strip_prefix('`')?.split_once("`\n");
    PAGE.split("\n## ").filter_map(section).collect()
}

/// The example payloads of a section, by the fence that opens them.
fn examples(text: &str, fence: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match (open, line) {
            (false, line) if line == fence => examples.push(String::new()),
            (true, "```") => {}
            (true, line) => {
                examples.last_mut().unwrap().push_str(line);
                continue;
            }
            _ => continue,
        }
        open = !open;
    }
    examples
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_topic_of_the_code_is_described_and_no_other() {
    let mut described: Vec<_> = sections().into_keys().collect();
    let mut known: Vec<_> = all().iter().map(pattern).chain([HOME_ASSISTANT_STATUS]).collect();
    known.sort_unstable();
    known.dedup();
    described.sort_unstable();
    assert_eq!(described, known);
}

#[test]
fn the_table_has_every_topic_once() {
    for topic in sections().into_keys() {
        assert_eq!(PAGE.matches(&format!("\n| `{topic}` |")).count(), 1, "{topic}");
    }
}

#[test]
fn a_described_topic_is_spelled_and_parsed_as_described() {
    for topic in all() {
        let text = topics().spell(&topic);
        let placeholders = [
            ("<site>", SITE),
            ("<node>", "peer-1"),
            ("<to>", "peer-1"),
            ("<peer>", "peer-1"),
            ("<member>", "peer-1"),
            ("<from>", "room-101"),
            ("<agent>", "room-101"),
            ("<client>", "display"),
            ("<query>", "co2-mean"),
            ("<part>", "7"),
            ("<component>", component(&topic)),
            ("<diagnostic>", Diagnostic::Window.name()),
        ];
        let filled =
            placeholders.iter().fold(pattern(&topic).to_owned(), |text, (from, to)| text.replace(from, to));
        assert_eq!(text, filled);
        assert_eq!(topics().parse(&filled), Ok(topic));
    }
}

#[test]
fn names_are_as_long_as_the_page_says() {
    assert!(PAGE.contains(&format!("1 to {MAX_NAME} characters")));
}

#[test]
fn sealed_messages_are_envelopes() {
    for (topic, is_share) in
        [("murmur/<site>/share/<peer>/<agent>", true), ("murmur/<site>/peer/<to>/<from>", false)]
    {
        let examples = examples(sections()[topic], "```json");
        assert_eq!(examples.len(), 1, "{topic}");
        let envelope = Envelope::parse(examples[0].as_bytes(), 512 * 1024).unwrap();
        assert_eq!((envelope.site(), envelope.window().is_some()), (SITE, is_share), "{topic}");
    }
}

#[test]
fn what_peers_say_to_each_other_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/peer/<to>/<from>"], "```json sealed");
    let mut steps = Vec::new();
    for example in &examples {
        // Shares follow the line as they are; here there are none.
        let end = if example.contains(r#""step":"partial""#) { "\n" } else { "" };
        let message = PeerMessage::from_bytes(format!("{example}{end}").as_bytes());
        let message = message.unwrap_or_else(|_| panic!("{example}"));
        assert_eq!(json(std::str::from_utf8(&message.to_bytes()).unwrap()), json(example));
        steps.push(match message {
            PeerMessage::Endorsement(_) => "endorsement",
            PeerMessage::Inventory(_) => "inventory",
            PeerMessage::Partial(_) => "partial",
            PeerMessage::Seeds(_) => "seeds",
            PeerMessage::Vote(_) => "vote",
        });
    }
    steps.sort_unstable();
    assert_eq!(steps, ["endorsement", "inventory", "partial", "seeds", "vote"]);
}

#[test]
fn an_output_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/output/<to>/<from>/<query>"], "```json sealed");
    assert_eq!(examples.len(), 1);
    let output = SealedOutput::from_bytes(format!("{}\n", examples[0]).as_bytes()).unwrap();
    assert_eq!(json(std::str::from_utf8(&output.to_bytes()).unwrap()), json(&examples[0]));
}

#[test]
fn a_card_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/card/<node>"], "```json");
    assert_eq!(examples.len(), 1);
    let card: Signed<Card> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&card).unwrap(), json(&examples[0]));
}

#[test]
fn an_introduction_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/introduction/<node>"], "```json");
    assert_eq!(examples.len(), 1);
    let introduction: Signed<Introduction> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&introduction).unwrap(), json(&examples[0]));
}

#[test]
fn charters_read_back_as_they_stand() {
    let proposed = examples(sections()["murmur/<site>/charter/proposed/<peer>"], "```json");
    let proposal: Proposal = serde_json::from_str(&proposed[0]).unwrap();
    assert_eq!(serde_json::to_value(&proposal).unwrap(), json(&proposed[0]));
    let enacted = examples(sections()["murmur/<site>/charter"], "```json");
    let chain: Chain = serde_json::from_str(&enacted[0]).unwrap();
    assert_eq!(serde_json::to_value(&chain).unwrap(), json(&enacted[0]));
    assert_eq!(chain.charters[0].charter, proposal.document);
}

#[test]
fn what_is_said_when_a_node_pairs_reads_back_as_it_stands() {
    fn reads_back<T: serde::de::DeserializeOwned + serde::Serialize>(topic: &str, count: usize) {
        let examples = examples(sections()[topic], "```json");
        assert_eq!(examples.len(), count);
        for example in &examples {
            let said: T = serde_json::from_str(example).unwrap();
            assert_eq!(serde_json::to_value(&said).unwrap(), json(example));
        }
    }
    reads_back::<Offer>("murmur/<site>/pair/offer/<member>", 1);
    reads_back::<Ask>("murmur/<site>/pair/ask/<member>", 3);
    reads_back::<Answer>("murmur/<site>/pair/answer/<member>", 3);
}

#[test]
fn requests_and_cancellations_read_back_as_they_stand() {
    let examples = examples(sections()["murmur/<site>/request/<client>/<query>"], "```json");
    assert_eq!(examples.len(), 2);
    let request: Signed<Request> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&request).unwrap(), json(&examples[0]));
    let cancellation: Signed<Cancellation> = serde_json::from_str(&examples[1]).unwrap();
    assert_eq!(serde_json::to_value(&cancellation).unwrap(), json(&examples[1]));
}

#[test]
fn a_decision_reads_back_as_it_stands_and_every_verdict_is_explained() {
    let section = sections()["murmur/<site>/decision/<peer>/<query>"];
    let examples = examples(section, "```json");
    assert_eq!(examples.len(), 1);
    let decision: Signed<Decision> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&decision).unwrap(), json(&examples[0]));
    use Verdict::*;
    for verdict in [Allowed, Asked, Cancelled, Denied, Done, Expired, Paused, Withdrawn] {
        assert!(section.contains(&format!("`{verdict}`")), "{verdict}");
    }
}

#[test]
fn a_control_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/control/<agent>"], "```json");
    assert_eq!(examples.len(), 1);
    let control: Signed<Control> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&control).unwrap(), json(&examples[0]));
}

#[test]
fn an_order_reads_back_as_it_stands() {
    let examples = examples(sections()["murmur/<site>/operator/<peer>"], "```json");
    assert_eq!(examples.len(), 1);
    let order: Signed<Order> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(serde_json::to_value(&order).unwrap(), json(&examples[0]));
}

#[test]
fn a_head_reads_back_as_it_stands_and_its_proof_holds() {
    let examples = examples(sections()["murmur/<site>/audit/<peer>"], "```json");
    assert_eq!(examples.len(), 1);
    let head: Signed<Head> = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(String::from_utf8(canonical(&head)).unwrap(), examples[0]);
    let Head { size, root, before, .. } = &head.document;
    let before = before.as_ref().unwrap();
    assert!(is_consistent(before.size, &before.root, *size, root, &before.proof));
}

#[test]
fn results_read_back_as_they_stand() {
    let examples = examples(sections()["murmur/<site>/result/<query>"], "```json");
    assert_eq!(examples.len(), 3);
    for example in &examples {
        let result: SignedResult = serde_json::from_str(example).unwrap();
        assert_eq!(serde_json::to_value(&result).unwrap(), json(example));
    }
}

#[test]
fn a_part_reads_back_as_it_stands_and_stands_in_the_form_that_is_digested() {
    let examples = examples(sections()["murmur/<site>/result/<query>/part/<part>"], "```json");
    assert_eq!(examples.len(), 1);
    let part: PartDocument = serde_json::from_str(&examples[0]).unwrap();
    assert_eq!(String::from_utf8(canonical(&part)).unwrap(), examples[0]);
}

#[test]
fn statuses_tell_who_is_there() {
    let examples = examples(sections()["murmur/<site>/status/<node>"], "```json");
    let states: Vec<_> = examples.iter().map(|example| json(example)["state"].clone()).collect();
    assert_eq!(states, ["online", "idle", "offline"]);
    assert!(examples.iter().all(|example| presence(example.as_bytes()).is_some()));
}

#[test]
fn every_field_of_an_example_is_explained() {
    for (topic, text) in sections() {
        for example in examples(text, "```json").iter().chain(&examples(text, "```json sealed")) {
            // Discovery is Home Assistant's own vocabulary, and `step` names the message.
            let keys = json(example).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let known = ["name", "step", "digest", "query", "share", "sig", "quantity", "window"];
            let inherited = topic.contains("/peer/");
            for key in keys.iter().filter(|key| !known.contains(&key.as_str()) && !inherited) {
                assert!(text.contains(&format!("`{key}`")), "{topic}: {key}");
            }
        }
    }
}
