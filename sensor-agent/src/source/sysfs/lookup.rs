//! Devices by what they are called, whatever their number is now.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{SysfsError, text};

/// How many entries of a folder are looked at.
const MOST_ENTRIES: usize = 1024;

/// Which of the devices in a folder is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// What it is, for people.
    pub(super) what: &'static str,
    /// What the names of such devices begin with.
    pub(super) begins: &'static str,
    /// The file in which a device says what it is called.
    pub(super) file: &'static str,
    /// What it says there.
    pub(super) name: &'a str,
    /// What it says in its file `label`, where there are several of that name.
    pub(super) label: Option<&'a str>,
    /// A part of its path behind all links, where there are several.
    pub(super) path: Option<&'a str>,
}

impl Wanted<'_> {
    /// The one device in `folder` that is meant.
    pub(super) fn find(self, folder: &Path) -> Result<PathBuf, SysfsError> {
        let mut there = Vec::new();
        let mut found = Vec::new();
        for device in entries(folder, self.begins)? {
            // A device that goes while it is looked at is not there.
            let Ok(Some(name)) = text(&device.join(self.file)) else { continue };
            if name == self.name && self.is_labelled(&device) && self.is_at(&device) {
                found.push(device);
            } else {
                there.push(name);
            }
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                there.sort();
                there.dedup();
                let (what, wanted, folder) = (self.what, self.wanted(), folder.to_owned());
                Err(SysfsError::Absent { what, wanted, folder, there })
            }
            _ => {
                let there = found.iter().map(|device| telling(device)).collect();
                let (what, wanted, folder) = (self.what, self.wanted(), folder.to_owned());
                Err(SysfsError::Twins { key: "path", what, wanted, folder, there })
            }
        }
    }

    fn is_labelled(self, device: &Path) -> bool {
        self.label.is_none_or(|label| matches!(text(&device.join("label")), Ok(Some(said)) if said == label))
    }

    fn is_at(self, device: &Path) -> bool {
        let is = |path: &str| parts(device).iter().any(|part| part == path);
        self.path.is_none_or(is)
    }

    fn wanted(self) -> String {
        let mut wanted = format!("`{}`", self.name);
        for (key, value) in [("label", self.label), ("path", self.path)] {
            if let Some(value) = value {
                wanted += &format!(" with {key} `{value}`");
            }
        }
        wanted
    }
}

/// What is in `folder` under a name that begins so, in order.
pub(super) fn entries(folder: &Path, begins: &str) -> Result<Vec<PathBuf>, SysfsError> {
    let unreadable = |error: std::io::Error| SysfsError::Read {
        path: folder.to_owned(),
        why: format!("{error}; is the driver loaded?"),
    };
    let paths = fs::read_dir(folder).map_err(unreadable)?.take(MOST_ENTRIES).filter_map(Result::ok);
    let named = |path: &PathBuf| name(path).is_some_and(|name| name.starts_with(begins));
    let mut paths: Vec<_> = paths.map(|entry| entry.path()).filter(named).collect();
    paths.sort();
    Ok(paths)
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// The parts of the real path of what holds `device`: buses, addresses, ports.
fn parts(device: &Path) -> Vec<String> {
    let real = fs::canonicalize(device).unwrap_or_default();
    real.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

/// What tells `device` from its twins: the end of the path that it hangs at, without its number; of what hangs nowhere its
/// number alone.
fn telling(device: &Path) -> String {
    let numbered = |part: &str| part.starts_with("iio:device") || part.starts_with("hwmon") || part == "iio";
    parts(device).into_iter().rev().find(|part| !numbered(part)).unwrap_or_default()
}
