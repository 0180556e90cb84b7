//! Sensors of every kind at one site: a driver's files, a program, a serial line, a web server.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use nix::pty::openpty;
use nix::unistd::ttyname;
use smc_core::result::{SignedResult, Status};

use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, number};
use crate::support::site::Site;

/// How often a device says something by itself.
const RHYTHM: Duration = Duration::from_millis(100);

/// A folder in place of `/sys` with one device of two channels, which can be unplugged.
struct Driver(PathBuf);

impl Driver {
    fn plugged(site: &Site) -> Self {
        let root = site.path("sys");
        let device = root.join("devices/i2c-1/1-0062/iio:device0");
        fs::create_dir_all(root.join("bus/iio/devices")).unwrap();
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("name"), "scd4x\n").unwrap();
        fs::write(device.join("in_temp_scale"), "10\n").unwrap();
        let driver = Self(root);
        driver.plug(0, 2137);
        driver
    }

    /// Links the device under this number, as drivers do when one is plugged in.
    fn plug(&self, number: u32, raw: u32) {
        let device = self.0.join("devices/i2c-1/1-0062/iio:device0");
        fs::write(device.join("in_temp_raw"), format!("{raw}\n")).unwrap();
        std::os::unix::fs::symlink(device, self.link(number)).unwrap();
    }

    fn unplug(&self, number: u32) {
        fs::remove_file(self.link(number)).unwrap();
    }

    fn link(&self, number: u32) -> PathBuf {
        self.0.join(format!("bus/iio/devices/iio:device{number}"))
    }
}

/// A device that writes `text` to a serial line, over and over, for as long as what is returned is kept.
fn serial_device(text: &'static str) -> (PathBuf, Sender<()>) {
    let pty = openpty(None, None).unwrap();
    let path = ttyname(&pty.slave).unwrap();
    let (kept, dropped) = channel();
    std::thread::spawn(move || {
        let (mut device, _slave) = (File::from(pty.master), pty.slave);
        while dropped.recv_timeout(RHYTHM) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            device.write_all(text.as_bytes()).unwrap();
        }
    });
    (path, kept)
}

/// A web server that answers `body` to everybody; its address.
fn web_server(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = client.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}/rpc/Shelly.GetStatus")
}

/// Waits for a sum of all four that is exactly this, all of them fresh.
fn await_sum(observer: &Subscriber, sum: f64) -> SignedResult {
    await_outcome(observer, "temperature-sum", &format!("exactly {sum}, all fresh"), |signed| {
        all_fresh(signed, 4) && number(signed) == Some(sum)
    })
}

/// Unplugs the device, and waits for a result in which its room is carried. When an epoch ends just then, the room is left out
/// of the next cohort instead: then it is plugged in, and unplugged once more.
fn await_carried(driver: &Driver, observer: &Subscriber, sum: f64) {
    loop {
        driver.unplug(0);
        let without = await_outcome(observer, "temperature-sum", "a room that is not fresh", |signed| {
            signed.result.status == Status::Ok && signed.result.fresh == 3
        });
        if without.result.carried == 1 {
            assert_eq!((without.result.cohort, number(&without)), (4, Some(sum)), "its last reading counts");
            return;
        }
        driver.plug(0, 2137);
        await_sum(observer, sum);
    }
}

#[test]
fn sensors_of_every_kind_add_up_and_one_that_vanishes_is_carried_until_it_is_back() {
    let flags = ["--agents", "4", "--minimum-cohort", "3", "--quantities", "temperature"];
    let mut site = Site::quick("10s", &flags);
    let driver = Driver::plugged(&site);
    let (line, _device) = serial_device("T=19.25C\r\n");
    let url = web_server(r#"{"temperature:0":{"id":0,"tC":22.01,"tF":71.6}}"#);
    site.set_source(
        "room-1",
        "kind = \"iio\"\nroot = \"sys\"\ninterval_s = 0.2\n\
         sensors.temperature = { device = \"scd4x\", channel = \"temp\" }\n",
    );
    site.set_source(
        "room-2",
        "kind = \"command\"\nprogram = \"echo\"\narguments = [\"temp=20.5'C\"]\ninterval_s = 0.2\n\
         readings.temperature = { prefix = \"temp=\" }\n[stream.temperature]\nwindow = \"mean\"\nmaximum = 40\n",
    );
    let serial = format!(
        "kind = \"serial\"\ndevice = \"{}\"\nreadings.temperature = {{ prefix = \"T=\" }}\n",
        line.display()
    );
    site.set_source("room-3", &serial);
    let http = format!(
        "kind = \"http\"\nurl = \"{url}\"\ninterval_s = 0.2\nreadings.temperature = {{ pointer = \"/temperature:0/tC\" }}\n"
    );
    site.set_source("room-4", &http);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_sum(&observer, 83.13);

    await_carried(&driver, &observer, 83.13);
    driver.plug(3, 2300);
    await_sum(&observer, 84.76);
    let log = site.log_of("room-1");
    let count = |words: &str| log.matches(words).count();
    assert!(count("a sensor can't be read; trying again") >= 1, "{log}");
    assert_eq!(count("a sensor can't be read"), count("a sensor can be read again"), "each once: {log}");
    assert!(log.contains("no device `scd4x`; there are none"), "{log}");
    site.assert_nobody_panicked();
}
