//! The connection against a real broker: reconnecting, refusals, wills, limits, a slow owner.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mosquitto;

use std::future::Future;
use std::io::Read;
use std::time::{Duration, Instant};

use mosquitto::{Mosquitto, PATIENCE};
use smc_mqtt::connection::{
    ConnectionSettings, Fault, Happening, Incoming, Login, Pauses, PublishRefused, Refusal, Will, connect,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

fn settings(broker: &Mosquitto, client_id: &str) -> ConnectionSettings {
    ConnectionSettings::new(broker.address().parse().unwrap(), client_id)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn next(incoming: &mut Incoming) -> Happening {
    soon("a happening", incoming.next()).await.expect("the connection should be open")
}

async fn connected(incoming: &mut Incoming) {
    while next(incoming).await != Happening::Connected {}
}

async fn message(incoming: &mut Incoming) -> (String, Vec<u8>, bool) {
    loop {
        if let Happening::Message { topic, payload, retain } = next(incoming).await {
            return (topic, payload.to_vec(), retain);
        }
    }
}

/// A server that says `greeting` to everybody and then nothing more; returns its address.
async fn impostor(greeting: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&greeting).await.unwrap();
            held.push(stream);
        }
    });
    address
}

/// A server that says `greeting` to whoever introduces himself, and goes; tells of each.
async fn breaker(greeting: Vec<u8>) -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&greeting).await.unwrap();
            let _ = stream.shutdown().await;
            // Until the client has read it and goes, too.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            let _ = tell.send(());
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_message_goes_round() {
    let broker = Mosquitto::open();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t/+".into()]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    publisher.publish("t/1", "hello", false).unwrap();
    assert_eq!(message(&mut incoming).await, ("t/1".into(), b"hello".to_vec(), false));

    publisher.publish_wait("t/2", "kept", true).await.unwrap();
    assert_eq!(message(&mut incoming).await, ("t/2".into(), b"kept".to_vec(), false));
    let (_late, mut incoming) = connect(settings(&broker, "b"), vec!["t/2".into()]);
    assert_eq!(message(&mut incoming).await, ("t/2".into(), b"kept".to_vec(), true));
}

#[tokio::test]
async fn who_sends_much_can_wait_for_the_broker() {
    let mut broker = Mosquitto::open();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec![]);
    connected(&mut incoming).await;
    broker.stop();
    assert!(matches!(next(&mut incoming).await, Happening::Disconnected { .. }));
    for text in ["1", "2", "3"] {
        publisher.publish("t", text, false).unwrap();
    }
    assert_eq!(publisher.unsettled(), 3);
    soon("room that is there", publisher.settled(4)).await;
    let waiting = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.settled(1).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "nobody has them");
    broker.start();
    soon("the acknowledgements", waiting).await.unwrap();
    assert_eq!(publisher.unsettled(), 0);
}

#[tokio::test]
async fn a_restarted_broker_is_found_again_and_subscribed_again() {
    let mut broker = Mosquitto::open();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t".into()]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    broker.stop();
    let Happening::Disconnected { reason } = next(&mut incoming).await else { panic!("not told") };
    assert!(matches!(reason, Fault::Closed | Fault::Io(_)), "{reason:?}");
    // Accepted while the broker is away, delivered when it is back.
    publisher.publish("t", "patient", false).unwrap();
    broker.start();
    connected(&mut incoming).await;
    assert_eq!(message(&mut incoming).await.1, b"patient");
    assert_eq!(publisher.counters().connections, 2);
}

#[tokio::test]
async fn a_broker_that_is_restarted_again_and_again_is_found_as_soon_each_time() {
    let mut broker = Mosquitto::open();
    broker.stop();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t".into()]);
    // Away for long enough that pauses last for seconds, unless a connection that works has them forgotten.
    assert!(timeout(Duration::from_secs(4), connected(&mut incoming)).await.is_err());
    for round in 0..=8 {
        broker.start();
        let from = Instant::now();
        connected(&mut incoming).await;
        let passed = from.elapsed();
        assert!(round == 0 || passed < Duration::from_secs(2), "connection {round} came after {passed:?}");
        publisher.publish("t", round.to_string(), false).unwrap();
        while message(&mut incoming).await.1 != round.to_string().into_bytes() {}
    }
}

#[tokio::test]
async fn a_broker_that_takes_connections_and_breaks_them_is_left_in_peace() {
    // It answers the subscription and is gone: such a connection proves nothing.
    let (address, mut greeted) = breaker(vec![0x20, 2, 0, 0, 0x90, 3, 0, 1, 1]).await;
    let mut settings = ConnectionSettings::new(address.parse().unwrap(), "a");
    settings.pauses = Pauses { first: Duration::from_millis(1), longest: Duration::from_secs(3600) };
    let (_publisher, mut incoming) = connect(settings, vec!["t".into()]);
    connected(&mut incoming).await;
    let began = Instant::now();
    let mut attempts = 0;
    while began.elapsed() < Duration::from_secs(2) {
        attempts += u32::from(timeout(Duration::from_millis(50), greeted.recv()).await.is_ok());
    }
    // Half as long again each time, from a millisecond on; at full speed it would be a thousand.
    assert!((5..100).contains(&attempts), "{attempts} attempts in 2 s");
}

#[tokio::test]
async fn what_was_accepted_survives_broker_restarts_amid_a_stream() {
    let mut broker = Mosquitto::open();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t".into()]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    const COUNT: u32 = 20_000;
    let sender = publisher.clone();
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            sender.publish_wait("t", number.to_string(), false).await.unwrap();
        }
    });
    // What the broker acknowledged and had not delivered when it was killed is lost with it; all the rest is
    // ours to send again, so from the publisher's side the stream is complete.
    let mut restarts = [2_000, 9_000].into_iter().peekable();
    while publisher.counters().acknowledged < COUNT.into() {
        if restarts.next_if(|count| publisher.counters().acknowledged > *count).is_some() {
            broker.start();
        }
        let happening = timeout(Duration::from_millis(50), incoming.next()).await;
        assert_ne!(happening, Ok(None), "closed");
    }
    soon("the sender", sending).await.unwrap();
    assert_eq!(publisher.counters().accepted, u64::from(COUNT));
    assert_eq!(publisher.counters().connections, 3);
    assert_eq!(publisher.close().await, 0, "nothing is left unacknowledged");
}

#[tokio::test]
async fn a_wrong_password_is_told_once_in_plain_words() {
    let broker = Mosquitto::guarded(&[("agent", "right")]);
    let login = |password: &str| Login { user: "agent".into(), password: password.to_owned().into() };
    let mut wrong = settings(&broker, "a");
    wrong.login = Some(login("wrong"));
    let (publisher, mut incoming) = connect(wrong, vec![]);
    let Happening::Refused { reason } = next(&mut incoming).await else { panic!("not told") };
    assert!(matches!(reason, Refusal::NotAuthorized | Refusal::Login), "{reason:?}");
    assert!(reason.to_string().contains("password"));
    let again = timeout(Duration::from_secs(1), incoming.next()).await;
    assert!(again.is_err(), "told once, but then {again:?}");
    assert_eq!(soon("closing", publisher.close()).await, 0);
    assert_eq!(soon("the end", incoming.next()).await, None);

    let mut right = settings(&broker, "a");
    right.login = Some(login("right"));
    let (_publisher, mut incoming) = connect(right, vec![]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
}

#[tokio::test]
async fn nobody_listening_is_told_once_and_a_late_broker_is_found() {
    let mut broker = Mosquitto::open();
    broker.stop();
    let (_publisher, mut incoming) = connect(settings(&broker, "a"), vec![]);
    let reason = Fault::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(next(&mut incoming).await, Happening::Disconnected { reason });
    broker.start();
    assert_eq!(next(&mut incoming).await, Happening::Connected);
}

#[tokio::test]
async fn what_does_not_speak_mqtt_is_called_so() {
    let address = impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let (_publisher, mut incoming) = connect(ConnectionSettings::new(address.parse().unwrap(), "a"), vec![]);
    assert_eq!(next(&mut incoming).await, Happening::Disconnected { reason: Fault::Speech });
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_noticed() {
    let address = impostor(vec![0x20, 2, 0, 0]).await;
    let mut settings = ConnectionSettings::new(address.parse().unwrap(), "a");
    settings.keep_alive = Duration::from_secs(1);
    let (publisher, mut incoming) = connect(settings, vec![]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    publisher.publish("t", "x", false).unwrap();
    assert_eq!(next(&mut incoming).await, Happening::Disconnected { reason: Fault::Silent });
}

#[tokio::test]
async fn the_will_appears_when_the_client_vanishes_and_not_when_it_closes() {
    let broker = Mosquitto::open();
    let (_watcher, mut watching) = connect(settings(&broker, "watcher"), vec!["will/+".into()]);
    connected(&mut watching).await;
    let with_will = |name: &str| {
        let mut settings = settings(&broker, name);
        settings.will = Some(Will { topic: format!("will/{name}"), payload: "gone".into(), retain: false });
        settings
    };
    let (polite, mut incoming) = connect(with_will("polite"), vec![]);
    connected(&mut incoming).await;
    polite.publish("will/polite", "last words", false).unwrap();
    assert_eq!(soon("closing", polite.close()).await, 0);
    assert_eq!(polite.publish("t", "x", false), Err(PublishRefused::Closed));
    assert_eq!(soon("the end", incoming.next()).await, None);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let settings = with_will("rude");
    let (_rude, mut incoming) = {
        let _inside = runtime.enter();
        connect(settings, vec![])
    };
    connected(&mut incoming).await;
    runtime.shutdown_background();

    assert_eq!(message(&mut watching).await, ("will/polite".into(), b"last words".to_vec(), false));
    assert_eq!(message(&mut watching).await, ("will/rude".into(), b"gone".to_vec(), false));
}

#[tokio::test]
async fn dropping_both_halves_ends_the_connection() {
    let broker = Mosquitto::open();
    let (_watcher, mut watching) = connect(settings(&broker, "watcher"), vec!["t".into()]);
    connected(&mut watching).await;
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t".into()]);
    connected(&mut incoming).await;
    publisher.publish("t", "first", false).unwrap();
    drop(incoming);
    publisher.publish("t", "second", false).unwrap();
    drop(publisher);
    assert_eq!(message(&mut watching).await.1, b"first");
    assert_eq!(message(&mut watching).await.1, b"second");
}

#[tokio::test]
async fn a_slow_owner_holds_up_the_broker_and_loses_nothing() {
    let broker = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0\n", &[]);
    let mut slow = settings(&broker, "slow");
    slow.queue = 8;
    slow.keep_alive = Duration::from_secs(1);
    let (held, mut incoming) = connect(slow, vec!["t".into()]);
    connected(&mut incoming).await;
    let (publisher, _feed) = connect(settings(&broker, "fast"), vec![]);
    const COUNT: usize = 3000;
    for number in 0..COUNT {
        let mut payload = vec![0; 2000];
        payload[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        publisher.publish_wait("t", payload, false).await.unwrap();
    }
    assert_eq!(soon("closing", publisher.close()).await, 0);
    // Three keep-alive times without reading a single message: pings must go on.
    assert!(timeout(Duration::from_secs(3), std::future::pending::<()>()).await.is_err());
    assert!(held.counters().received <= 9, "{:?}", held.counters());
    for number in 0..COUNT {
        let (_, payload, _) = message(&mut incoming).await;
        assert_eq!(payload[..8], u64::try_from(number).unwrap().to_be_bytes());
    }
    assert_eq!(held.counters().connections, 1, "the broker never took it for dead");
}

#[tokio::test]
async fn oversized_messages_are_skipped_and_counted() {
    let broker = Mosquitto::open();
    let mut small = settings(&broker, "small");
    small.max_packet = 10_000;
    let (receiver, mut incoming) = connect(small, vec!["t".into()]);
    connected(&mut incoming).await;
    assert_eq!(receiver.publish("t", vec![0; 10_000], false), Err(PublishRefused::TooLarge));
    let (publisher, _feed) = connect(settings(&broker, "large"), vec![]);
    for size in [1, 9_000, 300_000, 3_000_000, 2] {
        publisher.publish("t", vec![1; size], false).unwrap();
    }
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(message(&mut incoming).await.1.len());
    }
    assert_eq!(sizes, [1, 9_000, 2]);
    assert_eq!((receiver.counters().oversized, receiver.counters().connections), (2, 1));
}

#[tokio::test]
async fn a_message_that_the_broker_disconnects_for_is_given_up() {
    let broker = Mosquitto::with("allow_anonymous true\nmax_packet_size 1000\n", &[]);
    let (_watcher, mut watching) = connect(settings(&broker, "watcher"), vec!["t".into()]);
    connected(&mut watching).await;
    let (publisher, _incoming) = connect(settings(&broker, "a"), vec![]);
    publisher.publish("t", "before", false).unwrap();
    publisher.publish("t", vec![0; 2000], false).unwrap();
    publisher.publish("t", "after", false).unwrap();
    while message(&mut watching).await.1 != b"after" {}
    assert_eq!(soon("closing", publisher.close()).await, 0);
    let counters = publisher.counters();
    assert_eq!((counters.acknowledged, counters.given_up), (2, 1));
}

#[tokio::test]
async fn impossible_topics_and_filters_are_refused() {
    let broker = Mosquitto::open();
    let filters = vec!["a/#/b".into(), "ok".into(), "x+".into()];
    let (publisher, mut incoming) = connect(settings(&broker, "a"), filters);
    let filters = vec!["a/#/b".into(), "x+".into()];
    assert_eq!(next(&mut incoming).await, Happening::Refused { reason: Refusal::Subscription { filters } });
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    for topic in ["", "a/+", "#", "a\0b"] {
        assert_eq!(publisher.publish(topic, "x", false), Err(PublishRefused::Topic), "{topic:?}");
    }
    assert_eq!(publisher.counters().refused, 4);
    publisher.publish("ok", "x", false).unwrap();
    assert_eq!(message(&mut incoming).await.0, "ok");
}

#[tokio::test]
async fn a_subscription_that_the_broker_denies_is_named() {
    // Mosquitto grants every subscription and withholds the messages, so another broker plays this part.
    let address = impostor(vec![0x20, 2, 0, 0, 0x90, 4, 0, 1, 0x01, 0x80]).await;
    let filters = vec!["open/1".into(), "secret/1".into()];
    let (_publisher, mut incoming) = connect(ConnectionSettings::new(address.parse().unwrap(), "a"), filters);
    let filters = vec!["secret/1".into()];
    assert_eq!(next(&mut incoming).await, Happening::Refused { reason: Refusal::Subscription { filters } });
    assert_eq!(next(&mut incoming).await, Happening::Connected);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let mut broker = Mosquitto::open();
    broker.stop();
    let mut narrow = settings(&broker, "a");
    narrow.queue = 3;
    let (publisher, _incoming) = connect(narrow, vec![]);
    for _ in 0..3 {
        publisher.publish("t", "x", false).unwrap();
    }
    assert_eq!(publisher.publish("t", "x", false), Err(PublishRefused::QueueFull));
    assert_eq!(publisher.counters().refused, 1);
    assert_eq!(soon("closing", publisher.close()).await, 3, "the broker never had them");
}

#[test]
fn mosquitto_subs_view_agrees() {
    let broker = Mosquitto::open();
    let port = broker.address().rsplit(':').next().unwrap().to_owned();
    let mut watcher = std::process::Command::new("mosquitto_sub")
        .args(["-p", &port, "-t", "t", "-C", "1", "-W", "20", "-F", "%q %r %p"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("mosquitto_sub (package mosquitto-clients) is needed for this test");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (publisher, _incoming) = connect(settings(&broker, "a"), vec![]);
        // Retained, so that it doesn't matter who comes first.
        publisher.publish("t", "seen", true).unwrap();
        assert_eq!(soon("closing", publisher.close()).await, 0);
    });
    let mut seen = String::new();
    watcher.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
    assert!(watcher.wait().unwrap().success());
    assert!(seen.trim().ends_with(" seen"), "{seen:?}");
}

#[tokio::test]
async fn a_group_divides_messages_once_one_filter_took_the_place_of_the_other_and_misses_none() {
    let broker = Mosquitto::open();
    let device = broker.device().await;
    let (first, mut hears) = connect(settings(&broker, "a"), vec!["kept".into(), "t/+".into()]);
    connected(&mut hears).await;
    let group = "$share/unknown/t/+".to_owned();
    let (_second, mut hears_too) = connect(settings(&broker, "b"), vec![group.clone()]);
    connected(&mut hears_too).await;
    // While the one takes the place of the other: some come twice, none is missed.
    const COUNT: usize = 400;
    first.exchange("t/+".into(), group);
    for number in 0..COUNT {
        device.publish_wait(format!("t/{number}"), "", false).await.unwrap();
    }
    let mut heard = std::collections::BTreeMap::<String, usize>::new();
    let mut by = [0, 0];
    while heard.len() < COUNT {
        let (place, (topic, ..)) = tokio::select! {
            message = message(&mut hears) => (0, message),
            message = message(&mut hears_too) => (1, message),
        };
        by[place] += 1;
        *heard.entry(topic).or_default() += 1;
    }
    assert!(by.iter().all(|count| *count > COUNT / 10), "{by:?}");
    device.publish_wait("kept", "", false).await.unwrap();
    while message(&mut hears).await.0 != "kept" {}
    // By now all of them are divided: each comes once.
    for number in 0..COUNT {
        device.publish_wait(format!("t/{COUNT}-{number}"), "", false).await.unwrap();
    }
    device.publish_wait("kept", "last", false).await.unwrap();
    let mut first_took = 0;
    while message(&mut hears).await.0 != "kept" {
        first_took += 1;
    }
    assert_eq!(first_took, COUNT / 2, "the other half went to the other one");
}

#[tokio::test]
async fn the_next_connection_begins_with_the_first_filter_again() {
    let mut broker = Mosquitto::open();
    let (publisher, mut incoming) = connect(settings(&broker, "a"), vec!["t".into()]);
    connected(&mut incoming).await;
    publisher.exchange("t".into(), "u".into());
    let device = broker.device().await;
    // Until the exchange is done: what comes on the new topic shows it.
    device.publish("u", "", false).unwrap();
    while timeout(Duration::from_millis(50), incoming.next()).await.is_err() {
        device.publish("u", "", false).unwrap();
    }
    broker.start();
    connected(&mut incoming).await;
    publisher.publish("t", "again", false).unwrap();
    while message(&mut incoming).await.1 != b"again" {}
}
