//! Readings that a device serves by TLS: which servers are believed, and what is said of the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../smc-mqtt/tests/certificates/mod.rs"]
mod certificates;
mod support;

use std::path::Path;
use std::time::{Duration, SystemTime};

use certificates::Authority;
use sensor_agent::source::{Happened, Running};
use sensor_agent::trial::Trial;
use smc_mqtt::clock::Clock;
use smc_mqtt::tls::PemFiles;
use support::server::{Behaviour, Server, answer};
use support::{PATIENCE, context, found, lost, start, tells};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;

/// A server that says 612, with the certificate called `server`.
async fn served(authority: &Authority) -> Server {
    let (certificate, key) = (authority.path("server.pem"), authority.path("server.key"));
    let certified = PemFiles { certificate: &certificate, key: &key }.read().unwrap();
    Server::start_tls(answer("200 OK", "", r#"{"co2":612}"#), certified).await
}

/// A source that asks `url`, which it believes if `ca` says so.
fn asks(url: &str, ca: Option<&Path>, more: &str) -> (Running, Receiver<Happened>) {
    let ca = ca.map(|ca| format!("ca = '{}'\n", ca.display())).unwrap_or_default();
    let readings = "readings.co2 = { pointer = '/co2' }";
    let config = format!("kind = 'http'\nurl = '{url}'\ninterval_s = 0.1\n{ca}{more}\n{readings}");
    start(&config, context(Clock::system(), &["co2"])).unwrap()
}

/// Why what is at `url` is not read.
async fn refused(url: &str, ca: Option<&Path>) -> String {
    let (_running, mut receiver) = asks(url, ca, "");
    let said = lost(&mut receiver).await;
    assert!(said.starts_with(url), "{said}");
    said
}

#[tokio::test]
async fn a_server_is_read_whose_certificate_is_of_the_authority_and_for_its_host() {
    let authority = Authority::new("ours");
    authority.issue("server", &["localhost", "127.0.0.1"], 90);
    let (server, ca) = (served(&authority).await, authority.path("ca.pem"));
    for host in ["localhost", "127.0.0.1"] {
        let url = server.url_of(host, "/status");
        let (_running, mut receiver) = asks(&url, Some(&ca), "");
        tells(&mut receiver, &[("co2", 612.0), ("co2", 612.0)]).await;
        let request = server.last_request().to_ascii_lowercase();
        assert!(request.starts_with("get /status http/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nhost: {host}:")), "{request}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_servers_certificate_is_told_with_a_remedy() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let (ca, theirs) = (authority.path("ca.pem"), other.path("ca.pem"));
    authority.issue("server", &["localhost", "192.0.2.7"], 90);
    let server = served(&authority).await;
    let (named, numbered) = (server.url_of("localhost", "/"), server.url_of("127.0.0.1", "/"));

    let said = refused(&named, Some(&theirs)).await;
    assert!(said.contains("`ca` must name") && said.contains(theirs.to_str().unwrap()), "{said}");
    let said = refused(&named, None).await;
    assert!(said.contains("`ca` has to name the file of the authority"), "{said}");
    let said = refused(&numbered, Some(&ca)).await;
    assert!(said.contains("for localhost, 192.0.2.7, not for 127.0.0.1"), "{said}");
    std::fs::write(&theirs, "no certificate").unwrap();
    let said = refused(&named, Some(&theirs)).await;
    assert!(said.contains("ca.pem: no certificate in it"), "{said}");
    let said = refused(&named, Some(Path::new("/nowhere/ca.pem"))).await;
    assert!(said.ends_with("/nowhere/ca.pem: entity not found"), "{said}");

    let day = Duration::from_secs(24 * 3_600);
    for (since, days, words) in [
        (SystemTime::now() - 2 * day, 1, "its certificate ended on 20"),
        (SystemTime::now() + day, 90, "set the clock (NTP)"),
    ] {
        authority.issue_since("server", &["localhost"], since, days);
        let said = refused(&served(&authority).await.url_of("localhost", "/"), Some(&ca)).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_believed_if_it_is_none_of_an_authority() {
    let authority = Authority::new("ours");
    authority.issue_own("server", &["localhost"]);
    let server = served(&authority).await;
    let (_running, mut receiver) =
        asks(&server.url_of("localhost", "/"), Some(&authority.path("server.pem")), "");
    tells(&mut receiver, &[("co2", 612.0)]).await;

    std::fs::copy(authority.path("ca.pem"), authority.path("server.pem")).unwrap();
    std::fs::copy(authority.path("ca.key"), authority.path("server.key")).unwrap();
    let server = served(&authority).await;
    let said = refused(&server.url_of("localhost", "/"), Some(&authority.path("ca.pem"))).await;
    assert!(said.contains("basicConstraints=critical,CA:FALSE"), "{said}");
}

#[tokio::test]
async fn a_port_without_tls_and_one_with_it_are_told_apart() {
    let authority = Authority::new("ours");
    authority.issue("server", &["localhost"], 90);
    let server = served(&authority).await;
    // Its alert is no HTTP.
    let said = refused(&server.url_of("localhost", "/").replace("https", "http"), None).await;
    assert!(said.contains("https://"), "{said}");

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", plain.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = plain.accept().await {
            // As web servers do with what they don't understand.
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    let said = refused(&url, Some(&authority.path("ca.pem"))).await;
    assert!(said.contains("speak no TLS") || said.contains("speaks no TLS"), "{said}");
}

#[tokio::test]
async fn a_server_with_tls_has_no_more_time_and_room_than_others() {
    let authority = Authority::new("ours");
    authority.issue("server", &["localhost"], 90);
    let (server, ca) = (served(&authority).await, authority.path("ca.pem"));
    let url = server.url_of("localhost", "/");
    for (behaviour, words) in [
        (Behaviour::Drip, "no whole answer within 400ms"),
        (Behaviour::Flood, "more than 10000 bytes"),
        (
            Behaviour::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n612".to_vec()),
            "https://localhost:",
        ),
    ] {
        server.set(behaviour);
        let (_running, mut receiver) = asks(&url, Some(&ca), "timeout_s = 0.4\nmax_bytes = 10000");
        let said = lost(&mut receiver).await;
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    // Nobody shakes hands there.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", silent.local_addr().unwrap().port());
    let (_running, mut receiver) = asks(&url, Some(&ca), "timeout_s = 0.4");
    let said = lost(&mut receiver).await;
    assert!(said.contains("no whole answer within 400ms"), "{said}");
}

#[tokio::test]
async fn an_authority_that_was_put_right_is_taken_at_the_next_question() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    authority.issue("server", &["localhost"], 90);
    let (server, ca) = (served(&authority).await, other.path("ca.pem"));
    let (_running, mut receiver) = asks(&server.url_of("localhost", "/"), Some(&ca), "");
    lost(&mut receiver).await;
    std::fs::copy(authority.path("ca.pem"), &ca).unwrap();
    found(&mut receiver).await;
    tells(&mut receiver, &[("co2", 612.0)]).await;
}

#[tokio::test]
async fn an_authority_counts_from_the_agents_file_and_goes_with_https_alone() {
    let authority = Authority::new("ours");
    authority.issue("server", &["localhost"], 90);
    let server = served(&authority).await;
    let file = authority.path("room-101.toml");
    let trial = |url: &str| {
        let source = format!("[[source]]\nkind = 'http'\nurl = '{url}'\nca = 'ca.pem'\n");
        std::fs::write(&file, source + "readings.co2 = { pointer = '/co2' }\n").unwrap();
        Trial::load(&file)
    };
    let url = server.url_of("localhost", "/");
    let findings = trial(&url).unwrap().run(PATIENCE, Clock::system(), std::future::pending()).await.unwrap();
    assert!(findings.to_string().contains("612"), "{findings}");
    let said = trial(&url.replace("https", "http")).unwrap_err().to_string();
    assert!(said.contains("`ca`: ") && said.contains("write https:// instead of http://"), "{said}");
}
