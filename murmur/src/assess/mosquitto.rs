//! Mosquitto as the broker of a point, with the logins and rules that this project makes for it.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assessment::PlayError;
use assessment::lab::Host;
use tokio::time::{Instant, sleep};

use super::plan::Plan;
use super::setup;
use crate::command::site;
use crate::stage::logins;

/// Where Debian puts what an administrator runs, which a user's PATH lacks.
const PROGRAMS: [&str; 3] = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often that is tried.
const AGAIN: Duration = Duration::from_millis(50);

/// Where it is, if it is installed.
pub(crate) fn program() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| Path::new(program).exists())
}

/// How it is started.
pub(super) fn command(plan: &Plan, listen: SocketAddr) -> Result<Command, PlayError> {
    let program = program().ok_or_else(|| {
        PlayError::Impossible("mosquitto is not installed: apt-get install mosquitto".to_owned())
    })?;
    let failed = |error: &dyn std::fmt::Display| setup("mosquitto's configuration", &error.to_string());
    let cast = &plan.cast;
    let logins = logins(&cast.roster, &cast.secrets, &cast.observer).map_err(|error| failed(&error))?;
    let tls = plan.setup.tls.as_ref().map(|tls| (tls.certificate.as_path(), tls.key.as_path()));
    let folder = plan.folder.join("mosquitto");
    let config = site::mosquitto(&folder, cast.roster.site(), logins, listen, tls);
    let config = config.map_err(|error| failed(&error))?;
    // What it says is for a file: it would stand between the lines of the progress.
    let said = File::create(said(plan)).map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.arg("-c").arg(config).stderr(said);
    Ok(command)
}

/// Where what it says is kept.
fn said(plan: &Plan) -> PathBuf {
    plan.folder.join("mosquitto.log")
}

/// The error, with what it said last.
fn told(plan: &Plan, error: &dyn std::fmt::Display) -> PlayError {
    let said = std::fs::read_to_string(said(plan)).unwrap_or_default();
    let last = said.lines().last().map_or_else(String::new, |line| format!("; it said last: {line}"));
    setup("mosquitto", &format!("{error}{last}"))
}

/// Waits until somebody listens there, on that very host.
pub(super) async fn listening(plan: &Plan, host: &Host, listen: SocketAddr) -> Result<(), PlayError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tried = host.inside(|| TcpStream::connect(listen)).map_err(|error| setup("broker", &error))?;
        match tried {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(told(plan, &error)),
        }
    }
}
