//! Connections with TLS, to a real Mosquitto: what comes about, and what is said where nothing does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod mosquitto;

use std::time::{Duration, SystemTime};

use certificates::Authority;
use mosquitto::{Mosquitto, PATIENCE};
use smc_mqtt::connection::{ConnectionSettings, Fault, Happening, Incoming, connect};
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::{Tls, TlsFault, broker_name};
use tokio::time::timeout;

/// A Mosquitto with the certificate called `broker`, and more lines of configuration.
fn broker(authority: &Authority, lines: &str) -> Mosquitto {
    let path = |file| authority.path(file).display().to_string();
    let (ca, certificate, key) = (path("ca.pem"), path("broker.pem"), path("broker.key"));
    let lines = format!("allow_anonymous true\ncafile {ca}\ncertfile {certificate}\nkeyfile {key}\n{lines}");
    Mosquitto::with(&lines, &[])
}

/// An address of it on this machine, with TLS.
fn address(broker: &Mosquitto, host: &str) -> BrokerAddress {
    let port = broker.address().rsplit(':').next().unwrap().parse().unwrap();
    BrokerAddress::new(host, port).unwrap().with_tls()
}

fn trusted(authority: &Authority) -> Tls {
    Tls::of_authority(&authority.path("ca.pem"))
}

async fn next(incoming: &mut Incoming) -> Happening {
    timeout(PATIENCE, incoming.next()).await.unwrap().unwrap()
}

/// Why there is no connection to `broker`.
async fn fault(broker: BrokerAddress) -> Fault {
    let (_publisher, mut incoming) = connect(ConnectionSettings::new(broker, "a"), vec![]);
    match next(&mut incoming).await {
        Happening::Disconnected { reason } => reason,
        other => panic!("{other:?}"),
    }
}

async fn assert_connects(broker: BrokerAddress) {
    let (publisher, mut incoming) = connect(ConnectionSettings::new(broker, "a"), vec!["t".into()]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    // More than TLS has in one record, both ways.
    publisher.publish("t", vec![7; 300_000], false).unwrap();
    match next(&mut incoming).await {
        Happening::Message { payload, .. } => assert_eq!(payload.len(), 300_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(timeout(PATIENCE, publisher.close()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_broker_is_believed_for_its_host_and_for_its_site() {
    let authority = Authority::new("ours");
    let site = "hq".parse().unwrap();
    authority.issue("broker", &["localhost", &broker_name(&site)], 90);
    let broker = broker(&authority, "");
    assert_connects(address(&broker, "localhost").trusting(trusted(&authority))).await;
    // Found in the network: an address that the certificate does not know.
    let found = address(&broker, "127.0.0.1");
    assert_connects(found.clone().trusting(trusted(&authority).of_site(&site))).await;
    let other = trusted(&authority).of_site(&"depot".parse().unwrap());
    for tls in [trusted(&authority), other] {
        let said = fault(found.clone().trusting(tls)).await;
        assert!(matches!(said, Fault::Tls(TlsFault::Name { .. })), "{said:?}");
        let said = said.to_string();
        for part in ["localhost", "not for 127.0.0.1", "--name 127.0.0.1"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert_connects(found.trusting(Tls::unverified())).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_brokers_certificate_is_told_with_file_key_and_remedy() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    authority.issue("broker", &["localhost"], 90);
    let running = broker(&authority, "");
    let localhost = address(&running, "localhost");
    let ca = other.path("ca.pem");
    let said = fault(localhost.clone().trusting(trusted(&other))).await;
    assert_eq!(said, TlsFault::Authority { ca: ca.clone() }.into());
    assert!(said.to_string().contains(ca.to_str().unwrap()) && said.to_string().contains("`ca`"), "{said}");
    std::fs::write(&ca, "no certificate").unwrap();
    let said = fault(localhost.clone().trusting(trusted(&other))).await.to_string();
    assert!(said.contains("ca.pem: no certificate in it"), "{said}");
    let said = fault(localhost).await;
    assert_eq!(said, TlsFault::NoAuthority.into());

    authority.issue("broker", &["localhost"], 0);
    let running = broker(&authority, "");
    let said = fault(address(&running, "localhost").trusting(trusted(&authority))).await;
    assert!(matches!(said, Fault::Tls(TlsFault::Expired { .. })), "{said:?}");

    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 3_600);
    authority.issue_since("broker", &["localhost"], tomorrow, 90);
    let running = broker(&authority, "");
    let said = fault(address(&running, "localhost").trusting(trusted(&authority))).await;
    assert!(matches!(said, Fault::Tls(TlsFault::Clock { .. })), "{said:?}");
    assert!(said.to_string().starts_with("this machine's clock says 20"), "{said}");
}

#[tokio::test]
async fn a_port_without_tls_and_one_with_it_are_told_apart() {
    let authority = Authority::new("ours");
    authority.issue("broker", &["localhost"], 90);
    let (with, without) = (broker(&authority, ""), Mosquitto::open());
    let said = fault(address(&without, "localhost").trusting(trusted(&authority))).await;
    assert!(matches!(said, Fault::Tls(TlsFault::Cut | TlsFault::NotTls)), "{said:?}");
    assert!(said.to_string().contains("8883"), "{said}");
    let said = fault(with.address().parse().unwrap()).await;
    // OpenSSL closes the connection, or says why before.
    assert!(matches!(said, Fault::WantsTls | Fault::Closed | Fault::Io(_)), "{said:?}");
}

#[tokio::test]
async fn a_broker_that_wants_a_certificate_is_shown_one() {
    let (authority, other) = (Authority::new("ours"), Authority::new("ours"));
    authority.issue("broker", &["localhost"], 90);
    authority.issue("room-101", &[], 90);
    other.issue("room-101", &[], 90);
    let broker = broker(&authority, "require_certificate true\n");
    let address = address(&broker, "localhost");
    let shows = |of: &Authority| {
        trusted(&authority).with_identity(&of.path("room-101.pem"), &of.path("room-101.key"))
    };
    assert_connects(address.clone().trusting(shows(&authority))).await;
    let said = fault(address.clone().trusting(trusted(&authority))).await;
    assert_eq!(said, TlsFault::Wanted.into(), "{said}");
    let said = fault(address.clone().trusting(shows(&other))).await;
    assert!(matches!(said, Fault::Tls(TlsFault::Refused(_))), "{said:?}");
    let unlike =
        trusted(&authority).with_identity(&authority.path("room-101.pem"), &other.path("room-101.key"));
    let said = fault(address.trusting(unlike)).await.to_string();
    assert!(said.contains("room-101.key: not the key of the certificate in"), "{said}");
}

#[tokio::test]
async fn files_are_read_again_when_they_have_changed() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    authority.issue("broker", &["localhost"], 90);
    let broker = broker(&authority, "");
    let ca = other.path("ca.pem");
    let address = address(&broker, "localhost").trusting(Tls::of_authority(&ca));
    let (_publisher, mut incoming) = connect(ConnectionSettings::new(address, "a"), vec![]);
    let Happening::Disconnected { reason } = next(&mut incoming).await else { panic!() };
    assert_eq!(reason, TlsFault::Authority { ca: ca.clone() }.into());
    std::fs::copy(authority.path("ca.pem"), &ca).unwrap();
    assert_eq!(next(&mut incoming).await, Happening::Connected);
}

#[tokio::test]
async fn a_connection_knows_which_certificates_end_soon() {
    let authority = Authority::new("ours");
    authority.issue("broker", &["localhost"], 20);
    let broker = broker(&authority, "");
    let address = address(&broker, "localhost").trusting(trusted(&authority));
    let (publisher, mut incoming) = connect(ConnectionSettings::new(address, "a"), vec![]);
    assert_eq!(next(&mut incoming).await, Happening::Connected);
    let expiring = publisher.expiring(smc_mqtt::clock::Clock::system().now());
    assert_eq!(expiring.iter().map(|one| one.certificate.as_str()).collect::<Vec<_>>(), ["broker"]);
}
