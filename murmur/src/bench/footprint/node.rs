//! One node of the site: its own program as a process of its own, as an installation has it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use smc_mqtt::settings::BrokerAddress;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::bench::{BenchError, LIMIT};
use crate::usage;

/// A node; its process ends with this value.
pub(super) struct Node {
    program: &'static str,
    name: String,
    config: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
    /// From its start until it said that it is there.
    pub(super) ready: Duration,
}

impl Node {
    /// A node of the site in `folder`, not started yet.
    pub(super) fn of(folder: &Path, program: &'static str, name: &str) -> Self {
        let config = folder.join(format!("{name}.toml"));
        let ready = Duration::ZERO;
        Self { program, name: name.to_owned(), config, environment: Vec::new(), process: None, ready }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Overrides a key of its file.
    pub(super) fn set(&mut self, key: &'static str, value: &str) {
        self.environment.push((key, value.to_owned()));
    }

    /// Starts its program, which lies beside this one.
    pub(super) fn start(&mut self) -> Result<(), BenchError> {
        let here = std::env::current_exe().map_err(BenchError::Folder)?;
        let program = here.with_file_name(self.program);
        let mut command = Command::new(&program);
        command.arg("--config").arg(&self.config).env("RUST_LOG", "warn");
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let started = command.spawn();
        self.process = Some(started.map_err(|error| {
            BenchError::Footprint(format!("{}: {error}; build it there first", program.display()))
        })?);
        Ok(())
    }

    /// Starts the broker, which says where it listens.
    pub(super) async fn start_listening(&mut self) -> Result<BrokerAddress, BenchError> {
        let began = Instant::now();
        self.start()?;
        let output = self.process.as_mut().and_then(|process| process.stdout.take());
        let mut lines = BufReader::new(output.ok_or(BenchError::Stalled(LIMIT))?).lines();
        let line = timeout(LIMIT, lines.next_line()).await.map_err(|_| BenchError::Stalled(LIMIT))?;
        self.ready = began.elapsed();
        let line = line.map_err(BenchError::Folder)?.unwrap_or_default();
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        address.ok_or_else(|| BenchError::Footprint(format!("the broker says {line:?}")))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// What it holds now, in MiB.
    pub(super) fn rss_mib(&self) -> f64 {
        self.pid().and_then(usage::rss_mib).unwrap_or_default()
    }

    /// The most that it ever held.
    pub(super) fn peak_rss_mib(&self) -> f64 {
        self.pid().map(usage::Usage::of).unwrap_or_default().peak_rss_mib
    }
}
