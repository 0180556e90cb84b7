//! What the tests of labs have in common.

use std::process::Command;
use std::time::{Duration, Instant};

use assessment::lab::{Host, Lab, LabOptions, Limits, Link, LinkKind};
use tokio::io::AsyncReadExt;

/// How long anything may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// A lab as this machine has it.
pub(crate) async fn lab() -> Lab {
    Lab::open(LabOptions::default()).await.unwrap()
}

/// A lab whose hosts have namespaces of their own, if this machine lets them be made.
pub(crate) async fn real() -> Option<Lab> {
    let lab = lab().await;
    if lab.kind() == LinkKind::Proxy {
        eprintln!("not tested here: {}", lab.notes().join("; "));
        return None;
    }
    Some(lab)
}

/// A lab that needs no rights.
pub(crate) async fn proxied() -> Lab {
    Lab::open(LabOptions { link: Link::Proxy, ..LabOptions::default() }).await.unwrap()
}

/// A shell with a script.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// What a shell on a host says.
pub(crate) async fn said(host: &Host, script: &str, limits: &Limits) -> String {
    let mut process = host.spawn(shell(script), limits).await.unwrap();
    let mut said = String::new();
    process.stdout().unwrap().read_to_string(&mut said).await.unwrap();
    assert!(process.wait().await.unwrap().success(), "{script}: {said}");
    said
}

/// Asks until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
