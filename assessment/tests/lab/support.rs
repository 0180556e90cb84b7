//! What the tests of labs have in common.

use std::process::Command;

use assessment::lab::{Host, Lab, LabOptions, Limits, LinkKind};
use tokio::io::AsyncReadExt;

/// A lab as this machine has it.
pub(crate) async fn lab() -> Lab {
    let lab = Lab::open(LabOptions::default()).await.unwrap();
    if lab.kind() == LinkKind::Proxy {
        eprintln!("only proxies were tested: {}", lab.notes().join("; "));
    }
    lab
}

/// What a shell on a host says.
pub(crate) async fn said(host: &Host, script: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let mut process = host.spawn(command, &Limits::NONE).await.unwrap();
    let mut said = String::new();
    process.stdout().unwrap().read_to_string(&mut said).await.unwrap();
    assert!(process.wait().await.unwrap().success(), "{script}: {said}");
    said
}
