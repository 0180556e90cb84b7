//! A whole site that speaks TLS and nothing else, as `murmur site init --tls` makes it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use smc_core::time::Timestamp;

use crate::clocks::FakeClock;
use crate::pairing::{Pairing, assert_ends, effective, newcomer};
use crate::support::brokers::is_elsewhere;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::support::wait::eventually;

/// The certificate that whoever connects is shown.
fn shown(broker: SocketAddr) -> String {
    let script = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))";
    let (host, port) = (broker.ip().to_string(), broker.port().to_string());
    let output = Command::new("python3").args(["-c", script, &host, &port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_site_of_tls_alone_publishes_verified_results_lets_a_newcomer_in_and_is_renewed_while_it_runs() {
    if is_elsewhere("others learn of logins and certificates when somebody tells them") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "4", "--minimum-cohort", "4", "--tls"]);
    for peer in site.peers() {
        site.set(&format!("{peer}.toml"), "consent", "\"auto\"");
    }
    let broker = site.start_broker();
    site.start_nodes();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let signed = await_outcome(&observer, "co2-mean", "all fresh and signed by all", |signed| {
        all_fresh(signed, 4) && signed.result.verified
    });
    let mut verify = Program::Murmur.command();
    verify.arg("verify").arg("--site").arg(site.path("site.toml")).stdin(Stdio::piped());
    let mut verify = verify.stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(verify.stdin.take().unwrap(), &signed).unwrap();
    let verified = verify.wait_with_output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    // A newcomer knows no authority: what is said to it proves itself by the code, and brings the authority along.
    let mut pairing = Pairing::start(&site, &["room-5", "--streams", "co2", "--lead", "2s"]);
    let paired = newcomer(&site, Program::Agent, "pair", &pairing.code, "attic");
    assert_ends(&paired, true, "room-5 is an agent of the site hq, let in by peer-1");
    let since = effective(&pairing.next());
    let authority = |path: &str| std::fs::read_to_string(site.path(path)).unwrap();
    assert_eq!(authority("attic/ca.pem"), authority("ca.pem"));
    site.start("attic/room-5");
    await_outcome(&observer, "co2-sum", "five rooms, one of them new", |signed| {
        signed.result.window.start.parse::<Timestamp>().unwrap() >= since && all_fresh(signed, 5)
    });

    // Nothing to do, then all of it.
    let certificate = || std::fs::read_to_string(site.path("broker.pem")).unwrap().trim().to_owned();
    let first = certificate();
    assert_eq!(shown(broker), first);
    assert!(site.murmur(&["site", "renew", "."]).contains("broker.pem holds until"));
    assert_eq!(certificate(), first);
    let told = site.murmur(&["site", "renew", ".", "--days", "400", "--name", "mqtt.example"]);
    assert!(told.contains("broker.pem is renewed") && told.contains("mqtt.example"), "{told}");
    let renewed = certificate();
    assert_ne!(renewed, first);
    eventually("whoever comes is shown the new certificate", || (shown(broker) == renewed).then_some(()));
    let observer = site.subscribe("observer-2", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all, seen by the new certificate", |signed| {
        all_fresh(signed, 5)
    });
    site.assert_nobody_panicked();
}

#[test]
fn who_trusts_another_authority_says_which_file_is_wrong_and_nobody_goes_on_without_tls() {
    let mut site = Site::quick("10s", &["--agents", "3", "--minimum-cohort", "3", "--tls"]);
    let other = Site::init(&["--agents", "3", "--tls"]);
    std::fs::copy(other.path("ca.pem"), site.path("other.pem")).unwrap();
    site.start_broker();
    site.set("room-1.toml", "ca", "\"other.pem\"");
    site.start("room-1");
    eventually("it says which file is wrong", || {
        let said = site.log_of("room-1");
        (said.contains("other.pem") && said.contains("`ca` must name the file")).then_some(())
    });
    let mut plain = Program::Agent.command();
    plain.arg("--config").arg(site.path("room-2.toml"));
    let plain = plain.env("MURMUR_BROKER", site.url().replace("mqtts://", "mqtt://")).output().unwrap();
    assert_ends(&plain, false, "write mqtts:// instead of mqtt://");
    site.assert_nobody_panicked();
}

#[test]
fn a_machine_that_starts_in_1970_says_so_and_takes_part_once_its_clock_is_set() {
    let mut site = Site::quick("5s", &["--agents", "4", "--minimum-cohort", "3", "--tls"]);
    site.start_broker();
    // Years of 365 days.
    let clock = FakeClock::start_at(&mut site, "room-4", "-56y");
    for node in site.agents().into_iter().chain(site.peers()).filter(|node| node != "room-4") {
        site.start(&node);
    }
    eventually("it says what its clock says", || {
        site.log_of("room-4").contains("this machine's clock says 1970-").then_some(())
    });
    clock.set("+0");
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "all fresh, with the room that was behind", |signed| {
        all_fresh(signed, 4)
    });
    site.assert_nobody_panicked();
}
