//! The brokers that a site can have, each a real process with the configuration that `murmur site broker` writes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;
use super::programs::Program;
use super::wait::eventually;

/// The variable that chooses the broker of all sites of a run: a name below.
const CHOICE: &str = "E2E_BROKER";

/// Which broker a site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Mosquitto,
    Nats,
    Rabbitmq,
}

impl Kind {
    /// The one that the run is made with.
    pub(crate) fn chosen() -> Self {
        match std::env::var(CHOICE).as_deref() {
            Err(_) | Ok("embedded") => Self::Embedded,
            Ok("mosquitto") => Self::Mosquitto,
            Ok("nats") => Self::Nats,
            Ok("rabbitmq") => Self::Rabbitmq,
            Ok(other) => panic!("{CHOICE}={other}: choose embedded, mosquitto, nats or rabbitmq"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::Rabbitmq => "rabbitmq",
        }
    }
}

/// Ends a test that is about the embedded broker's own behaviour when the run is made with another one; `reason` says what
/// others need not do.
pub(crate) fn is_elsewhere(reason: &str) -> bool {
    let elsewhere = Kind::chosen() != Kind::Embedded;
    if elsewhere {
        eprintln!("SKIPPED with {}: {reason}", Kind::chosen().name());
    }
    elsewhere
}

/// Ends a test over RabbitMQ, which hands out what is retained by name alone, and takes ten seconds to start; `reason` says which
/// of that matters here.
pub(crate) fn is_rabbitmq(reason: &str) -> bool {
    let rabbitmq = Kind::chosen() == Kind::Rabbitmq;
    if rabbitmq {
        eprintln!("SKIPPED with rabbitmq: {reason}");
    }
    rabbitmq
}

/// A broker of somebody else, in a folder of its own. What runs beside it ends with it.
pub(crate) struct Foreign {
    kind: Kind,
    site: PathBuf,
    address: SocketAddr,
    /// RabbitMQ's directory of Erlang nodes: our own, since one that RabbitMQ starts would outlive it.
    directory: Option<(u16, Process)>,
}

impl Foreign {
    /// The broker of the site in the folder `site`.
    pub(crate) fn new(kind: Kind, site: &Path) -> Self {
        Self { kind, site: site.to_owned(), address: free_address(), directory: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it with what `murmur site broker` makes of the site as it is now, and waits until it listens.
    pub(crate) fn start(&mut self, log: PathBuf) -> Process {
        self.configure();
        let mut command = match self.kind {
            Kind::Embedded => panic!("the embedded broker is none of somebody else"),
            Kind::Mosquitto => self.command("mosquitto", "mosquitto.conf"),
            Kind::Nats => self.command("nats-server", "nats-server.conf"),
            Kind::Rabbitmq => self.rabbitmq(&log),
        };
        let mut process = Process::start(self.kind.name(), &mut command, log);
        let what = format!("{} listens", self.kind.name());
        eventually(&what, || {
            process.assert_running();
            TcpStream::connect(self.address).ok()
        });
        process
    }

    fn configure(&self) {
        let mut command = Program::Murmur.command();
        command.args(["site", "broker", self.kind.name(), "--force"]).arg(&self.site);
        let made = command.args(["--listen", &self.address.to_string()]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if self.kind == Kind::Mosquitto {
            // Otherwise a Mosquitto started by root gives up the right to read our files.
            let path = self.file("mosquitto.conf");
            let config = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, config + "user root\n").unwrap();
        }
    }

    /// A file of the broker's folder.
    fn file(&self, name: &str) -> PathBuf {
        self.site.join(self.kind.name()).join(name)
    }

    fn command(&self, program: &str, config: &str) -> Command {
        // Debian keeps servers in sbin, which is not on everybody's path.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let mut command = Command::new(program);
        command.env("PATH", path).arg("-c").arg(self.file(config));
        command
    }

    /// With everything that it keeps in the folder, and names and ports that no other RabbitMQ has.
    fn rabbitmq(&mut self, log: &Path) -> Command {
        let (directory, _) = self.directory.get_or_insert_with(|| {
            let port = free_address().port();
            let mut command = Command::new("epmd");
            command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
            (port, Process::start("epmd", &mut command, log.to_owned()))
        });
        // Debian's own command asks for root and becomes another user.
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("ERL_EPMD_PORT", directory.to_string());
        command.env("RABBITMQ_NODENAME", format!("murmur-{}@localhost", self.address.port()));
        command.env("RABBITMQ_DIST_PORT", free_address().port().to_string());
        command.env("RABBITMQ_CONFIG_FILE", self.file("rabbitmq.conf"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", self.file("enabled_plugins"));
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_MNESIA_BASE", self.file("data"));
        command.env("RABBITMQ_LOG_BASE", self.file("log")).env("HOME", self.file(""));
        command.env("ERL_CRASH_DUMP", self.file("crash.dump"));
        // Then the shell becomes the server, and a signal to the process reaches it.
        command.env("RUNNING_UNDER_SYSTEMD", "1");
        command
    }
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
