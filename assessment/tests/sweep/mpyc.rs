//! MPyC itself, installed from PyPI, as parties on the hosts of a lab without impairments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use assessment::baseline::WithMpyc;
use assessment::lab::{Lab, LabOptions, Link};
use assessment::{Measure, Observation, Parameters, PlayError, Role, Run, Stage, Subject};

use crate::closed::Formula;

async fn play(folder: &Path, function: &str, link: Link) -> Result<Vec<Observation>, PlayError> {
    let mut lab = Lab::open(LabOptions { link, ..LabOptions::default() }).await.unwrap();
    let mut stage = WithMpyc::new(Formula::default(), folder.to_owned());
    let point = Parameters { function: function.to_owned(), agents: 20, bits: 10, ..Parameters::default() };
    let run = Run {
        subject: Subject::Mpyc,
        repetition: 0,
        seed: 7,
        warm_up: 1,
        windows: 2,
        period: Duration::from_secs(1),
    };
    let played = stage.play(&mut lab, &point, &run).await;
    drop(stage);
    lab.close().await.unwrap();
    played
}

/// Where MPyC stays from one test run to the next.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mpyc")
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_compute_what_is_right_and_tell_what_it_took() {
    for (function, link) in [("sum", Link::Proxy), ("max", Link::Auto), ("median", Link::Auto)] {
        let observations = match play(&installed(), function, link).await {
            Err(PlayError::Impossible(why)) => {
                eprintln!("SKIPPED: {why}");
                return;
            }
            played => played.unwrap(),
        };
        let of = |role: Role, measure: Measure| {
            let fits = |row: &&Observation| (row.role, row.measure) == (role, measure);
            observations.iter().filter(fits).map(|row| row.value).collect::<Vec<f64>>()
        };
        let times = of(Role::Site, Measure::WallMs);
        assert!(times.len() == 2 && times.iter().all(|ms| *ms > 0.1), "{function}: {times:?}");
        let sent = of(Role::Peer, Measure::WireSentBytes);
        // To two others, at least a share of each of a third of the readings; who is only connected to sends nothing
        // that proxies see.
        let least = if link == Link::Proxy { 0.0 } else { 2.0 * 6.0 * 2.0 };
        assert!(sent.len() == 3 && sent.iter().all(|bytes| *bytes >= least), "{function}: {sent:?}");
        assert!(of(Role::Peer, Measure::CpuMs).iter().all(|ms| *ms > 0.0), "{function}");
        assert!(observations.iter().all(|row| row.subject == Subject::Mpyc));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_mpyc_cannot_be_installed_it_is_said_why() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = play(&file.path().join("inside a file"), "sum", Link::Proxy).await.unwrap_err();
    let PlayError::Impossible(why) = refused else { panic!("{refused}") };
    assert!(why.starts_with("no environment for MPyC can be made"), "{why}");
}
