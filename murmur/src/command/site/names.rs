//! Lists of nodes on the command line: a number, names with commas between, or a file of names.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use smc_core::name::{NameError, NodeName};
use smc_core::roster::MAX_AGENTS;

/// The largest file of names that is read, in bytes: as many of the longest names as a site may have.
const MAX_FILE: u64 = (MAX_AGENTS * (smc_core::name::MAX_NAME + 2)) as u64;

/// Which nodes are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// So many, numbered from 1.
    Count(usize),
    /// One name per line; lines that are empty or begin with `#` don't count.
    File(PathBuf),
    /// These.
    List(Vec<NodeName>),
}

/// Why a list of names can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamesError {
    /// There is nobody in it.
    #[error("no names; give a list, a number or @FILE")]
    Empty,
    /// The file is larger than all names of the largest site.
    #[error("{path}: larger than {MAX_FILE} bytes; a file of names has one name per line")]
    FileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line of the file is no name.
    #[error("{path}, line {line}: {error}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong.
        error: NameError,
    },
    /// An item of the list is no name.
    #[error("`{text}`: {error}")]
    Name {
        /// The item.
        text: String,
        /// What is wrong.
        error: NameError,
    },
    /// The file can't be read.
    #[error("{path}: {error}; give the path of a text file after the @")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are more than a site may have.
    #[error("{have} names; a site has at most {MAX_AGENTS} agents")]
    TooMany {
        /// How many were asked for.
        have: usize,
    },
}

impl FromStr for Names {
    type Err = NamesError;

    fn from_str(text: &str) -> Result<Self, NamesError> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::File(path.into()));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self::Count(text.parse().unwrap_or(usize::MAX)));
        }
        let name = |text: &str| {
            let shown = || text.chars().take(80).flat_map(char::escape_debug).collect();
            text.parse().map_err(|error| NamesError::Name { text: shown(), error })
        };
        Ok(Self::List(text.split(',').map(str::trim).map(name).collect::<Result<_, _>>()?))
    }
}

impl Names {
    /// The names; a number N becomes `prefix-1` to `prefix-N`.
    ///
    /// # Errors
    /// If there are none or too many, or a file can't be used.
    pub(super) fn resolve(self, prefix: &str) -> Result<Vec<NodeName>, NamesError> {
        let names = match self {
            Self::Count(have) if have > MAX_AGENTS => return Err(NamesError::TooMany { have }),
            Self::Count(count) => numbered(prefix, count)?,
            Self::File(path) => read(path)?,
            Self::List(names) => names,
        };
        match names.len() {
            0 => Err(NamesError::Empty),
            have if have > MAX_AGENTS => Err(NamesError::TooMany { have }),
            _ => Ok(names),
        }
    }
}

fn numbered(prefix: &str, count: usize) -> Result<Vec<NodeName>, NamesError> {
    let name = |number| {
        let text = format!("{prefix}-{number}");
        text.parse().map_err(|error| NamesError::Name { text, error })
    };
    (1..=count).map(name).collect()
}

fn read(path: PathBuf) -> Result<Vec<NodeName>, NamesError> {
    let failed = |error| NamesError::Read { path: path.clone(), error };
    let mut text = String::new();
    File::open(&path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(NamesError::FileTooLarge { path });
    }
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, name)| !name.is_empty() && !name.starts_with('#'))
        .map(|(line, name)| {
            name.parse().map_err(|error| NamesError::Line { path: path.clone(), line, error })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Vec<String>, String> {
        let names = text.parse::<Names>().and_then(|names| names.resolve("room"));
        names.map(|names| names.iter().map(ToString::to_string).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_number_counts_and_a_list_names() {
        assert_eq!(resolved("3").unwrap(), ["room-1", "room-2", "room-3"]);
        assert_eq!(resolved("101, a_b").unwrap(), ["101", "a_b"]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_place() {
        for (text, says) in [
            ("", "``: a name must not be empty"),
            ("a,,b", "``: a name must not be empty"),
            ("a,b/c", "`b/c`: a name consists of"),
            ("a\u{1b}[2J", "`a\\u{1b}[2J`: a name consists of"),
            ("0", "no names"),
            ("100001", "100001 names; a site has at most 100000"),
            ("99999999999999999999999", "a site has at most 100000"),
            ("@/nowhere/at/all", "/nowhere/at/all: No such file"),
        ] {
            let refused = resolved(text).unwrap_err();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_file_has_one_name_per_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rooms.txt");
        std::fs::write(&path, "# first floor\nroom-101\r\n\n  room-102\n").unwrap();
        assert_eq!(resolved(&format!("@{}", path.display())).unwrap(), ["room-101", "room-102"]);
        std::fs::write(&path, "room-101\nroom 102\n").unwrap();
        let refused = resolved(&format!("@{}", path.display())).unwrap_err();
        assert!(refused.contains("rooms.txt, line 2: a name consists of"), "{refused}");
        std::fs::write(&path, b"room-\xff").unwrap();
        assert!(resolved(&format!("@{}", path.display())).unwrap_err().contains("valid UTF-8"));
    }
}
