//! A serial line as the operating system has it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK};
use nix::sys::termios::{
    BaudRate, ControlFlags, SetArg, Termios, cfmakeraw, cfsetspeed, tcgetattr, tcsetattr,
};
use serde::Deserialize;
use tokio::net::unix::pipe::Receiver;

/// The speed of a serial line in bits per second; 9600 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Baud(BaudRate);

/// Why a number is no speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`baud` is one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600; see the device's manual"
)]
pub struct BaudError;

impl Default for Baud {
    fn default() -> Self {
        Self(BaudRate::B9600)
    }
}

impl TryFrom<u32> for Baud {
    type Error = BaudError;
    fn try_from(bits: u32) -> Result<Self, BaudError> {
        Ok(Self(match bits {
            1200 => BaudRate::B1200,
            2400 => BaudRate::B2400,
            4800 => BaudRate::B4800,
            9600 => BaudRate::B9600,
            19_200 => BaudRate::B19200,
            38_400 => BaudRate::B38400,
            57_600 => BaudRate::B57600,
            115_200 => BaudRate::B115200,
            230_400 => BaudRate::B230400,
            460_800 => BaudRate::B460800,
            921_600 => BaudRate::B921600,
            _ => return Err(BaudError),
        }))
    }
}

/// Why a serial line can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// It broke off.
    #[error("{}: {error}; was it unplugged?", .device.display())]
    Broken {
        /// The line.
        device: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is at its end, which a serial line has only when its other end is gone.
    #[error("{}: ended; was it unplugged?", .device.display())]
    Ended {
        /// The line.
        device: PathBuf,
    },
    /// It is something else.
    #[error("{}: {error}, so it is no serial line; look in /dev/serial/by-id", .device.display())]
    NotSerial {
        /// What it should have been.
        device: PathBuf,
        /// What the operating system says.
        error: Errno,
    },
    /// It can't be opened.
    #[error("{}: {error}; look in /dev/serial/by-id, and whether the agent's user is in the group dialout", .device.display())]
    Open {
        /// The line.
        device: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Opens a line for reading: eight bits, no parity, one stop bit, no flow control, nothing interpreted.
pub(super) fn open(device: &Path, baud: Baud) -> Result<Receiver, SerialError> {
    let unopened = |error| SerialError::Open { device: device.to_owned(), error };
    let flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(device).map_err(unopened)?;
    let settings = tcgetattr(&file).and_then(|settings| {
        let settings = raw(settings, baud)?;
        tcsetattr(&file, SetArg::TCSANOW, &settings)
    });
    settings.map_err(|error| SerialError::NotSerial { device: device.to_owned(), error })?;
    // What tokio calls a pipe is a file that is read when the kernel says that there is something, which a line is, too.
    Receiver::from_file_unchecked(file).map_err(unopened)
}

fn raw(mut settings: Termios, baud: Baud) -> nix::Result<Termios> {
    cfmakeraw(&mut settings);
    settings.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL;
    settings.control_flags &= !(ControlFlags::CSTOPB | ControlFlags::CRTSCTS);
    cfsetspeed(&mut settings, baud.0)?;
    Ok(settings)
}
