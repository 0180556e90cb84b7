//! Mosquitto's command line clients: what people look at a broker with.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use super::process::Process;
use super::wait::PATIENCE;

const NEEDED: &str = "mosquitto_sub and mosquitto_pub are needed: apt-get install mosquitto-clients";
/// Retained or not, topic, payload in hexadecimal: one line whatever the payload is.
const FORMAT: &str = "%r %t %x";

/// A login at a broker; anonymous if `user` is empty.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) broker: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    /// Nodes are one client each, called as they are; whoever shares a login needs a name of their own.
    pub(crate) client: String,
    /// The authority of the broker's certificate, if it speaks TLS.
    pub(crate) ca: Option<PathBuf>,
}

impl Login {
    fn command(&self, tool: &str) -> Command {
        self.introduce(Command::new(tool))
    }

    /// For what ends by itself, unless the broker never answers.
    fn bounded(&self, tool: &str) -> Command {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(tool);
        self.introduce(command)
    }

    fn introduce(&self, mut command: Command) -> Command {
        let (host, port) = (self.broker.ip().to_string(), self.broker.port().to_string());
        command.args(["-h", &host, "-p", &port, "-i", &self.client]);
        if !self.user.is_empty() {
            command.args(["-u", &self.user, "-P", &self.password]);
        }
        // Without it they would wait for ever for a broker that waits for their TLS.
        command.args(self.ca.iter().flat_map(|ca| [Path::new("--cafile"), ca]));
        command
    }

    /// Whether the broker lets it in, and lets it subscribe something.
    pub(crate) fn comes_in(&self) -> bool {
        let mut command = self.bounded("mosquitto_sub");
        command.args(["-E", "-q", "1", "-t", "murmur/hq/charter"]).output().expect(NEEDED).status.success()
    }

    /// Publishes the content of `file` at QoS 1 and returns what came of it.
    pub(crate) fn publish_file(&self, topic: &str, file: &Path) -> Output {
        self.publish_file_at("1", topic, file)
    }

    /// The same at QoS 0, which no answer is waited for.
    pub(crate) fn publish_file_unanswered(&self, topic: &str, file: &Path) -> Output {
        self.publish_file_at("0", topic, file)
    }

    fn publish_file_at(&self, qos: &str, topic: &str, file: &Path) -> Output {
        self.bounded("mosquitto_pub").args(["-q", qos, "-t", topic, "-f"]).arg(file).output().expect(NEEDED)
    }

    /// Publishes every line of `file` at QoS 1, as fast as the broker takes them.
    pub(crate) fn publish_lines(&self, topic: &str, file: &Path) -> Output {
        let lines = std::fs::File::open(file).unwrap();
        self.command("mosquitto_pub")
            .args(["-q", "1", "-t", topic, "-l"])
            .stdin(lines)
            .output()
            .expect(NEEDED)
    }

    /// Publishes `payload` at QoS 1.
    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        self.publish_with(&[], topic, payload);
    }

    /// Publishes `payload` at QoS 1 for those who come later, too.
    pub(crate) fn publish_retained(&self, topic: &str, payload: &str) {
        self.publish_with(&["-r"], topic, payload);
    }

    fn publish_with(&self, flags: &[&str], topic: &str, payload: &str) {
        let mut command = self.bounded("mosquitto_pub");
        command.args(["-q", "1", "-t", topic, "-m", payload]).args(flags);
        let output = command.output().expect(NEEDED);
        assert!(
            output.status.success(),
            "mosquitto_pub -t {topic}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A message that mosquitto_sub printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) retained: bool,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retained = if self.retained { ", retained" } else { "" };
        write!(f, "{} {}{retained}", self.topic, String::from_utf8_lossy(&self.payload))
    }
}

impl Message {
    fn read(line: &str) -> Self {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_else(|| panic!("mosquitto_sub printed {line:?}"));
        let (retained, topic, hex) = (part() == "1", part().to_owned(), part());
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Self { retained, topic, payload: (0..hex.len()).step_by(2).map(byte).collect() }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// A running mosquitto_sub.
pub(crate) struct Subscriber {
    messages: Receiver<Message>,
    _process: Process,
}

impl Subscriber {
    /// Subscribes `filters`.
    pub(crate) fn start(login: &Login, filters: &[&str], stderr: PathBuf) -> Self {
        let mut command = login.command("mosquitto_sub");
        command.args(["-q", "1", "-F", FORMAT]);
        for filter in filters {
            command.args(["-t", filter]);
        }
        assert!(Command::new("mosquitto_sub").arg("--help").output().is_ok(), "{NEEDED}");
        let mut process = Process::start("mosquitto_sub", &mut command, stderr);
        let lines = BufReader::new(process.stdout()).lines();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(Message::read(&line)).is_err() {
                    return;
                }
            }
        });
        Self { messages, _process: process }
    }

    /// The first message, of those not looked at yet, of which `find` makes something; those before it are passed
    /// over.
    pub(crate) fn wait_for<T>(&self, what: &str, mut find: impl FnMut(Message) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(message) => match find(message) {
                    Some(found) => return found,
                    None => continue,
                },
                Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} in vain: {what}"),
                Err(RecvTimeoutError::Disconnected) => panic!("mosquitto_sub ended, waiting: {what}"),
            }
        }
    }

    /// What has come and was not looked at yet.
    pub(crate) fn drain(&self) -> Vec<Message> {
        self.messages.try_iter().collect()
    }
}
