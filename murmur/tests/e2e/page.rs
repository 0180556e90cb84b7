//! The operator's page in a browser, of a peer that runs in a whole site.

use std::process::Stdio;

use crate::support::brokers::is_rabbitmq;
use crate::support::chromium::Chromium;
use crate::support::process::Process;
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::support::wait::eventually;

/// Where a peer says that its page is.
fn address(site: &Site, peer: &str) -> String {
    eventually("the page is served", || {
        let log = site.log_of(peer);
        let (_, rest) = log.split_once("the page of this peer: ")?;
        Some(rest.split_whitespace().next()?.to_owned())
    })
}

/// `murmur` with the site's broker, going on by itself.
fn start(site: &Site, name: &str, arguments: &[&str]) -> Process {
    let mut command = Program::Murmur.command();
    command.args(arguments).args(["--broker", &site.url()]).stdout(Stdio::null());
    Process::start(name, &mut command, site.path(&format!("{name}.log")))
}

#[test]
fn a_click_on_approve_sets_a_request_going_and_the_page_shows_its_results() {
    if is_rabbitmq("the page knows introductions only of who connects while the peer is there") {
        return;
    }
    let mut site = Site::quick("5s", &["--agents", "6", "--minimum-cohort", "3", "--clients", "display"]);
    site.edit("peer-1.toml", |text| {
        let text = text.replace("#[page]\n#listen = \"127.0.0.1:8088\"", "[page]\nlisten = \"127.0.0.1:0\"");
        text.replace("#[audit]\n#head_every = \"5m\"", "[audit]\nhead_every = \"1s\"")
    });
    site.start_all();
    let (document, key) = (site.path("site.toml"), site.path("keys/display.key"));
    let (document, key) = (document.to_str().unwrap(), key.to_str().unwrap());
    let asked = ["ask", "mean", "co2", "--name", "air", "--for", "ventilation", "--until", "1h"];
    let _asking = start(&site, "asking", &[&asked[..], &["--site", document, "--key", key]].concat());

    let mut browser = Chromium::open(&address(&site, "peer-1"), &site.path("chromium.log"));
    browser.await_true("!!document.querySelector('article.waiting button[value=approve]')");
    let waiting = browser.evaluate("document.querySelector('article.waiting').innerText");
    assert!(
        waiting.as_str().is_some_and(|words| words.contains("ventilation") && words.contains("display")),
        "{waiting}"
    );
    browser.evaluate("document.querySelector('article.waiting button[value=approve]').click()");
    browser.await_true("!document.querySelector('article.waiting')");
    // One peer's word is not enough.
    let peer = site.path("peer-2.toml");
    let approving = ["approve", "air", "--wait", "20s", "--peer-config", peer.to_str().unwrap()];
    assert!(start(&site, "approving", &approving).wait().success());

    let value = "[...document.querySelectorAll('article')].find((one) => one.querySelector('h3').innerText === 'air')\
        ?.querySelector('.value').innerText";
    browser.await_true(&format!("/^[0-9.]+ ppm$/.test({value})"));
    // The page looks by itself for what is new. The window is: at night the air stays as it is.
    let window = value.replace("'.value'", "'.value + .fine'");
    let first = browser.evaluate(&window);
    browser.await_true(&format!("/^[0-9.]+ ppm$/.test({value}) && {window} !== {first}"));
    // Heads of all three: its own every second, the others' as they started.
    browser.await_true("document.querySelectorAll('.logs .good').length === 3");
    // All peers and agents, and the client that asked.
    browser.await_true("document.querySelectorAll('.members .good').length === 10");
    let members = browser.evaluate("document.querySelector('.members').innerText");
    let members = members.as_str().unwrap();
    assert!(members.contains(concat!("client ", env!("CARGO_PKG_VERSION"), ", since 20")), "{members}");
    assert!(members.contains(concat!("agent ", env!("CARGO_PKG_VERSION"), ", since 20")), "{members}");
    let list = Program::Murmur
        .command()
        .args(["member", "list", "--config"])
        .arg(&peer)
        .env("MURMUR_BROKER", site.url())
        .output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    assert!(list.contains("display runs ") && list.contains("room-6 runs "), "{list}");
    browser.await_true("document.documentElement.scrollWidth <= 390");
    // The log has all of it, from the start on.
    browser.evaluate("location.href = '/log?before=50'");
    browser.await_true("location.pathname === '/log' && document.readyState === 'complete'");
    let rows = "[...document.querySelectorAll('tbody tr')].map((row) => row.innerText).join('\\n')";
    for words in ["started, version", "display asks for the mean of co2 (air), for ventilation", "asked air"]
    {
        browser.await_true(&format!("{rows}.includes({words:?})"));
    }
    browser.await_true("document.documentElement.scrollWidth <= 390");
    browser.evaluate("location.href = '/log?before=3'");
    browser.await_true("document.querySelectorAll('tbody tr').length === 3");
    browser.await_true("!!document.querySelector('a[rel=prev]') && !document.querySelector('a[rel=next]')");
    site.assert_nobody_panicked();
}
