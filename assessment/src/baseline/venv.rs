//! MPyC as its users install it: from PyPI, into a virtual environment of its own.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// What is installed: pinned, so that figures of different days compare. With gmpy2, which MPyC is faster with.
pub(super) const PACKAGES: [&str; 2] = ["mpyc==0.11", "gmpy2==2.3.2"];

/// The Python of an environment with MPyC in `folder`, which is made if it is not there.
///
/// # Errors
/// If it can't be made, in words.
pub(super) async fn python(folder: &Path) -> Result<PathBuf, String> {
    let python = folder.join("bin/python");
    if has_mpyc(&python).await {
        return Ok(python);
    }
    let made = run(Command::new("python3").arg("-m").arg("venv").arg("--clear").arg(folder)).await;
    made.map_err(|why| format!("no environment for MPyC can be made, install python3-venv: {why}"))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    run(&mut install).await.map_err(|why| format!("MPyC can't be installed from PyPI: {why}"))?;
    Ok(python)
}

async fn has_mpyc(python: &Path) -> bool {
    let mut look = Command::new(python);
    look.args(["-c", "import importlib.metadata as m; print('mpyc==' + m.version('mpyc'))"]);
    match look.output().await {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim() == PACKAGES[0],
        Err(_) => false,
    }
}

/// Runs a command to its end; what it said last, if it failed.
async fn run(command: &mut Command) -> Result<(), String> {
    let output = command.kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().lines().last().unwrap_or("it does not say why").to_owned())
}
