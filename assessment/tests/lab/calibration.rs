//! Networks are as they were asked for, or it is said that they are not.

use assessment::lab::{Impairment, LabError, Verdict};

use crate::support::{lab, proxied, real};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_as_it_was_asked_for() {
    let Some(mut lab) = real().await else { return };
    let asked = Impairment {
        latency_ms: 8.0,
        jitter_ms: 4.0,
        rate_mbit_s: Some(20.0),
        loss_percent: 4.0,
        ..Impairment::NONE
    };
    let calibration = lab.calibrate(&asked).await.unwrap();
    assert!(calibration.holds(), "{calibration:#?}");
    lab.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_delay_and_slow_down_and_say_what_they_leave_out() {
    let mut lab = proxied().await;
    let asked =
        Impairment { latency_ms: 20.0, rate_mbit_s: Some(8.0), loss_percent: 5.0, ..Impairment::NONE };
    let calibration = lab.calibrate(&asked).await.unwrap();
    // Proxies wait for their turn on a busy machine, so that only the best case is sure.
    let (latency_ms, rate) = (calibration.measured.latency_ms.median, calibration.measured.tcp_mbit_s);
    assert!((20.0..60.0).contains(&latency_ms) && (2.0..8.8).contains(&rate), "{calibration:#?}");
    assert!(
        lab.notes().iter().any(|note| note.contains("loss, jitter and overtaking are not")),
        "{:?}",
        lab.notes()
    );
    lab.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_that_the_machine_does_not_have_is_off() {
    let mut lab = lab().await;
    let asked = Impairment { rate_mbit_s: Some(90_000.0), ..Impairment::NONE };
    let Verdict::Off(reasons) = lab.calibrate(&asked).await.unwrap().verdict else { panic!("it holds") };
    assert!(
        reasons.iter().any(|reason| reason.starts_with("rate_mbit_s: asked 90000, measured ")),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_cannot_be_is_refused() {
    let lab = lab().await;
    let error = lab.impair(Impairment { jitter_ms: 2.0, latency_ms: 1.0, ..Impairment::NONE }).unwrap_err();
    assert!(matches!(error, LabError::Impairment { key: "jitter_ms", .. }), "{error}");
}
