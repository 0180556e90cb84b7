//! A headless Chromium, led by its DevTools protocol over two pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::wait::{PATIENCE, eventually};

/// A browser with one page open, as wide as a phone.
pub(crate) struct Chromium {
    orders: File,
    answers: Receiver<Value>,
    session: String,
    sent: u64,
    // Before the folder, which the browser writes to until it ends.
    _process: Process,
    _folder: TempDir,
}

impl Chromium {
    /// Opens `address`.
    pub(crate) fn open(address: &str, log: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        // It reads orders from descriptor 3 and writes answers to 4.
        let mut command = Command::new("sh");
        let script = "exec chromium --headless --no-sandbox --disable-gpu --window-size=390,844 \
            --remote-debugging-pipe --user-data-dir=\"$2\" 3<\"$0\" 4>\"$1\"";
        command.args(["-c", script]).arg(&to).arg(&from).arg(folder.path().join("profile"));
        command.stdin(Stdio::null());
        let process = Process::start("chromium", &mut command, log.to_owned());
        // In the order in which the shell opens the other ends.
        let orders = File::options().write(true).open(&to).unwrap();
        let answers = read(File::open(&from).unwrap());
        let mut browser =
            Self { orders, answers, session: String::new(), sent: 0, _process: process, _folder: folder };
        let target = browser.call("Target.createTarget", &json!({ "url": address }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        browser.call("Emulation.setDeviceMetricsOverride", &phone);
        browser
    }

    /// What an expression of JavaScript comes to in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", &arguments)["result"]["value"].take()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn await_true(&mut self, expression: &str) {
        // While a page is left for the next one there is no answer to tell.
        eventually(expression, || (self.evaluate(expression) == true).then_some(()));
    }

    fn call(&mut self, method: &str, arguments: &Value) -> Value {
        self.sent += 1;
        let mut order = json!({ "id": self.sent, "method": method, "params": arguments });
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        let mut line = serde_json::to_vec(&order).unwrap();
        line.push(0);
        self.orders.write_all(&line).unwrap();
        loop {
            let mut answer =
                self.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: no answer"));
            if answer["id"] == self.sent {
                return answer["result"].take();
            }
        }
    }
}

/// What comes, each message ended by a zero.
fn read(from: File) -> Receiver<Value> {
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(from).split(0).map_while(Result::ok) {
            if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                return;
            }
        }
    });
    answers
}
