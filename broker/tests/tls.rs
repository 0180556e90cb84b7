//! TLS at the door, spoken with rustls: who comes in, who does not, and what the others notice of that.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use common::certificates::{Authority, CONNECTED, say};
use common::{Raw, TestBroker, config, connect, eventually};
use smc_broker::{BrokerConfig, BrokerError, ClientCertificates, Limits};

fn hello(account: &str) -> Vec<u8> {
    connect(4, account, account, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_comes_in_by_tls_1_3_and_by_tls_1_2() {
    let authority = Authority::new("site");
    let broker = authority.broker(ClientCertificates::Off).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = authority.client_of(None, &[version]);
        assert_eq!(say(&broker, client, &hello("agent")).await.unwrap(), CONNECTED, "{version:?}");
    }
    assert_eq!(broker.counters.snapshot().failed_handshakes, 0);
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_as_wrong_by_tls() {
    let authority = Authority::new("site");
    let broker = authority.broker(ClientCertificates::Off).await;
    let mut wrong = hello("agent");
    *wrong.last_mut().unwrap() = b'!';
    assert_eq!(say(&broker, authority.client(None), &wrong).await.unwrap(), [0x20, 2, 0, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_another_authority_goes_away_and_is_counted() {
    let (authority, other) = (Authority::new("site"), Authority::new("site"));
    let broker = authority.broker(ClientCertificates::Off).await;
    let error = say(&broker, other.client(None), &hello("agent")).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    eventually("counted", || broker.counters.snapshot().failed_handshakes == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_certificates_are_required_nobody_comes_in_without_a_good_one() {
    let (authority, other) = (Authority::new("site"), Authority::new("site"));
    let broker = authority.broker(ClientCertificates::Required).await;
    authority.issue("agent", &[], 90);
    authority.issue("late", &["agent"], 0);
    assert_eq!(say(&broker, authority.client(Some("agent")), &hello("agent")).await.unwrap(), CONNECTED);
    for (shown, told) in [(None, "CertificateRequired"), (Some("late"), "CertificateExpired")] {
        let error = say(&broker, authority.client(shown), &hello("agent")).await.unwrap_err();
        assert!(error.contains(told), "{shown:?}: {error}");
    }
    // Of an authority of the same name, with another key.
    other.issue("agent", &[], 90);
    std::fs::copy(authority.path("ca.pem"), other.path("ca.pem")).unwrap();
    let error = say(&broker, other.client(Some("agent")), &hello("agent")).await.unwrap_err();
    assert!(error.contains("alert"), "{error}");
    eventually("counted", || broker.counters.snapshot().failed_handshakes == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_for_its_own_account_and_a_password_is_needed_all_the_same() {
    let authority = Authority::new("site");
    let broker = authority.broker(ClientCertificates::Optional).await;
    authority.issue("agent", &[], 90);
    authority.issue("somebody", &["peer"], 90);
    let login = async |shown, bytes: &[u8]| say(&broker, authority.client(shown), bytes).await.unwrap();
    assert_eq!(login(None, &hello("agent")).await, CONNECTED);
    assert_eq!(login(Some("agent"), &hello("agent")).await, CONNECTED);
    assert_eq!(login(Some("somebody"), &hello("peer")).await, CONNECTED, "by the name beside the common one");
    assert_eq!(login(Some("agent"), &hello("peer")).await, [0x20, 2, 0, 5]);
    assert_eq!(login(Some("agent"), &without_password("agent")).await, [0x20, 2, 0, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_in_for_a_password_if_that_is_configured_and_never_for_a_wrong_one() {
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    let mut tls = authority.listener(ClientCertificates::Optional);
    tls.certificate_logs_in = true;
    let broker = TestBroker::with(BrokerConfig { listen: None, tls: Some(tls), ..config() }).await;
    for name in ["agent", "nobody"] {
        authority.issue(name, &[], 90);
    }
    let login = async |shown, bytes: &[u8]| say(&broker, authority.client(shown), bytes).await.unwrap();
    assert_eq!(login(Some("agent"), &without_password("agent")).await, CONNECTED);
    let mut wrong = hello("agent");
    *wrong.last_mut().unwrap() = b'!';
    assert_eq!(login(Some("agent"), &wrong).await, [0x20, 2, 0, 4]);
    assert_eq!(login(None, &without_password("agent")).await, [0x20, 2, 0, 4]);
    assert_eq!(login(Some("agent"), &without_password("peer")).await, [0x20, 2, 0, 5]);
    assert_eq!(login(Some("nobody"), &without_password("nobody")).await, [0x20, 2, 0, 4]);
}

/// A CONNECT of MQTT 3.1.1 that names an account and has no password.
fn without_password(account: &str) -> Vec<u8> {
    let body = [&common::text("MQTT")[..], &[4, 0x82, 0, 60], &common::text(account), &common::text(account)];
    common::packet(0x10, &body.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_handshakes_that_go_no_further_keep_nobody_out() {
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    let limits = Limits { connect_timeout_ms: 20_000, ..Limits::default() };
    let tls = Some(authority.listener(ClientCertificates::Off));
    let broker = TestBroker::with(BrokerConfig { tls, limits, listen: None, ..config() }).await;
    let mut halves: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(broker.address).unwrap()).collect();
    for half in &mut halves {
        // The beginning of a ClientHello that announces more than ever comes.
        half.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
    }
    assert_eq!(say(&broker, authority.client(None), &hello("agent")).await.unwrap(), CONNECTED);
    assert_eq!(broker.counters.snapshot().connections_refused, 0);
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_are_bounded_in_time_and_number() {
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    let limits = Limits { connect_timeout_ms: 300, pending_connections: 8, ..Limits::default() };
    let tls = Some(authority.listener(ClientCertificates::Off));
    let broker = TestBroker::with(BrokerConfig { tls, limits, listen: None, ..config() }).await;
    let halves: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(broker.address).unwrap()).collect();
    for mut half in halves {
        half.set_read_timeout(Some(common::PATIENCE)).unwrap();
        // Closed or reset: either way without a byte.
        match half.read(&mut [0; 64]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
    let counted = broker.counters.snapshot();
    assert!(counted.connections_refused > 0, "{counted:?}");
    eventually("counted", || broker.counters.snapshot().failed_handshakes >= 8).await;
    assert_eq!(say(&broker, authority.client(None), &hello("agent")).await.unwrap(), CONNECTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_mqtt_at_the_tls_port_gets_an_alert_and_tls_at_the_plain_port_is_closed() {
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    let both = BrokerConfig { tls: Some(authority.listener(ClientCertificates::Off)), ..config() };
    let broker = TestBroker::with(both).await;
    let mut raw = Raw::connect(broker.tls.unwrap());
    raw.send(&hello("agent"));
    assert_eq!(raw.read_to_close().first(), Some(&0x15), "an alert");
    eventually("counted", || broker.counters.snapshot().failed_handshakes == 1).await;
    let error = say(&broker, authority.client(None), &hello("agent")).await.unwrap_err();
    assert!(error.contains("eof") || error.contains("reset"), "{error}");
    assert_eq!(broker.counters.snapshot().protocol_errors, 1);
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_while_it_runs_and_a_broken_one_is_not() {
    let authority = Authority::new("site");
    let broker = authority.broker(ClientCertificates::Off).await;
    let comes_in = async || say(&broker, authority.client(None), &hello("agent")).await;
    assert_eq!(comes_in().await.unwrap(), CONNECTED);
    std::fs::write(authority.path("broker.pem"), "no certificate").unwrap();
    // As many looks as it takes to be sure that it was seen: what follows would not be taken otherwise, either.
    authority.issue("broker", &["elsewhere"], 90);
    let refused = async {
        while comes_in().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(3 * common::PATIENCE, refused).await.expect("the new certificate, for another host");
}

#[tokio::test]
async fn files_that_do_not_go_together_are_named() {
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    authority.issue("other", &["localhost"], 90);
    let tls = authority.listener(ClientCertificates::Off);
    let said = async |tls| match smc_broker::Broker::bind(BrokerConfig { tls: Some(tls), ..config() }).await {
        Err(error @ BrokerError::Tls(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let mut unlike = tls.clone();
    unlike.key = authority.path("other.key");
    assert!(said(unlike).await.contains("other.key: not the key of the certificate in"));
    let mut missing = tls.clone();
    missing.certificate = authority.path("none.pem");
    assert!(said(missing).await.contains("none.pem: entity not found"));
    let mut nobody = tls.clone();
    (nobody.client_ca, nobody.client_certificates) = (None, ClientCertificates::Required);
    assert!(said(nobody).await.contains("`client_ca`"));
    let mut open = tls;
    open.key = authority.path("open.key");
    std::fs::write(&open.key, "x").unwrap();
    assert!(said(open).await.contains("chmod 600"));
}
