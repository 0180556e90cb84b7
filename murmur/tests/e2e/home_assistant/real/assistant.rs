//! A Home Assistant at work: a process of its own, and its REST and websocket APIs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/home_assistant");
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(100);
/// The folder of its configuration, as it sees it.
const CONFIG: &str = "/srv/config";

/// A Home Assistant in a Debian of its own, in the build folder; made once.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home-assistant");
    let made = Command::new(format!("{HERE}/install")).arg(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// A running Home Assistant with an empty configuration. It ends with its handle.
pub(super) struct HomeAssistant {
    root: PathBuf,
    log: PathBuf,
    port: u16,
    process: Process,
    talk: Talk,
}

impl HomeAssistant {
    /// Starts it and sets up its owner.
    pub(super) fn start(site: &Site) -> Self {
        let (root, log) = (installed(), site.path("home-assistant.log"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = root.join(CONFIG.trim_start_matches('/'));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let configuration = format!(
            "homeassistant:\n  name: Home\nhttp:\n  server_host: 127.0.0.1\n  server_port: {port}\n\
             api:\nconfig:\nonboarding:\nrepairs:\nwebsocket_api:\nlogger:\n  default: warning\n"
        );
        std::fs::write(folder.join("configuration.yaml"), configuration).unwrap();
        std::fs::copy(format!("{HERE}/talk.py"), root.join("srv/talk.py")).unwrap();
        let process = run(&root, &log);
        let talk = Talk::start(&root, port);
        Self { root, log, port, process, talk }
    }

    /// Ends it in order, and starts it again.
    pub(super) fn restart(&mut self) {
        self.process.terminate();
        self.process = run(&self.root, &self.log);
        self.talk = Talk::start(&self.root, self.port);
    }

    /// Adds its MQTT integration as a person does, for the site's broker, which speaks TLS: with the file of its authority.
    pub(super) fn add_broker(&mut self, site: &Site) {
        let login = site.login("home-assistant", "");
        let authority = std::fs::read_to_string(site.path("ca.pem")).unwrap();
        let authority = self.talk.ask(&json!({ "upload": authority }))["file_id"].take();
        let encryption = json!({
            "set_client_cert": false, "set_ca_cert": "custom", "certificate": authority, "transport": "tcp",
        });
        let flow = "/api/config/config_entries/flow";
        let form = self.post(flow, json!({ "handler": "mqtt" }));
        let step = format!("{flow}/{}", form["flow_id"].as_str().unwrap_or_else(|| panic!("{form}")));
        let asked = json!({
            "broker": "127.0.0.1", "port": login.broker.port(), "protocol": "5", "username": login.user,
            "password": login.password, "other_settings": encryption,
        });
        let done = self.post(&step, asked);
        assert_eq!(done["type"], "create_entry", "{done}");
    }

    /// An entity's state and attributes, if there is such an entity.
    pub(super) fn state(&mut self, entity: &str) -> Option<Value> {
        let told = self.talk.ask(&json!({ "get": format!("/api/states/{entity}") }));
        (told["status"] != 404).then_some(told)
    }

    /// The state of an entity as soon as it `fits`.
    pub(super) fn await_state(&mut self, entity: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = self.state(entity);
            if let Some(state) = last.clone().filter(&fits) {
                return state;
            }
            assert!(Instant::now() < deadline, "{entity} has no {what}: {last:?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// All entities that there are.
    pub(super) fn states(&mut self) -> Vec<Value> {
        self.talk.ask(&json!({ "get": "/api/states" })).as_array().unwrap().clone()
    }

    /// What the websocket says to a request of this type.
    pub(super) fn command(&mut self, kind: &str) -> Value {
        let told = self.talk.ask(&json!({ "ws": { "type": kind } }));
        assert_eq!(told["success"], true, "{kind}: {told}");
        told["result"].clone()
    }

    /// What it complains of.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let worth = |line: &&str| line.contains(" WARNING ") || line.contains(" ERROR ");
        log.lines().filter(worth).map(str::to_owned).collect()
    }

    fn post(&mut self, path: &str, data: Value) -> Value {
        self.talk.ask(&json!({ "post": path, "data": data }))
    }
}

fn run(root: &Path, log: &Path) -> Process {
    let mut command = inside(root, "hass");
    command.args(["--config", CONFIG, "--skip-pip"]);
    Process::start("home-assistant", &mut command, log.to_owned())
}

/// A program of its Debian, with nothing of this machine's environment.
fn inside(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command.env_clear().envs([
        ("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
        ("HOME", CONFIG),
        ("LANG", "C.UTF-8"),
    ]);
    command.arg(root).arg(format!("/srv/home-assistant/bin/{program}"));
    command
}

/// `talk.py`, which asks and answers line by line.
struct Talk {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    fn start(root: &Path, port: u16) -> Self {
        let mut command = inside(root, "python");
        command.args(["/srv/talk.py", &format!("http://127.0.0.1:{port}")]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (requests, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, requests, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{request}: {error}: {line:?}"))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
