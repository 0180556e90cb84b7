//! What every program of a role does around its work: logs, a runtime, Ctrl-C, an exit code.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::builder().parse_lossy(format!("{wanted},{always}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
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
