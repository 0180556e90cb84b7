//! Logs of sites whose member lists change: each entry is judged by the list that its peer went by.

use std::time::Duration;

use serde_json::{Value as Json, json};
use smc_core::audit::{Auditor, Kind, Lists, Started, Unfit, examine};
use smc_core::charter::{CharterError, Register};
use smc_core::document::Signable;
use smc_core::result::{SignedResult, VerifyError};
use smc_core::time::Timestamp;

use super::site::{Log, NEWCOMER, NOON, Site, WINDOW};

/// The first window of the list in which peer-4 stands in the place of peer-3, and when that takes force.
const LATER: u64 = WINDOW + 60;
const EFFECTIVE: Timestamp = Timestamp::from_secs(NOON.as_micros() / 1_000_000 + 3_600);

/// What is wrong with `log` for somebody who knows the charters of `told` beside the site file.
fn audit(log: &Log, told: Register) -> Result<u64, (u64, Unfit)> {
    let site = log.site;
    let mut lists = Lists::new(site.document.clone(), told).unwrap();
    let mut auditor = Auditor::new(site.roster.site(), &site.name(1));
    for row in &log.rows {
        let (list, unfit) = lists.follow(row);
        let examined = examine(row.clone(), &list);
        let examined = if let Some(unfit) = unfit { examined.spoiled(unfit) } else { examined };
        auditor.take(examined).map_err(|misfit| (misfit.seq, misfit.unfit))?;
    }
    Ok(auditor.finish().unwrap().entries)
}

fn at_first(site: &Site) -> Register {
    Register::new(site.document.clone()).unwrap()
}

/// The site's charters: peer-4 stands in the place of peer-3.
fn replaced(site: &Site) -> Register {
    let mut register = at_first(site);
    let enacted = site.enacted(&register, site.replace_peer_3(), &[1, 2]);
    register.enact(enacted).unwrap();
    register
}

/// A start with the list of `register` at `instant`.
fn start(register: &Register, instant: Timestamp) -> Json {
    let mut register = register.clone();
    register.advance(instant);
    json!(Started::new(&register.roster().unwrap().0, "0.1.0"))
}

/// A result that peer-1 and the newcomer signed, or peer-1 and peer-3.
fn result(site: &Site, window: u64, with_newcomer: bool) -> Json {
    let SignedResult { result, mut signatures } = site.result("co2-mean", window, &[1, 3]);
    if with_newcomer {
        signatures.remove(&site.name(3));
        signatures.insert("peer-4".parse().unwrap(), result.sign(site.key(NEWCOMER)));
    }
    json!(SignedResult { result, signatures })
}

/// A log in which peer-1 goes on with the list of the charter, if it has one.
fn moved<'a>(site: &'a Site, charter: Option<&Json>, with_newcomer: bool) -> Log<'a> {
    let mut log = Log::begun(site, 1);
    log.add(Kind::Vote, &json!(site.vote(WINDOW)));
    log.add(Kind::Result, &result(site, WINDOW, false));
    charter.into_iter().for_each(|charter| log.add(Kind::Membership, charter));
    log.add(Kind::Head, &json!(Log::begun(site, 3).sign()));
    log.add_at(EFFECTIVE, Kind::Start, &start(&replaced(site), EFFECTIVE));
    let after = EFFECTIVE + Duration::from_secs(60);
    log.add_at(after, Kind::Vote, &json!(site.vote(LATER)));
    log.add_at(after, Kind::Result, &result(site, LATER, with_newcomer));
    log
}

#[test]
fn whoever_has_the_first_site_file_can_follow_a_log_over_its_charters() {
    let site = Site::new();
    let charter = json!(replaced(&site).charters()[0]);
    assert_eq!(audit(&moved(&site, Some(&charter), true), at_first(&site)), Ok(8));
    assert_eq!(audit(&moved(&site, Some(&charter), true), replaced(&site)), Ok(8), "known beside");
}

#[test]
fn a_peer_that_was_replaced_signs_for_nothing_any_more() {
    let site = Site::new();
    let charter = json!(replaced(&site).charters()[0]);
    let unknown = VerifyError::UnknownPeer { peer: site.name(3) };
    let found = audit(&moved(&site, Some(&charter), false), at_first(&site));
    assert_eq!(found, Err((7, Unfit::Signatures(unknown))));
}

#[test]
fn charters_that_a_log_lacks_are_taken_from_elsewhere() {
    let site = Site::new();
    let log = moved(&site, None, true);
    assert_eq!(audit(&log, replaced(&site)), Ok(7));
    let unknown = VerifyError::UnknownPeer { peer: "peer-4".parse().unwrap() };
    assert_eq!(audit(&log, at_first(&site)), Err((6, Unfit::Signatures(unknown))));
}

#[test]
fn a_charter_that_the_peers_did_not_sign_is_found() {
    let site = Site::new();
    let misfit = |charter: Json, told: Register| {
        let found = audit(&moved(&site, Some(&charter), true), told);
        let Err((3, Unfit::Charter(error))) = found else { unreachable!("{found:?}") };
        error
    };
    let too_few = json!(site.enacted(&at_first(&site), site.replace_peer_3(), &[1]));
    let few = CharterError::TooFew { revision: 1, have: 1, need: 2 };
    assert_eq!(misfit(too_few.clone(), at_first(&site)), few);
    assert_eq!(misfit(too_few, replaced(&site)), few, "also where others signed it");
    let mut forged = json!(replaced(&site).charters()[0]);
    forged["signatures"]["peer-2"] = json!("A".repeat(86));
    let peer = site.name(2);
    assert_eq!(misfit(forged, at_first(&site)), CharterError::Forged { revision: 1, peer });
    let remove = smc_core::charter::Change::Remove { name: "display".parse().unwrap() };
    let another = json!(site.enacted(&at_first(&site), remove, &[1, 2]));
    assert_eq!(misfit(another, replaced(&site)), CharterError::Fork { revision: 1 });
}

#[test]
fn results_are_vouched_for_by_the_list_in_force_when_their_window_closed() {
    let site = Site::new();
    let register = replaced(&site);
    let verify = |window: u64, with_newcomer: bool| {
        register.eras().verify(&serde_json::from_value(result(&site, window, with_newcomer)).unwrap())
    };
    // The last window of the old list ends when the new one takes force.
    assert_eq!(verify(LATER - 1, false), Ok(()));
    assert_eq!(verify(LATER, true), Ok(()));
    for (window, newcomer, peer) in [(LATER - 1, true, "peer-4"), (LATER, false, "peer-3")] {
        let peer = peer.parse().unwrap();
        assert_eq!(verify(window, newcomer), Err(VerifyError::UnknownPeer { peer }));
    }
}
