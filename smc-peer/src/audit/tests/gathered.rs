//! What waits to come into a log, and what becomes of it when a process or a machine ends.

use super::*;

/// The log of a peer with a folder for what need not outlive the machine, beside the log's.
fn gathering(site: &Site) -> Ledger {
    site.open_with(0, Some(&run_dir(site))).unwrap()
}

fn run_dir(site: &Site) -> PathBuf {
    site.folder.path().join("run")
}

fn waiting(site: &Site) -> PathBuf {
    site.folder.path().join("audit.sqlite-pending")
}

/// What a power cut leaves of a peer: what is in memory is gone.
fn cut_power(site: &Site, ledger: Ledger) {
    std::mem::forget(ledger);
    std::fs::remove_dir_all(run_dir(site)).unwrap();
}

/// How many entries are in the log itself.
fn in_the_log(site: &Site) -> i64 {
    let database = Connection::open(site.path()).unwrap();
    database.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

/// A log of six entries and three heads, of which nothing is in the file itself.
fn three_heads(site: &Site) -> Ledger {
    let mut ledger = gathering(site);
    for entries in [vec![started(&site.roster), note(1)], vec![note(2)], vec![note(3), note(4), note(5)]] {
        ledger.append(&entries).unwrap();
        ledger.sign(NOON).unwrap().unwrap();
    }
    assert_eq!((in_the_log(site), site.rows().len()), (0, 6));
    ledger
}

/// A note that takes much room.
fn long_note(at: u64) -> Draft {
    let mut vote = note(at).body.value();
    vote["quantity"] = "x".repeat(100_000).into();
    Draft { body: Body::of(&vote).unwrap(), ..note(at) }
}

#[test]
fn a_power_cut_takes_what_no_head_vouches_for() {
    let site = Site::new();
    let mut ledger = three_heads(&site);
    ledger.append(&[note(6)]).unwrap();
    cut_power(&site, ledger);
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(6));
    let ledger = gathering(&site);
    assert_eq!(ledger.newest_head().map(|head| head.document.size), Some(6));
    drop(ledger);
    assert_eq!((in_the_log(&site), site.rows().len()), (6, 6));
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(6));
}

#[test]
fn a_head_over_what_was_taken_over_outlives_a_power_cut() {
    let site = Site::new();
    let mut ledger = gathering(&site);
    ledger.append(&[started(&site.roster), note(1)]).unwrap();
    std::mem::forget(ledger);
    let mut ledger = gathering(&site);
    ledger.sign(NOON).unwrap().unwrap();
    cut_power(&site, ledger);
    assert_eq!(gathering(&site).newest_head().map(|head| head.document.size), Some(2));
}

#[test]
fn a_batch_that_was_cut_off_anywhere_is_none() {
    let site = Site::new();
    let ledger = three_heads(&site);
    cut_power(&site, ledger);
    let whole = std::fs::read(waiting(&site)).unwrap();
    let mut seen = Vec::new();
    let ends_of_lines = (1..=whole.len()).filter(|&end| whole[end - 1] == b'\n');
    let mut ends: Vec<usize> = ends_of_lines.flat_map(|end| end - 1..=end + 1).collect();
    ends.extend((0..whole.len()).step_by(29));
    ends.retain(|&end| end <= whole.len());
    ends.sort_unstable();
    for end in ends {
        std::fs::write(waiting(&site), &whole[..end]).unwrap();
        let rows = site.rows().len() as u64;
        assert_eq!(site.verify(&site.path()).unwrap(), Ok(rows), "cut off after {end} bytes");
        seen.push(rows);
    }
    seen.dedup();
    assert_eq!(seen, [0, 2, 3, 6]);
    // The peer itself goes on from there.
    std::fs::write(waiting(&site), &whole[..whole.len() - 1]).unwrap();
    let mut ledger = gathering(&site);
    assert_eq!(ledger.newest_head().map(|head| head.document.size), Some(3));
    ledger.append(&[note(3)]).unwrap();
    assert_eq!(ledger.sign(NOON).unwrap().unwrap().document.size, 4);
}

#[test]
fn what_has_come_together_goes_into_the_log_and_heads_go_on_from_it() {
    let site = Site::new();
    let mut ledger = three_heads(&site);
    let mut longest = 0;
    for at in 6..20 {
        ledger.append(&[long_note(at)]).unwrap();
        let head = ledger.sign(NOON).unwrap().unwrap();
        assert_eq!(head.document.before.map(|before| before.size), Some(at));
        longest = longest.max(std::fs::metadata(waiting(&site)).unwrap().len());
        assert_eq!(site.rows().len() as u64, at + 1);
        assert_eq!(LogFile::open(&site.path()).unwrap().size().unwrap(), at + 1);
    }
    assert!(longest <= 512 << 10, "{longest} bytes beside the log");
    assert!(in_the_log(&site) > 6);
    assert_eq!(LogFile::open(&site.path()).unwrap().heads().unwrap().len(), 17);
    cut_power(&site, ledger);
    assert_eq!(gathering(&site).newest_head().map(|head| head.document.size), Some(20));
}

#[test]
fn whoever_reads_the_log_does_not_hold_up_heads() {
    let site = Site::new();
    let mut ledger = three_heads(&site);
    let reader = LogFile::open(&site.path()).unwrap();
    for at in 6..13 {
        ledger.append(&[long_note(at)]).unwrap();
        ledger.sign(NOON).unwrap().unwrap();
    }
    assert_eq!(in_the_log(&site), 0);
    assert_eq!(reader.size().unwrap(), 6, "one picture of the log");
    drop(reader);
    ledger.append(&[note(13)]).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    assert_eq!((in_the_log(&site), site.rows().len()), (14, 14));
}

#[test]
fn batches_that_are_in_the_log_already_are_not_taken_twice() {
    let site = Site::new();
    let ledger = three_heads(&site);
    let batches = std::fs::read(waiting(&site)).unwrap();
    drop(ledger);
    // As if the process had ended between moving them and dropping them there.
    std::fs::write(waiting(&site), batches).unwrap();
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(6));
    let mut ledger = gathering(&site);
    ledger.append(&[note(6)]).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    cut_power(&site, ledger);
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(7));
}

#[test]
fn a_head_that_was_on_disk_and_does_not_fit_the_log_is_not_passed_over() {
    let site = Site::new();
    let ledger = three_heads(&site);
    cut_power(&site, ledger);
    let whole = String::from_utf8(std::fs::read(waiting(&site)).unwrap()).unwrap();
    // The first batch is another one's; a line in it is none any more.
    for changed in [whole.replacen("\"window\":1", "\"window\":9", 1), whole.replacen(" vote ", " note ", 1)]
    {
        std::fs::write(waiting(&site), changed).unwrap();
        let error = site.open_with(0, Some(&run_dir(&site))).err().unwrap();
        assert!(error.to_string().contains("murmur audit verify"), "{error}");
        assert!(site.verify(&site.path()).unwrap().is_err());
    }
}

#[test]
fn a_peer_that_gathers_from_now_on_goes_on_with_its_log() {
    let site = Site::new();
    site.kept();
    let mut ledger = gathering(&site);
    ledger.append(&[note(22)]).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    assert_eq!(in_the_log(&site), 22);
    cut_power(&site, ledger);
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(23));
}

#[test]
fn a_peer_that_gathers_no_longer_goes_on_with_what_it_gathered() {
    let site = Site::new();
    std::mem::forget(three_heads(&site));
    let mut ledger = site.open().unwrap();
    assert_eq!(in_the_log(&site), 6);
    ledger.append(&[note(6)]).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    drop(ledger);
    assert!(!waiting(&site).exists());
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(7));
}

#[test]
fn entries_that_wait_for_a_head_outlive_the_process_and_come_into_the_log_with_it() {
    let site = Site::new();
    let mut ledger = gathering(&site);
    ledger.append(&[started(&site.roster), note(1)]).unwrap();
    assert_eq!(site.rows().len(), 0, "nothing is written to the log before a head");
    // As a kill leaves it.
    std::mem::forget(ledger);
    let mut ledger = gathering(&site);
    assert_eq!(site.rows().len(), 2);
    ledger.append(&[note(2), note(3)]).unwrap();
    let head = ledger.sign(NOON).unwrap().unwrap();
    assert_eq!((head.document.size, site.rows().len()), (4, 4));
    ledger.append(&[note(4)]).unwrap();
    let next = ledger.sign(NOON).unwrap().unwrap();
    assert_eq!((next.document.size, next.document.before.map(|before| before.size)), (5, Some(4)));
    drop(ledger);
    assert!(site.open().is_ok());
}

#[test]
fn entries_that_are_in_the_log_already_are_not_taken_twice() {
    let site = Site::new();
    let mut ledger = gathering(&site);
    ledger.append(&[started(&site.roster), note(1)]).unwrap();
    let waiting = std::fs::read(run_dir(&site).join("audit-recent.sqlite")).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    drop(ledger);
    // As if the process had ended between the head and dropping what it vouches for.
    std::fs::write(run_dir(&site).join("audit-recent.sqlite"), waiting).unwrap();
    let mut ledger = gathering(&site);
    assert_eq!(site.rows().len(), 2);
    ledger.append(&[note(2)]).unwrap();
    assert_eq!(ledger.sign(NOON).unwrap().unwrap().document.size, 3);
}

#[test]
fn entries_that_do_not_continue_the_log_are_dropped() {
    let site = Site::new();
    let mut ledger = gathering(&site);
    ledger.append(&[started(&site.roster), note(1)]).unwrap();
    ledger.sign(NOON).unwrap().unwrap();
    ledger.append(&[note(2)]).unwrap();
    drop(ledger);
    // The log is lost; what waited to be in it is not.
    for name in ["audit.sqlite", "audit.sqlite-pending"] {
        let _ = std::fs::remove_file(site.folder.path().join(name));
    }
    let mut ledger = gathering(&site);
    assert_eq!(ledger.sign(NOON).unwrap(), None);
    ledger.append(&[started(&site.roster)]).unwrap();
    assert_eq!(ledger.sign(NOON).unwrap().unwrap().document.size, 1);
}
