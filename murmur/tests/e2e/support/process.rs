//! A running program whose words are kept, ended with its handle.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::wait::eventually;

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; what it writes to standard error goes to the file `stderr`, after what is there.
    pub(crate) fn start(name: &str, command: &mut Command, stderr: PathBuf) -> Self {
        let log = File::options().create(true).append(true).open(&stderr).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, stderr }
    }

    /// The standard output, once.
    pub(crate) fn stdout(&mut self) -> impl Read + Send + use<> {
        self.child.stdout.take().unwrap()
    }

    /// What it prints on its standard output, one JSON document per line, as it comes.
    pub(crate) fn json_lines(&mut self) -> Receiver<Value> {
        let lines = BufReader::new(self.stdout()).lines();
        let (sender, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        told
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Asks it to end (SIGTERM) and returns how it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        // A shell is everywhere; its `kill` needs no further package and no unsafe code here.
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -$0 $1", signal, &pid]).status().unwrap();
        assert!(sent.success(), "{} is not there any more", self.name);
    }

    /// Fails if it has ended.
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended: {status}: {}", self.name, self.stderr());
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(&what, || self.child.try_wait().unwrap())
    }

    /// Ends it without a word (SIGKILL).
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(&self.stderr).unwrap_or_default();
            eprintln!("--- {} said:\n{said}", self.name);
        }
    }
}
