//! A site as `murmur site init` makes it, and its nodes as processes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smc_core::name::NodeName;
use smc_core::roster::Roster;
use smc_mqtt::config::{KeyFile, load_site};
use tempfile::TempDir;

use super::brokers::{Foreign, Kind};
use super::mosquitto::{Login, Subscriber};
use super::process::Process;
use super::programs::Program;
use super::wait::eventually;

/// What every site of these tests is called.
pub(crate) const NAME: &str = "hq";
/// The broker among the processes.
pub(crate) const BROKER: &str = "broker";

/// A site: a folder, and the processes that were started from it.
pub(crate) struct Site {
    // Before the folder, which is dropped after them: they write there until they end.
    processes: BTreeMap<String, Process>,
    folder: TempDir,
    roster: Arc<Roster>,
    broker: Option<SocketAddr>,
    kind: Kind,
    /// The broker's configuration, if it is not the embedded one.
    foreign: Option<Foreign>,
    /// Whether nodes are told where the broker is.
    tells: bool,
}

impl Site {
    /// Makes a site in a folder of its own: three peers; agents, quantities and the like by `flags`.
    pub(crate) fn init(flags: &[&str]) -> Self {
        Self::init_on(Kind::chosen(), flags)
    }

    /// The same with a broker of this kind.
    fn init_on(kind: Kind, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Program::Murmur.command();
        command.args(["site", "init"]).arg(folder.path()).args(["--name", NAME]).args(flags);
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let roster = load_site(&folder.path().join("site.toml")).unwrap();
        let processes = BTreeMap::new();
        Self { folder, roster, broker: None, kind, foreign: None, tells: true, processes }
    }

    /// A site with windows of a second that fit a busy machine, and cohorts that change every `epoch`.
    pub(crate) fn quick(epoch: &str, flags: &[&str]) -> Self {
        Self::quick_on(Kind::chosen(), epoch, flags)
    }

    /// The same with a broker of this kind.
    pub(crate) fn quick_on(kind: Kind, epoch: &str, flags: &[&str]) -> Self {
        let mut site = Self::init_on(kind, &[&["--period", "1s"], flags].concat());
        // As much as there is between two windows: a window that comes late is no subject of these tests.
        site.set("site.toml", "grace", "\"400ms\"");
        site.set("site.toml", "step", "\"3s\"");
        site.set("site.toml", "cohort_epoch", &format!("\"{epoch}\""));
        site
    }

    /// Gives the site a name that no other site has, and tells nobody where its broker is.
    pub(crate) fn hide_broker(&mut self, name: &str) {
        for file in ["site.toml", "broker.toml"] {
            let line =
                |line: &str| line.replacen(&format!("name = \"{NAME}\""), &format!("name = \"{name}\""), 1);
            let line = |text: &str| {
                line(text).replacen(&format!("site = \"{NAME}\""), &format!("site = \"{name}\""), 1)
            };
            self.edit(file, |text| text.lines().map(|text| line(text) + "\n").collect());
        }
        for node in self.peers().into_iter().chain(self.agents()) {
            self.edit(&format!("{node}.toml"), |text| {
                let others = text.lines().filter(|line| !line.starts_with("broker = "));
                others.map(|line| format!("{line}\n")).collect()
            });
        }
        self.tells = false;
    }

    /// Gives `key` another value in every place of a file where it has one.
    pub(crate) fn set(&mut self, file: &str, key: &str, value: &str) {
        self.edit(file, |text| {
            let (mut changed, begins) = (false, format!("{key} = "));
            let line = |line: &str| {
                let ours = line.starts_with(&begins);
                changed |= ours;
                if ours { format!("{begins}{value}\n") } else { format!("{line}\n") }
            };
            let text: String = text.lines().map(line).collect();
            assert!(changed, "{file} has no {key}");
            text
        });
    }

    /// Replaces a file's text.
    pub(crate) fn edit(&mut self, file: &str, change: impl FnOnce(&str) -> String) {
        let path = self.path(file);
        let text = change(&std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, text).unwrap();
        if file == "site.toml" {
            self.roster = load_site(&path).unwrap();
        }
    }

    /// Gives an agent another source than the simulated room; `source` is the table without its header.
    pub(crate) fn set_source(&mut self, agent: &str, source: &str) {
        self.edit(&format!("{agent}.toml"), |text| {
            let (before, _) = text.split_once("[[source]]").unwrap();
            format!("{before}[[source]]\n{source}")
        });
    }

    /// A file of the site.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    pub(crate) fn peers(&self) -> Vec<String> {
        self.roster.peers().map(|(_, node)| node.name.to_string()).collect()
    }

    pub(crate) fn agents(&self) -> Vec<String> {
        self.roster.agents().iter().map(|agent| agent.node.name.to_string()).collect()
    }

    /// Starts the broker on a free port, or again on the one that it had.
    pub(crate) fn start_broker(&mut self) -> SocketAddr {
        if self.kind != Kind::Embedded {
            return self.start_foreign();
        }
        let listen = self.broker.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut command = Program::Broker.command();
        let variable = if self.ca().is_some() { "MURMUR_TLS__LISTEN" } else { "MURMUR_LISTEN" };
        command.arg("--config").arg(self.path("broker.toml")).env(variable, listen.to_string());
        let mut process = Process::start(BROKER, &mut command, self.log(BROKER));
        let mut line = String::new();
        BufReader::new(process.stdout()).read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches(" with TLS").strip_prefix("listening on ").map(str::parse);
        let address = address.unwrap_or_else(|| panic!("{line:?}, {}", process.stderr())).unwrap();
        self.processes.insert(BROKER.to_owned(), process);
        self.use_broker(address);
        address
    }

    fn start_foreign(&mut self) -> SocketAddr {
        let (log, folder, kind) = (self.log(BROKER), self.folder.path(), self.kind);
        let foreign = self.foreign.get_or_insert_with(|| Foreign::new(kind, folder));
        let (address, process) = (foreign.address(), foreign.start(log));
        self.processes.insert(BROKER.to_owned(), process);
        self.use_broker(address);
        // RabbitMQ listens before it knows anybody.
        let login = self.login("observer", "observer-first");
        eventually("the broker lets in who it should", || login.comes_in().then_some(()));
        address
    }

    /// Ends the broker as one is asked to (SIGTERM), and expects that it ended well.
    pub(crate) fn end_broker(&mut self) {
        // A NATS server has no other way to end.
        let well = if self.kind == Kind::Nats { 1 } else { 0 };
        let log = self.log_of(BROKER);
        assert_eq!(self.process(BROKER).terminate().code(), Some(well), "{log}");
    }

    /// Has nodes and clients connect to a broker that runs elsewhere.
    pub(crate) fn use_broker(&mut self, address: SocketAddr) {
        self.broker = Some(address);
    }

    /// Where the broker is, as commands take it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.ca().is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{}", self.broker.unwrap())
    }

    /// The file of the site's own authority, if it was made with TLS.
    fn ca(&self) -> Option<PathBuf> {
        Some(self.path("ca.pem")).filter(|path| path.exists())
    }

    /// Starts a peer or an agent.
    pub(crate) fn start(&mut self, node: &str) {
        self.start_with(node, &[]);
    }

    /// Starts a peer or an agent in an environment that has these variables besides.
    pub(crate) fn start_with(&mut self, node: &str, environment: &[(&str, &str)]) {
        // Whoever joined later is not in the site file; only peers consent to anything.
        let config = std::fs::read_to_string(self.path(&format!("{node}.toml"))).unwrap();
        let program = if config.contains("\nconsent = ") { Program::Peer } else { Program::Agent };
        let mut command = program.command();
        command.arg("--config").arg(self.path(&format!("{node}.toml")));
        if self.tells {
            command.env("MURMUR_BROKER", self.url());
        }
        command.envs(environment.iter().copied());
        let process = Process::start(node, &mut command, self.log(node));
        self.processes.insert(node.to_owned(), process);
    }

    /// Runs `murmur` with the site's broker, and returns what it printed.
    pub(crate) fn murmur(&self, arguments: &[&str]) -> String {
        let mut command = Program::Murmur.command();
        command.current_dir(self.folder.path()).args(arguments);
        let output = command.env("MURMUR_BROKER", self.url()).output().unwrap();
        let (said, why) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "murmur {arguments:?}: {said}{why}");
        said
    }

    /// Starts the broker, all agents and all peers.
    pub(crate) fn start_all(&mut self) {
        self.start_broker();
        self.start_nodes();
    }

    /// Starts all agents and peers.
    pub(crate) fn start_nodes(&mut self) {
        for node in self.agents().into_iter().chain(self.peers()) {
            self.start(&node);
        }
    }

    /// A process that was started.
    pub(crate) fn process(&mut self, node: &str) -> &mut Process {
        self.processes.get_mut(node).unwrap()
    }

    /// How many peers were started.
    pub(crate) fn running_peers(&self) -> usize {
        self.peers().iter().filter(|peer| self.processes.contains_key(*peer)).count()
    }

    /// What a node wrote to standard error over all its lives.
    pub(crate) fn log_of(&self, node: &str) -> String {
        std::fs::read_to_string(self.log(node)).unwrap()
    }

    /// The login of a node, or of `observer` and `home-assistant`; those two may have any number of clients.
    pub(crate) fn login(&self, user: &str, client: &str) -> Login {
        let password = match user.parse::<NodeName>().ok().filter(|_| self.has_key_file(user)) {
            Some(node) => self.login_password(node.as_str()),
            None => {
                let password = std::fs::read_to_string(self.path(&format!("keys/{user}.password"))).unwrap();
                password.trim().to_owned()
            }
        };
        let (broker, user, client) = (self.broker.unwrap(), user.to_owned(), client.to_owned());
        Login { broker, user, password, client, ca: self.ca() }
    }

    /// The password of a node.
    pub(crate) fn login_password(&self, node: &str) -> String {
        self.key_file(&node.parse().unwrap()).password.reveal().to_owned()
    }

    /// Puts the password of an account that is no node's where other brokers' configurations are made from.
    pub(crate) fn tell_password(&self, account: &str, password: &str) {
        std::fs::write(self.path(&format!("keys/{account}.password")), password).unwrap();
    }

    /// The secrets of a node.
    pub(crate) fn key_file(&self, node: &NodeName) -> KeyFile {
        KeyFile::load(&self.path(&format!("keys/{node}.key")), node).unwrap()
    }

    /// Looks on as `observer`, under the client id `client`.
    pub(crate) fn subscribe(&self, client: &str, filters: &[&str]) -> Subscriber {
        self.subscribe_as("observer", client, filters)
    }

    /// Looks on with the login of `user`.
    pub(crate) fn subscribe_as(&self, user: &str, client: &str, filters: &[&str]) -> Subscriber {
        Subscriber::start(&self.login(user, client), filters, self.log(client))
    }

    /// Fails if any process panicked; there is no input that may make one.
    pub(crate) fn assert_nobody_panicked(&self) {
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let log = std::fs::read_to_string(&path).unwrap();
                assert!(!log.contains("panicked"), "{}:\n{log}", path.display());
            }
        }
    }

    fn has_key_file(&self, node: &str) -> bool {
        self.path(&format!("keys/{node}.key")).exists()
    }

    fn log(&self, process: &str) -> PathBuf {
        Path::new(self.folder.path()).join(format!("{process}.log"))
    }
}
