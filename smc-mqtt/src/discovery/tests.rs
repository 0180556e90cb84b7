//! Announcing and looking over real multicast: on the loopback interface, by ports of the tests' own.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent, ServiceInfo};
use smc_core::name::SiteName;
use tokio::time::timeout;

use super::sightings::Sightings;
use super::{Announcement, DiscoveryError, Listener, Search, Wanted, find};
use crate::settings::BrokerAddress;

/// Longer than anything takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);
/// Long enough to be told what there is: answers take 0.1 s.
const SHORT: Duration = Duration::from_millis(800);

fn site(name: &str) -> SiteName {
    name.parse().unwrap()
}

/// A port that nobody else listens to, so that tests hear no one but themselves.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn announce(port: u16, name: &str, listener: Listener, address: &str) -> Announcement {
    let daemon = ServiceDaemon::new_with_port(port).unwrap();
    Announcement::by(daemon, &site(name), listener, address.parse().unwrap()).unwrap()
}

fn search(port: u16, listener: Listener) -> Search {
    let daemon = ServiceDaemon::new_with_port(port).unwrap();
    daemon.disable_interface(IfKind::All).unwrap();
    daemon.enable_interface(IfKind::LoopbackV4).unwrap();
    Search::start(daemon, listener).unwrap()
}

async fn found(port: u16, name: &str, patience: Duration) -> Result<BrokerAddress, DiscoveryError> {
    find(search(port, Listener::Plain), Wanted::Site(site(name)), patience).await
}

#[tokio::test]
async fn a_broker_is_found_by_its_site() {
    let port = free_port();
    let _ours = announce(port, "hq", Listener::Plain, "127.0.0.1:4021");
    let _other = announce(port, "depot", Listener::Plain, "127.0.0.1:4022");
    let (hq, depot) = tokio::join!(found(port, "hq", LONG), found(port, "depot", LONG));
    assert_eq!(hq.unwrap().to_string(), "127.0.0.1:4021");
    assert_eq!(depot.unwrap().to_string(), "127.0.0.1:4022");
}

#[tokio::test]
async fn a_broker_that_listens_everywhere_is_found_on_its_own_machine() {
    let port = free_port();
    let _ours = announce(port, "hq", Listener::Plain, "0.0.0.0:4021");
    assert_eq!(found(port, "hq", LONG).await.unwrap().to_string(), "127.0.0.1:4021");
}

#[tokio::test]
async fn two_brokers_of_one_site_are_an_error_that_names_both_and_the_key() {
    let port = free_port();
    let _first = announce(port, "hq", Listener::Plain, "127.0.0.1:4021");
    let _second = announce(port, "hq", Listener::Plain, "127.0.0.1:4022");
    // A busy machine may hear of the second one late.
    let said = timeout(LONG, async {
        loop {
            if let Err(error) = found(port, "hq", LONG).await {
                return error.to_string();
            }
        }
    })
    .await
    .unwrap();
    for part in ["2 different brokers", "127.0.0.1:4021", "127.0.0.1:4022", "`broker = ", "--broker"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn a_listener_with_tls_is_announced_as_such_and_not_taken_for_one_without() {
    let port = free_port();
    let _tls = announce(port, "hq", Listener::Tls, "127.0.0.1:8883");
    let watcher = ServiceDaemon::new_with_port(port).unwrap();
    let events = watcher.browse("_secure-mqtt._tcp.local.").unwrap();
    timeout(LONG, async {
        while !matches!(events.recv_async().await.unwrap(), ServiceEvent::ServiceResolved(_)) {}
    })
    .await
    .unwrap();
    watcher.shutdown().unwrap();
    let said = found(port, "hq", SHORT).await.unwrap_err();
    assert!(matches!(said, DiscoveryError::None { overlooked: 0, .. }), "{said}");
    assert!(said.to_string().contains("within 800 ms") && said.to_string().contains("--broker"), "{said}");
    let tls = find(search(port, Listener::Tls), Wanted::Site(site("hq")), LONG).await.unwrap();
    assert_eq!(Listener::Tls.address(tls).to_string(), "mqtts://127.0.0.1:8883");
}

#[tokio::test]
async fn a_broker_that_ends_says_goodbye() {
    let port = free_port();
    let broker = announce(port, "hq", Listener::Plain, "127.0.0.1:4021");
    let search = search(port, Listener::Plain);
    let next = async |wanted: fn(&ServiceEvent) -> bool| {
        timeout(LONG, async { while !wanted(&search.events.recv_async().await.unwrap()) {} }).await.unwrap();
    };
    next(|event| matches!(event, ServiceEvent::ServiceResolved(_))).await;
    broker.end().await;
    // Without a goodbye it would be remembered for two minutes.
    next(|event| matches!(event, ServiceEvent::ServiceRemoved(..))).await;
}

/// What anybody may announce.
fn announced(name: &str, address: &str, text: &[(&str, &str)]) -> ServiceInfo {
    let address: SocketAddr = address.parse().unwrap();
    let host = format!("{name}.local.");
    ServiceInfo::new("_mqtt._tcp.local.", name, &host, address.ip(), address.port(), text).unwrap()
}

fn verdict(announcements: Vec<ServiceInfo>) -> Result<BrokerAddress, DiscoveryError> {
    let mut sightings = Sightings::of(Wanted::Site(site("hq")));
    for announcement in announcements {
        sightings.see(&announcement.as_resolved_service());
    }
    sightings.verdict(SHORT)
}

const OURS: [(&str, &str); 2] = [("site", "hq"), ("v", "1")];

#[test]
fn what_does_not_fit_is_overlooked_and_counted() {
    let long = "x".repeat(240);
    for (address, text, overlooked) in [
        ("192.0.2.7:1883", vec![("site", "hq"), ("v", "2")], 1),
        ("192.0.2.7:1883", vec![("site", "hq")], 1),
        ("192.0.2.7:0", OURS.to_vec(), 1),
        ("127.0.0.1:1883", OURS.to_vec(), 1),
        ("[::1]:1883", OURS.to_vec(), 1),
        ("[::ffff:127.0.0.1]:1883", OURS.to_vec(), 1),
        ("[fe80::1]:1883", OURS.to_vec(), 1),
        ("0.0.0.0:1883", OURS.to_vec(), 1),
        ("224.0.0.251:1883", OURS.to_vec(), 1),
        ("255.255.255.255:1883", OURS.to_vec(), 1),
        ("192.0.2.7:1883", vec![("site", "HQ"), ("v", "1")], 0),
        ("192.0.2.7:1883", vec![("site", "hq-2"), ("v", "1")], 0),
        ("192.0.2.7:1883", vec![("site", &long), ("v", "1")], 0),
        ("192.0.2.7:1883", vec![], 0),
    ] {
        match verdict(vec![announced("x", address, &text)]) {
            Err(DiscoveryError::None { overlooked: counted, .. }) => {
                assert_eq!(counted, overlooked, "{address} {text:?}");
            }
            other => panic!("{address} {text:?}: {other:?}"),
        }
    }
}

#[test]
fn who_knows_no_site_takes_any_that_has_the_name_of_one() {
    for (named, is_one) in [("hq", true), ("depot-2", true), ("a/b", false), ("", false)] {
        let mut sightings = Sightings::of(Wanted::AnySite);
        let text = [("site", named), OURS[1]];
        sightings.see(&announced("x", "192.0.2.7:1883", &text).as_resolved_service());
        assert_eq!(sightings.verdict(SHORT).is_ok(), is_one, "{named}");
    }
}

#[test]
fn what_an_announcement_has_besides_does_no_harm() {
    let long = "x".repeat(240);
    let text = [OURS[0], OURS[1], ("a", long.as_str()), ("site ", "depot"), ("\u{1}", "\r\n")];
    let address = verdict(vec![announced("../\u{7}", "192.0.2.7:1883", &text)]).unwrap();
    assert_eq!(address.to_string(), "192.0.2.7:1883");
}

#[test]
fn a_flood_of_announcements_is_bounded() {
    let flood = (0..1000).map(|i| announced(&format!("x{i}"), &format!("192.0.2.7:{}", i + 1), &OURS));
    match verdict(flood.collect()) {
        Err(DiscoveryError::Several { count: 16, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn announcements_that_share_an_address_are_one_broker() {
    let (old, new) = ("192.0.2.7:1883", "192.0.2.7:1883");
    let address = verdict(vec![announced("a", old, &OURS), announced("b", new, &OURS)]).unwrap();
    assert_eq!(address.to_string(), "192.0.2.7:1883");
}

#[test]
fn what_said_goodbye_does_not_count() {
    let mut sightings = Sightings::of(Wanted::Site(site("hq")));
    for (name, address) in [("a", "192.0.2.7:1883"), ("b", "192.0.2.8:1883")] {
        sightings.see(&announced(name, address, &OURS).as_resolved_service());
    }
    sightings.lose("a._mqtt._tcp.local.");
    assert_eq!(sightings.verdict(SHORT).unwrap().to_string(), "192.0.2.8:1883");
}
