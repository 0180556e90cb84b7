//! A real Mosquitto on a free port, ended with its handle.

// Shared by several tests and benches: no single one of them uses all of it, and a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use smc_mqtt::connection::{ConnectionSettings, Happening, Publisher, connect};
use tempfile::TempDir;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The broker's process. Dropping it kills the broker.
pub(crate) struct Mosquitto {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts one that lets everybody in.
    pub(crate) fn open() -> Self {
        Self::with("allow_anonymous true\n", &[])
    }

    /// Starts one that knows these users and passwords only.
    pub(crate) fn guarded(logins: &[(&str, &str)]) -> Self {
        Self::with("allow_anonymous false\n", logins)
    }

    /// Starts one with these lines in its configuration.
    pub(crate) fn with(lines: &str, logins: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        // Without `user root` a Mosquitto started by root gives up the right to read our files.
        let mut config = format!("listener {port} 127.0.0.1\nuser root\nset_tcp_nodelay true\n{lines}");
        let passwords = folder.path().join("passwords");
        for (user, password) in logins {
            if !passwords.exists() {
                std::fs::write(&passwords, "").unwrap();
                config += &format!("password_file {}\n", passwords.display());
            }
            let made =
                Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([user, password]).status();
            assert!(made.expect("mosquitto_passwd (package mosquitto) is needed for this test").success());
        }
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { port, folder, process: None };
        broker.start();
        broker
    }

    /// Starts it, or starts it again, on the same port; returns once it listens.
    pub(crate) fn start(&mut self) {
        self.stop();
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto (package mosquitto) is needed for this test");
        self.process = Some(process);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client called `device`, connected.
    pub(crate) async fn device(&self) -> Publisher {
        let settings = ConnectionSettings::new(self.address().parse().unwrap(), "device");
        let (publisher, mut incoming) = connect(settings, vec![]);
        while incoming.next().await.expect("open") != Happening::Connected {}
        tokio::spawn(async move { while incoming.next().await.is_some() {} });
        publisher
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop();
    }
}
