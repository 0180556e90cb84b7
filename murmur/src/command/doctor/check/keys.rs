//! May nobody else read the secrets, and are they those of the site file?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use smc_core::name::NodeName;
use smc_core::roster::SiteDocument;
use smc_mqtt::config::KeyFile;

use crate::command::doctor::findings::Findings;

const CHECK: &str = "keys";

/// Looks at the folder `keys` beside the site file, if it is there.
pub(in crate::command::doctor) fn check(site_file: &Path, site: &SiteDocument, findings: &mut Findings) {
    let folder = site_file.with_file_name("keys");
    let Ok(entries) = fs::read_dir(&folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| ["key", "password", "pem"].contains(&extension(path)));
    paths.sort();
    let (mut closed, mut ours) = (0, 0);
    for path in &paths {
        if !is_closed(path, findings) {
            continue;
        }
        closed += 1;
        ours += usize::from(extension(path) == "key" && is_a_members(path, site, findings));
    }
    if findings.is_well(CHECK) {
        let folder = folder.display();
        findings.ok(
            CHECK,
            format!("{folder}: {closed} files for their owner alone, {ours} of them keys of members"),
        );
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn is_closed(path: &Path, findings: &mut Findings) -> bool {
    let shown = path.display();
    match fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o077 == 0 => true,
        Ok(mode) => {
            findings.problem(
                CHECK,
                format!("{shown}: mode {mode:04o}, so others may read it"),
                format!("chmod 600 {shown}; and if anybody else has an account here, give the node new keys (`murmur member rekey`)"),
            );
            false
        }
        Err(error) => {
            findings.problem(CHECK, format!("{shown}: {error}"), "restore it from a copy");
            false
        }
    }
}

/// Whether these are the keys that the member list has for the node that the file is called after.
fn is_a_members(path: &Path, site: &SiteDocument, findings: &mut Findings) -> bool {
    // The next keys of a node are called otherwise, and nobody's yet.
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let Ok(node) = stem.parse::<NodeName>() else { return false };
    let keys = match KeyFile::load(path, &node) {
        Ok(file) => file.keys,
        Err(error) => {
            findings.problem(CHECK, error.to_string(), "restore it from a copy, or `murmur member rekey`");
            return false;
        }
    };
    let own = (keys.signing.verifying_key(), *keys.sealing.public());
    match site.members().find(|(name, ..)| **name == node) {
        None => {
            let says = format!("{}: the keys of {node}, who is no member of the site", path.display());
            findings.note(CHECK, says, "remove the file if the node left, or let it join (`murmur pair`)");
            false
        }
        Some((_, identity, sealing)) if identity.is_none_or(|known| *known == own.0) && *sealing == own.1 => {
            true
        }
        Some(_) => {
            findings.problem(
                CHECK,
                format!("{}: other keys than the member list has for {node}", path.display()),
                "restore the right file; or, if the old keys are lost, `murmur member rekey`",
            );
            false
        }
    }
}
