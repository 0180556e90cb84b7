//! The small files of which sysfs is made.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No file that is read here has more bytes.
const LONGEST: u64 = 4096;

/// Why a sensor can't be read from sysfs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SysfsError {
    /// There is no such device now.
    #[error("{}: no {what} {wanted}{}", .folder.display(), alternatives(.there))]
    Absent {
        /// What is looked for.
        what: &'static str,
        /// As what.
        wanted: String,
        /// Where.
        folder: PathBuf,
        /// What is there instead.
        there: Vec<String>,
    },
    /// A file is empty: the sensor did not answer the driver.
    #[error("{}: empty: the sensor does not answer; look at its wires", .0.display())]
    Empty(PathBuf),
    /// The driver says that the sensor is out of order.
    #[error("{}: the driver reports a fault of the sensor; look at its wires", .0.display())]
    Fault(PathBuf),
    /// A driver has not answered for long.
    #[error("{}: a driver does not answer; look at its bus, or unplug the sensor", .root.display())]
    Hangs {
        /// Where sysfs is.
        root: PathBuf,
    },
    /// A file holds no number.
    #[error("{}: holds no number; choose another `channel`", .0.display())]
    NotANumber(PathBuf),
    /// What a 1-wire thermometer says before it has measured anything.
    #[error("{}: says 85 °C, which it does before it has measured; look at its power", .0.display())]
    PowerUp(PathBuf),
    /// A file can't be read.
    #[error("{}: {why}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Several devices are called so.
    #[error("{}: {what} {wanted} is there more than once: say which by `{key}`, out of: {}", .folder.display(), .there.join(", "))]
    Twins {
        /// By which key of the file they can be told apart.
        key: &'static str,
        /// What is looked for.
        what: &'static str,
        /// As what.
        wanted: String,
        /// Where.
        folder: PathBuf,
        /// What tells them apart.
        there: Vec<String>,
    },
}

fn alternatives(there: &[String]) -> String {
    if there.is_empty() {
        "; there are none".to_owned()
    } else {
        format!("; there are: {}", there.join(", "))
    }
}

/// A file's text without what surrounds it; none if there is no such file.
pub(super) fn text(path: &Path) -> Result<Option<String>, SysfsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SysfsError::Read { path: path.to_owned(), why: error.to_string() }),
    }
}

/// The number in a file; none if there is no such file.
pub(super) fn number_if_there(path: &Path) -> Result<Option<f64>, SysfsError> {
    let Some(text) = text(path)? else { return Ok(None) };
    if text.is_empty() {
        return Err(SysfsError::Empty(path.to_owned()));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(SysfsError::NotANumber(path.to_owned())),
    }
}

/// The number in a file.
pub(super) fn number(path: &Path) -> Result<f64, SysfsError> {
    number_if_there(path)?.ok_or_else(|| SysfsError::Read {
        path: path.to_owned(),
        why: "there is no such file; look for another `channel` beside it".to_owned(),
    })
}
