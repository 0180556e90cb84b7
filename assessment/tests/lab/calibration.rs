//! Networks are as they were asked for.

use assessment::lab::{Impairment, LinkKind};

use crate::support::lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_as_it_was_asked_for() {
    let mut lab = lab().await;
    let mut asked = Impairment { latency_ms: 8.0, rate_mbit_s: Some(20.0), ..Impairment::NONE };
    if lab.kind() == LinkKind::Relay {
        asked = Impairment { jitter_ms: 4.0, loss_percent: 4.0, ..asked };
    }
    let calibration = lab.calibrate(&asked).await.unwrap();
    assert!(calibration.holds(), "{calibration:#?}");
    lab.close().await.unwrap();
}
