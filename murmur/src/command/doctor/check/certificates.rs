//! Until when do the certificates hold?

use std::fs;
use std::path::{Path, PathBuf};

use smc_core::time::Timestamp;
use smc_mqtt::tls::{Expiring, Facts, NOTICE, certificates};

use crate::command::doctor::findings::Findings;
use crate::command::doctor::seen::Seen;

const CHECK: &str = "certificates";

/// Looks at the certificates beside the site file, if there are any.
pub(in crate::command::doctor) fn check(site_file: &Path, now: Timestamp, findings: &mut Findings) {
    let folder = site_file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
    paths.sort();
    for path in paths {
        file(&path, folder, now, findings);
    }
}

/// What peers say of the certificates of their connections.
pub(in crate::command::doctor) fn told(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    for (peer, heard) in seen.peers() {
        for Expiring { certificate, not_after } in heard.iter().flat_map(|heard| &heard.certificates) {
            let says = |verb| {
                format!("{peer} says: the certificate `{certificate}` of its connection {verb} {not_after}")
            };
            let remedy = "murmur site renew on the machine of the site's authority, and the new files to where they are read; or have \
                          whoever issued it issue another one";
            if *not_after <= now {
                findings.problem(CHECK, says("ended"), remedy);
            } else {
                findings.note(CHECK, says("ends"), remedy);
            }
        }
    }
}

fn file(path: &Path, folder: &Path, now: Timestamp, findings: &mut Findings) {
    let remedy =
        format!("murmur site renew {}; or have whoever issued it issue another one", folder.display());
    let found = match certificates(path) {
        Ok(found) => found,
        Err(error) => return findings.problem(CHECK, error.to_string(), remedy),
    };
    // The one that is shown comes first, those that vouch for it after it.
    let facts: Vec<_> = found.iter().filter_map(|der| Facts::read(der)).collect();
    let Some(first) = facts.iter().min_by_key(|facts| facts.not_after) else {
        return findings.problem(
            CHECK,
            format!("{}: no certificate that can be read", path.display()),
            remedy,
        );
    };
    let (shown, begins, ends) = (path.display(), first.not_before, first.not_after);
    if ends <= now {
        findings.problem(CHECK, format!("{shown}: ended {ends}"), remedy);
    } else if begins > now {
        findings.problem(
            CHECK,
            format!("{shown}: holds from {begins} on"),
            "compare the clock of this machine; or wait",
        );
    } else if ends <= now + NOTICE {
        findings.note(CHECK, format!("{shown}: ends {ends}"), remedy);
    } else {
        findings.ok(CHECK, format!("{shown}: holds until {ends}"));
    }
}
