//! What every program of a role does around its work: logs, a runtime, Ctrl-C, an exit code.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Resolves when the process is asked to end.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `work` until it ends by itself or Ctrl-C or SIGTERM ends it tidily. Logs go to standard error, as much as
/// `RUST_LOG` asks for; an error goes there too, and the exit code is 1.
pub fn run<F, W>(name: &str, work: W) -> ExitCode
where
    F: Future<Output = Result<(), Box<dyn std::error::Error>>>,
    W: FnOnce(Shutdown) -> F,
{
    start_log("info", "");
    // One thread: a role is a loop beside its connection, and what they hand to each other stays on one core.
    let outcome =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Into::into).and_then(
            |runtime| {
                let outcome = runtime.block_on(async { work(Box::pin(asked_to_end())).await });
                // Without waiting for threads: a sensor's driver may never answer the one that asks it.
                runtime.shutdown_background();
                outcome
            },
        );
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error what `RUST_LOG` asks for, or else `default`; and `always`, whatever it asks for.
pub fn start_log(default: &str, always: &str) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .finish()
        .with(levels(&format!("{wanted},{always}")))
        .init();
}

/// What is said of which part: `info,smc_peer=debug`. Not more than that, as filters by fields of spans do: those bring regular
/// expressions along, which an agent has no other use for. What makes no sense is left out; of nothing at all, errors are said.
fn levels(wanted: &str) -> Targets {
    let sensible = |part: &&str| !part.is_empty() && part.parse::<Targets>().is_ok();
    let parts: Vec<&str> = wanted.split(',').map(str::trim).filter(sensible).collect();
    let errors = Targets::new().with_default(LevelFilter::ERROR);
    if parts.is_empty() { errors } else { parts.join(",").parse().unwrap_or(errors) }
}

/// Resolves on Ctrl-C or SIGTERM; a system without signals never asks.
pub async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// CPU time that this thread has taken, user and system; zero where the system does not tell.
pub fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_logged_is_what_was_asked_for_and_what_makes_no_sense_is_left_out() {
        let asked = levels("warn, smc_peer=debug,a=b=c,,rumqttd=off");
        assert!(
            asked.would_enable("smc_mqtt", &Level::WARN) && !asked.would_enable("smc_mqtt", &Level::INFO)
        );
        assert!(asked.would_enable("smc_peer::run", &Level::DEBUG));
        assert!(!asked.would_enable("rumqttd", &Level::ERROR));
        for nothing in ["", " ,", "a=b=c"] {
            let errors = levels(nothing);
            assert!(errors.would_enable("smc_mqtt", &Level::ERROR), "{nothing:?}");
            assert!(!errors.would_enable("smc_mqtt", &Level::WARN), "{nothing:?}");
        }
    }
}
