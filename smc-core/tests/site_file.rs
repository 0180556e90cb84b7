//! From the text of a site file to a roster, and what each mistake is answered with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::identity::NodeKeys;
use smc_core::roster::document::{AgentTable, StreamTable};
use smc_core::roster::{
    Caution, MAX_AGENTS, MAX_QUERIES, MAX_STREAMS_PER_AGENT, Roster, RosterError, SiteDocument, Span,
};
use smc_core::time::Period;

/// The two public keys of a node, as the file has them.
fn keys(seed: u64) -> String {
    let keys = NodeKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed));
    let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
    format!("identity = \"{identity}\"\nsealing = \"{sealing}\"\n")
}

/// A site with three peers, six rooms, a quantity of its own and three queries.
fn text() -> String {
    let mut text = String::from(
        r#"
[site]
name = "harbour-school"
threshold = 1
tolerate = "crash"
minimum_cohort = 5
period = "1m"
grace = "2s"
step = "1500ms"
cohort_epoch = "1h"
key_epoch = "24h"

[[quantity]]
name = "noise"
unit = "dB"
minimum = 20
maximum = 120
resolution = "0.5"
period = "10s"

[[query]]
name = "air"
function = "mean"
quantity = "co2"
purpose = "when to open the windows"

[[query]]
name = "air-all"
function = "count"
quantity = "co2"
minimum_cohort = 6

[[query]]
name = "quiet"
function = "sum"
quantity = "noise"
scope = { floor = "1" }
"#,
    );
    for i in 1..=3 {
        text += &format!("\n[[peer]]\nname = \"peer-{i}\"\n{}", keys(i));
    }
    for i in 1..=6 {
        text += &format!(
            "\n[[agent]]\nname = \"room-{i}\"\n{}labels = {{ floor = \"1\" }}\n\
             streams = [\"co2\", {{ name = \"desk\", quantity = \"noise\" }}]\n",
            keys(100 + i)
        );
    }
    text
}

fn parse(text: &str) -> Result<SiteDocument, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
}

fn document() -> SiteDocument {
    parse(&text()).unwrap()
}

fn error(change: impl FnOnce(&mut SiteDocument)) -> RosterError {
    let mut document = document();
    change(&mut document);
    Roster::try_from(document).unwrap_err()
}

#[test]
fn a_site_file_becomes_a_roster() {
    let roster = Roster::try_from(document()).unwrap();
    assert_eq!(roster.site().as_str(), "harbour-school");
    assert_eq!((roster.sharing().peers(), roster.sharing().threshold().get()), (3, 1));
    assert_eq!((roster.quorum().size(), roster.minimum_cohort()), (2, 5));
    assert_eq!(roster.timing().step, Duration::from_millis(1500));
    assert_eq!(roster.timing().cohort_epoch, Duration::from_secs(3600));
    assert_eq!(roster.peer_named("peer-2").unwrap().get(), 2);
    assert_eq!(roster.peer_named("room-2"), None);
    let room = roster.agent_named("room-3").unwrap();
    assert_eq!(roster.agent(room).bundles.len(), 2, "one bundle per period");
    let ten = roster.bundle_of(room, Period::from_millis(10_000).unwrap(), 0).unwrap();
    assert_eq!(roster.bundle(ten).streams[0].name.as_str(), "desk");
    assert_eq!(roster.bundle(ten).streams[0].bits, 8);
    assert_eq!(roster.parts(ten).collect::<Vec<_>>(), [ten]);
    assert_eq!(roster.bundle_of(room, Period::from_millis(10_000).unwrap(), 1), None);
    let noise = roster.quantity_named("noise").unwrap();
    assert_eq!(roster.quantity(noise).streams.len(), 6);
    let quiet = roster.query_named(&"quiet".parse().unwrap()).unwrap();
    let query = roster.query(quiet);
    assert_eq!((query.function.entry().name, query.minimum_cohort), ("sum", 5));
    assert!(roster.covers(quiet, room));
    assert_eq!(roster.query_named(&"quite".parse().unwrap()), None);
}

#[test]
fn what_is_left_out_has_a_default() {
    let site = "[site]\nname = \"small\"\nthreshold = 1\n";
    let peers: String = (1..=3).map(|i| format!("[[peer]]\nname = \"peer-{i}\"\n{}", keys(i))).collect();
    let roster = Roster::try_from(parse(&format!("{site}{peers}")).unwrap()).unwrap();
    assert_eq!(roster.minimum_cohort(), 5);
    assert_eq!(roster.timing().grace, Duration::from_secs(2));
    assert_eq!(roster.timing().key_epoch, Duration::from_secs(86_400));
    assert_eq!(roster.quantities().next().unwrap().1.quantity.period().as_millis(), 60_000);
}

#[test]
fn a_step_that_outlasts_a_window_is_cautioned_about() {
    let cautions = |change: fn(&mut SiteDocument)| {
        let mut document = document();
        change(&mut document);
        Roster::try_from(document).unwrap().cautions()
    };
    assert_eq!(cautions(|_| {}), []);
    assert_eq!(cautions(|document| document.site.step = "9999ms".parse().unwrap()), []);
    let found = cautions(|document| document.site.step = Span::from_secs(10));
    let [Caution::StepTooLong { quantity, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(quantity.as_str(), "noise", "that of the shortest windows");
    let text = found[0].to_string();
    assert!(
        ["site.step is 10s", "half of the shortest period"].iter().all(|part| text.contains(part)),
        "{text}"
    );
    // Nobody waits for windows that nobody asks about.
    let unasked = cautions(|document| {
        document.site.step = Span::from_secs(10);
        document.query.retain(|query| query.quantity.as_str() != "noise");
    });
    assert_eq!(unasked, []);
}

#[test]
fn the_digest_covers_all_but_the_queries() {
    let digest = |change: fn(&mut SiteDocument)| {
        let mut document = document();
        change(&mut document);
        *Roster::try_from(document).unwrap().digest()
    };
    let plain = digest(|_| {});
    assert_eq!(plain, digest(|document| document.query.clear()));
    let changes: [fn(&mut SiteDocument); 10] = [
        |document| document.site.minimum_cohort = 4,
        |document| document.site.step = Span::from_secs(1),
        |document| document.site.tolerate = smc_core::roster::Tolerate::Malicious,
        |document| document.peer.swap(0, 1),
        |document| document.agent.swap(0, 1),
        |document| drop(document.agent.pop()),
        |document| drop(document.agent[0].labels.insert("wing".to_owned(), "west".to_owned())),
        |document| document.agent[0].streams.truncate(1),
        |document| document.quantity[0].unit = "dBA".to_owned(),
        |document| {
            document.query.clear();
            document.quantity[0].elements = 2;
        },
    ];
    for (i, change) in changes.into_iter().enumerate() {
        assert_ne!(plain, digest(change), "change {i}");
    }
}

#[test]
fn a_site_without_vectors_says_nothing_of_elements() {
    let document = document();
    let spelled = parse(&text().replacen("unit = \"dB\"", "unit = \"dB\"\nelements = 1", 1)).unwrap();
    assert_eq!(document, spelled);
    assert!(!serde_json::to_string(&spelled).unwrap().contains("elements"));
    // SHA-256 over the definitions as they were before there were vectors.
    let roster = Roster::try_from(document).unwrap();
    let co2 = roster.quantity(roster.quantity_named("co2").unwrap());
    assert_eq!(hex(&co2.digest), "112cab07386cf108d8e89789a5a35018787a48139fe2119d669ea2a03c75cb8e");
    let room = roster.agent_named("room-3").unwrap();
    let minute = roster.bundle_of(room, Period::from_millis(60_000).unwrap(), 0).unwrap();
    assert_eq!(
        hex(&roster.bundle(minute).digest),
        "644cd6ce8692779694f3d896dba73119b41f6611a4452a796a295d246ce235d8"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_document_written_out_reads_back_as_itself() {
    let mut document = document();
    document.quantity[0].elements = 7;
    assert_eq!(parse(&toml::to_string(&document).unwrap()).unwrap(), document);
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<SiteDocument>(&json).unwrap(), document);
}

#[test]
fn a_key_that_nobody_knows_is_refused_wherever_it_stands() {
    let places = ["[site]", "[[quantity]]", "[[query]]", "[[peer]]", "[[agent]]"];
    for place in places {
        let text = text().replacen(place, &format!("{place}\ncolour = \"red\""), 1);
        let refused = parse(&text).unwrap_err();
        assert!(refused.contains("unknown field `colour`"), "{place}: {refused}");
    }
    let refused = parse(&format!("colour = \"red\"\n{}", text())).unwrap_err();
    assert!(refused.contains("unknown field `colour`"), "{refused}");
    let stream = text().replacen("name = \"desk\",", "name = \"desk\", colour = \"red\",", 1);
    let refused = parse(&stream).unwrap_err();
    assert!(refused.contains("a stream is written \"co2\" or { name = \"desk\", quantity"), "{refused}");
}

#[test]
fn values_of_another_type_or_range_are_refused_at_their_line() {
    for (from, to, reason) in [
        ("unit = \"dB\"", "elements = 4294967296", "expected u32"),
        ("unit = \"dB\"", "elements = -1", "expected u32"),
        ("unit = \"dB\"", "elements = 1.5", "expected u32"),
        ("threshold = 1", "threshold = 256", "invalid value: integer `256`, expected u8"),
        ("threshold = 1", "threshold = -1", "invalid value: integer `-1`, expected u8"),
        ("threshold = 1", "threshold = \"1\"", "invalid type: string \"1\", expected u8"),
        ("minimum_cohort = 5", "minimum_cohort = 4294967296", "expected u32"),
        ("minimum_cohort = 6", "minimum_cohort = -6", "expected u32"),
        (
            "tolerate = \"crash\"",
            "tolerate = \"fire\"",
            "unknown variant `fire`, expected `crash` or `malicious`",
        ),
        ("step = \"1500ms\"", "step = \"soon\"", "`soon` is no length of time; write for example `500ms`"),
        ("step = \"1500ms\"", "step = \"-2s\"", "`-2s` is no length of time"),
        ("step = \"1500ms\"", "step = 2", "invalid type: integer `2`, expected a string"),
        ("name = \"harbour-school\"", "name = \"harbour school\"", "a name consists of letters"),
        ("name = \"room-1\"", "name = \"\"", "a name must not be empty"),
        ("resolution = \"0.5\"", "resolution = \"half\"", "a decimal number is written"),
        ("floor = \"1\"", "floor = 1", "invalid type: integer `1`, expected a string"),
        ("identity = \"", "identity = \"A", "a verifying key is 32 bytes"),
        ("sealing = \"", "sealing = \"A", "is 32 bytes"),
    ] {
        assert!(text().contains(from), "{from}");
        let refused = parse(&text().replacen(from, to, 1)).unwrap_err();
        assert!(refused.contains(reason) && refused.contains("line "), "{to}: {refused}");
    }
    for missing in
        ["name = \"harbour-school\"\n", "threshold = 1\n", "function = \"mean\"\n", "minimum = 20\n"]
    {
        let refused = parse(&text().replacen(missing, "", 1)).unwrap_err();
        assert!(refused.contains("missing field"), "{missing}: {refused}");
    }
}

#[test]
fn names_that_are_given_twice_are_refused() {
    let refused = error(|document| document.agent[1].name = "room-1".parse().unwrap());
    assert_eq!(refused.to_string(), "`room-1` names two nodes; every peer and agent needs a name of its own");
    let refused = error(|document| document.agent[1].name = "peer-2".parse().unwrap());
    assert!(matches!(refused, RosterError::DuplicateNode { .. }));
    let refused = error(|document| document.quantity.push(document.quantity[0].clone()));
    assert_eq!(refused.to_string(), "quantity `noise` is defined twice; remove one [[quantity]]");
    let refused = error(|document| document.query[1].name = "air".parse().unwrap());
    assert_eq!(refused.to_string(), "query `air` is defined twice; rename one [[query]]");
    let refused = error(|document| document.agent[0].streams.push(stream("\"co2\"")));
    assert_eq!(
        refused.to_string(),
        "agent `room-1` has two streams called `co2`; give one another name: { name = \"...\", quantity = \"...\" }"
    );
}

fn stream(json: &str) -> StreamTable {
    serde_json::from_str(json).unwrap()
}

#[test]
fn what_nobody_defined_is_refused() {
    let refused = error(|document| document.agent[2].streams.push(stream("\"wind\"")));
    assert_eq!(
        refused.to_string(),
        "`room-3` uses the quantity `wind`, which is neither built in nor defined; correct it or add a [[quantity]]"
    );
    let refused = error(|document| document.query[0].quantity = "wind".parse().unwrap());
    assert!(refused.to_string().starts_with("`air` uses the quantity `wind`"));
    let refused = error(|document| document.query[0].function = "guess".to_owned());
    assert_eq!(
        refused.to_string(),
        "query `air`: there is no function `guess`; `murmur functions` lists them all"
    );
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let refused = error(|document| document.site.minimum_cohort = 2);
    assert_eq!(
        refused.to_string(),
        "site.minimum_cohort is 2; at least 3, since of two members each would learn the other's reading"
    );
    let refused = error(|document| document.site.threshold = 2);
    assert_eq!(
        refused.to_string(),
        "site.threshold and [[peer]]: a threshold of 2 does not fit 3 peers: choose 1 to 1"
    );
    let refused = error(|document| document.peer.truncate(2));
    assert!(refused.to_string().contains("2 peers can not share a reading: choose 3 to 9"), "{refused}");
    let refused = error(|document| document.quantity[0].maximum = 20.into());
    assert!(refused.to_string().starts_with("[[quantity]]: quantity noise: "), "{refused}");
    let refused = error(|document| document.quantity[0].period = Some("25h".parse().unwrap()));
    assert_eq!(refused.to_string(), "the period of [[quantity]] `noise`: a period lasts from 100 ms to 24 h");
    for period in ["99ms", "25h", "1500us"] {
        let refused = error(|document| document.site.period = period.parse().unwrap());
        assert_eq!(refused.to_string(), "site.period: a period lasts from 100 ms to 24 h");
    }
}

#[test]
fn lengths_of_time_are_bounded() {
    type Key = (&'static str, fn(&mut SiteDocument, Span), &'static str, &'static str);
    let keys: [Key; 4] = [
        ("grace", |document, span| document.site.grace = span, "0s", "25h"),
        ("step", |document, span| document.site.step = span, "0s", "25h"),
        ("cohort_epoch", |document, span| document.site.cohort_epoch = span, "99ms", "745h"),
        ("key_epoch", |document, span| document.site.key_epoch = span, "59s", "8785h"),
    ];
    for (key, set, short, long) in keys {
        for span in [short, long] {
            let mut document = document();
            set(&mut document, span.parse().unwrap());
            match Roster::try_from(document) {
                Ok(_) => assert_eq!((key, span), ("grace", "0s")),
                Err(refused) => {
                    assert!(
                        refused.to_string().starts_with(&format!("site.{key} must lie between ")),
                        "{refused}"
                    );
                }
            }
        }
    }
}

#[test]
fn vectors_are_bounded() {
    let with = |elements, resolution: &'static str| {
        move |document: &mut SiteDocument| {
            document.query.pop();
            let noise = &mut document.quantity[0];
            (noise.elements, noise.resolution) = (elements, resolution.parse().unwrap());
        }
    };
    for elements in [0, 1_000_001, u32::MAX] {
        assert_eq!(
            error(with(elements, "0.5")).to_string(),
            format!(
                "[[quantity]]: quantity noise: elements = {elements}: a reading has 1 to 1000000 elements; leave `elements` \
                 out for a single number"
            )
        );
    }
    let mut largest = document();
    with(1_000_000, "0.01")(&mut largest);
    largest.agent.iter_mut().for_each(|agent| agent.streams.truncate(1));
    largest.agent[0].streams.push(stream("\"noise\""));
    assert!(Roster::try_from(largest).is_ok(), "14 bits each");
    // 27 bits each; 14 of co2.
    assert_eq!(
        error(with(1_000_000, "0.000001")).to_string(),
        "agent `room-1`: its readings have 27000014 bits in all; at most 16777216: give its [[quantity]] fewer `elements` or \
         a coarser `resolution`, or make several agents of it"
    );
    let many = error(|document| {
        with(1_000_000, "0.01")(document);
        let agent = document.agent[0].clone();
        let named = |i| AgentTable { name: format!("a{i}").parse().unwrap(), ..agent.clone() };
        document.agent = (0..400).map(named).collect();
    });
    assert_eq!(
        many.to_string(),
        "the vectors of all agents take more than 131072 messages per window: give their [[quantity]] fewer `elements` or a \
         coarser `resolution`, or make two sites of it"
    );
}

#[test]
fn functions_of_numbers_are_not_asked_of_vectors() {
    let refused = error(|document| document.quantity[0].elements = 12);
    assert_eq!(
        refused.to_string(),
        "query `quiet`: `sum` is computed on single numbers, and the quantity has 12 elements; try `vector_sum`"
    );
    let mut count = document();
    count.quantity[0].elements = 12;
    count.query[2].function = "count".to_owned();
    assert!(Roster::try_from(count).is_ok());
}

#[test]
fn scopes_that_single_agents_out_are_refused() {
    let refused = error(|document| {
        drop(document.agent[0].labels.insert("wing".to_owned(), "west".to_owned()));
        drop(document.agent[1].labels.insert("wing".to_owned(), "east".to_owned()));
        for agent in &mut document.agent[1..] {
            agent.labels.insert("wing".to_owned(), "east".to_owned());
        }
        document.query[1].minimum_cohort = 0;
        document.query[1].scope.insert("wing".to_owned(), "east".to_owned());
    });
    assert_eq!(
        refused.to_string(),
        "query `air-all` would single out 1 agents beside the other queries on `co2`, fewer than the minimum cohort of 5; \
         widen or narrow its scope"
    );
}

#[test]
fn more_than_a_site_may_have_is_refused() {
    let refused = error(|document| {
        let agent = document.agent[0].clone();
        document.agent.resize(MAX_AGENTS + 1, agent);
    });
    assert_eq!(refused.to_string(), "100001 agents; a site has at most 100000: make two sites of it");
    let refused = error(|document| {
        let query = document.query[0].clone();
        document.query.resize(MAX_QUERIES + 1, query);
    });
    assert_eq!(refused.to_string(), "1001 queries; a site has at most 1000: remove some [[query]]");
    let refused = error(|document| {
        let named = |i| stream(&format!("{{\"name\":\"s{i}\",\"quantity\":\"co2\"}}"));
        document.agent[0].streams = (0..=MAX_STREAMS_PER_AGENT).map(named).collect();
    });
    assert_eq!(
        refused.to_string(),
        "too many streams of `co2`: one agent has more than 1000, or the sum of all could overflow; use more agents, or \
         a coarser resolution"
    );
}

proptest! {
    #[test]
    fn a_span_reads_back_as_itself(nanos in 0..=366 * 86_400 * 1_000_000_000_u64) {
        let span = Span::new(Duration::from_nanos(nanos));
        prop_assert_eq!(span.to_string().parse(), Ok(span));
        prop_assert_eq!(String::from(span).parse(), Ok(span));
    }

    #[test]
    fn garbage_is_no_span_and_no_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<Span>().map(|span| span.to_string());
    }
}

#[test]
fn vectors_of_any_length_can_be_asked_for_by_everybody_and_by_one_client() {
    for audience in [None, "room-1".parse().ok()] {
        let mut document = document();
        document.quantity[0].elements = 1_000_000;
        document.quantity[0].resolution = "100".parse().unwrap();
        for query in &mut document.query {
            query.function = "vector_sum".to_owned();
            query.quantity = "noise".parse().unwrap();
            query.scope.clear();
            query.audience.clone_from(&audience);
        }
        Roster::try_from(document).unwrap();
    }
}
