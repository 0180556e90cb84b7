//! Members that come, go, change their keys and give way while the site runs.

mod old_site_file;

use smc_core::result::SignedResult;
use smc_core::time::Timestamp;

use crate::support::brokers::is_elsewhere;
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::site::Site;

/// A site of six rooms at work whose list may change every ten seconds, by peers that sign what their operators leave to them.
fn at_work() -> (Site, Subscriber) {
    let mut site = Site::quick("10s", &["--agents", "6", "--clients", "display"]);
    for peer in site.peers() {
        site.set(&format!("{peer}.toml"), "consent", "\"auto\"");
    }
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all six", |signed| all_fresh(signed, 6));
    (site, observer)
}

/// From when on the change holds that `murmur` told of.
fn holds_from(said: &str) -> Timestamp {
    let (_, rest) = said.split_once("holds from ").unwrap_or_else(|| panic!("{said}"));
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

/// Whether the window began when the list of `since` held, and has fresh readings of `cohort` rooms.
fn is_whole(signed: &SignedResult, since: Timestamp, cohort: u32) -> bool {
    let start: Timestamp = signed.result.window.start.parse().unwrap();
    start >= since && all_fresh(signed, cohort)
}

fn await_whole(observer: &Subscriber, what: &str, since: Timestamp, cohort: u32) {
    // The site goes on by the old list until then.
    await_outcome(observer, "co2-sum", "a value before the boundary", |signed| {
        signed.result.value.is_some() || signed.result.window.start.parse::<Timestamp>().unwrap() >= since
    });
    await_outcome(observer, "co2-sum", what, |signed| is_whole(signed, since, cohort));
}

#[test]
fn an_agent_joins_gets_other_keys_and_another_leaves_while_results_keep_coming() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let (mut site, observer) = at_work();
    let add = ["member", "add", "room-7", "--config", "peer-1.toml", "--streams", "co2", "--lead", "2s"];
    let said = site.murmur(&add);
    assert!(said.contains("revision 1 "), "{said}");
    site.start("room-7");
    await_whole(&observer, "seven rooms", holds_from(&said), 7);

    let said = site.murmur(&["member", "rekey", "room-5", "--config", "peer-2.toml", "--lead", "2s"]);
    assert!(said.contains("revision 2 "), "{said}");
    site.process("room-5").kill();
    site.start_with("room-5", &[("MURMUR_KEYS", "keys/room-5.next.key")]);
    await_whole(&observer, "seven rooms, one with other keys", holds_from(&said), 7);

    let said = site.murmur(&["member", "remove", "room-6", "--config", "peer-1.toml", "--lead", "2s"]);
    assert!(said.contains("revision 3 "), "{said}");
    await_whole(&observer, "six rooms", holds_from(&said), 6);
    assert!(!site.process("room-6").wait().success());
    assert!(site.log_of("room-6").contains("no member of the site"), "{}", site.log_of("room-6"));

    let listed = site.murmur(&["member", "list", "--config", "peer-3.toml"]);
    assert!(
        listed.starts_with("revision 3 ") && listed.contains("room-7") && !listed.contains("room-6"),
        "{listed}"
    );
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_that_is_gone_for_good_is_replaced_with_the_operators_consent() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let (mut site, observer) = at_work();
    site.process("peer-3").kill();
    await_outcome(&observer, "co2-sum", "a value of two peers", |signed| signed.result.peers.len() == 2);
    let replace =
        ["peers", "replace", "peer-3", "peer-4", "--config", "peer-1.toml", "--lead", "5s", "--wait", "1s"];
    let said = site.murmur(&replace);
    assert!(said.starts_with("proposed as "), "no peer signs by itself who the peers are: {said}");
    let consented = site.murmur(&["member", "consent", "--config", "peer-2.toml"]);
    assert!(consented.starts_with("consent: "), "{consented}");
    site.start("peer-4");
    let since = holds_from(&said);
    await_outcome(&observer, "co2-sum", "a value of three peers, the new one among them", |signed| {
        let peers = &signed.result.peers;
        is_whole(signed, since, 6)
            && peers.iter().any(|peer| peer.as_str() == "peer-4")
            && signed.result.verified
    });
    old_site_file::verifies_results(&site, &observer);
    old_site_file::asks_and_reads(&site);
    for peer in ["peer-1", "peer-2", "peer-4"] {
        assert!(site.process(peer).terminate().success());
    }
    old_site_file::verifies_logs(&site);
    site.assert_nobody_panicked();
}

#[test]
fn peers_come_and_more_of_them_learn_nothing_once_enough_operators_consent() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "6", "--peers", "4"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of four peers", |signed| signed.result.peers.len() == 4);
    let operator = |site: &Site, word: &str, peer: &str| {
        let config = format!("{peer}.toml");
        let said = site.murmur(&["member", word, "--config", &config, "--reason", "so be it"]);
        assert!(said.starts_with(&format!("{word}: ")), "{said}");
    };
    let propose = |site: &Site, change: &[&str]| {
        let how = ["--config", "peer-1.toml", "--lead", "5s", "--wait", "1s"];
        let said = site.murmur(&[&["peers"], change, &how].concat());
        assert!(said.starts_with("proposed as "), "{said}");
        // One who refuses does not keep the others from it.
        operator(site, "refuse", "peer-4");
        operator(site, "consent", "peer-2");
        let listed = site.murmur(&["member", "list", "--config", "peer-4.toml"]);
        operator(site, "consent", "peer-3");
        (holds_from(&said), listed)
    };
    let (since, listed) = propose(&site, &["add", "peer-5"]);
    assert!(listed.starts_with("revision 0 "), "two of four are not enough: {listed}");
    site.start("peer-5");
    await_outcome(&observer, "co2-sum", "a value of five peers", |signed| {
        is_whole(signed, since, 6) && signed.result.peers.len() == 5
    });

    let (since, listed) = propose(&site, &["raise-threshold", "2"]);
    assert!(listed.starts_with("revision 1 "), "two of five are not enough: {listed}");
    await_outcome(&observer, "co2-sum", "a value that no two peers could come to", |signed| {
        is_whole(signed, since, 6) && signed.result.peers.len() == 5 && signed.result.verified
    });
    let listed = site.murmur(&["member", "list", "--config", "peer-5.toml"]);
    assert!(listed.starts_with("revision 2 "), "{listed}");
    site.assert_nobody_panicked();
}
