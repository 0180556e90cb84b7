//! `smc-broker`: the embedded MQTT broker as a process of its own.

use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use smc_broker::settings::{Settings, SettingsError};
use smc_broker::{Broker, BrokerError, Password, PasswordHash, PasswordHashError, QUIET_ROUTER, Speaks};
use smc_mqtt::process;
use zeroize::Zeroizing;

const EXAMPLES: &str = r#"Examples:
  smc-broker --config broker.toml
  echo "a long password" | smc-broker passwd dashboard

A configuration file:
  site = "hq"
  listen = "127.0.0.1:1883"      # port 0 takes a free one
  state_dir = "state"            # retained messages; relative to this file
  announce = true                # tell the network by multicast DNS where the broker is

  #[tls]                         # beside `listen`, or in place of it
  #listen = "0.0.0.0:8883"
  #certificate = "broker.pem"    # read again when it changes
  #key = "keys/broker-key.pem"

  [[account]]
  name = "dashboard"
  role = "reader"                # agent, peer, reader, home-assistant or device
  password_hash = "$argon2id$..."

  [[account]]
  name = "zigbee2mqtt"
  role = "device"
  password_hash = "$argon2id$..."
  publish = ["zigbee2mqtt/#"]    # beyond what the role allows
  subscribe = ["zigbee2mqtt/#"]

MURMUR_LISTEN, MURMUR_STATE_DIR, MURMUR_SITE, MURMUR_ANNOUNCE, MURMUR_ANONYMOUS, MURMUR_LIMITS__<LIMIT>,
MURMUR_TLS__<KEY> and MURMUR_WEBSOCKET__<KEY> override the file; RUST_LOG sets what is logged (error, warn, info, debug)."#;

/// The embedded MQTT broker of Murmuration: MQTT 3.1.1 and 5, one account per node, nothing allowed but what
/// its role needs.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads a password from standard input and prints its hash for the configuration file.
    Passwd {
        /// The account that the password is for.
        name: String,
    },
}

/// Why the program ends with a failure.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("standard input or output: {0}")]
    Io(#[from] std::io::Error),
    #[error("no password on standard input: type one, or pipe it in")]
    NoPassword,
    #[error(transparent)]
    PasswordHash(#[from] PasswordHashError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match (arguments.command, arguments.config) {
        (Some(Command::Passwd { name }), _) => passwd(&name),
        (None, Some(path)) => serve(&path),
        (None, None) => return ExitCode::from(2),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("smc-broker: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn passwd(name: &str) -> Result<(), Failure> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        eprintln!("Password for {name} (it will be visible):");
    }
    let mut line = Zeroizing::new(String::new());
    input.read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::NoPassword);
    }
    println!("{}", PasswordHash::of(&Password::new(password.as_bytes()))?);
    eprintln!("Put this into the account {name:?} of the configuration file as password_hash.");
    Ok(())
}

fn told((speaks, address): (Speaks, SocketAddr)) -> String {
    match speaks {
        Speaks::Plain => format!("listening on {address}\n"),
        Speaks::SecureWebsocket => format!("listening on {address} for websockets with TLS\n"),
        Speaks::Tls => format!("listening on {address} with TLS\n"),
        Speaks::Websocket => format!("listening on {address} for websockets\n"),
    }
}

fn serve(path: &Path) -> Result<(), Failure> {
    process::start_log("info", QUIET_ROUTER);
    let config = Settings::load(path)?;
    // Every connection is an open file; where the limit stays, connections beyond it are turned away.
    if let Err(error) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let broker = Broker::bind(config).await?;
        let mut output = std::io::stdout().lock();
        // At once: whoever waits for the first line may not stay for the others.
        output.write_all(broker.listeners().map(told).collect::<String>().as_bytes())?;
        output.flush()?;
        drop(output);
        let counters = broker.counters();
        let outcome = broker.run(process::asked_to_end()).await;
        tracing::info!(counters = %serde_json::to_string(&counters.snapshot()).unwrap_or_default(), "ended");
        Ok(outcome?)
    })
}
