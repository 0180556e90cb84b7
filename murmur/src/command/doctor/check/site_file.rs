//! Is the site file one, and does it say what its owner wants?

use std::path::Path;

use smc_mqtt::config::ConfigError;
use smc_mqtt::members::Members;

use crate::command::doctor::findings::Findings;

const CHECK: &str = "site";

/// What the member list is, if there is one.
pub(in crate::command::doctor) fn check(
    path: &Path,
    told: Result<Members, ConfigError>,
    findings: &mut Findings,
) -> Option<Members> {
    let roster = told.and_then(|members| Ok((members.roster()?, members)));
    let (roster, members) = match roster {
        Ok(read) => read,
        Err(error) => {
            let remedy = "mend the file, or copy it anew from another node: all nodes have the same";
            findings.problem(CHECK, error.to_string(), remedy);
            return None;
        }
    };
    for caution in roster.cautions() {
        findings.note(CHECK, caution.to_string(), "change it in the site files of all nodes");
    }
    let sharing = roster.sharing();
    let (agents, queries) = (roster.agents().len(), roster.queries().count());
    findings.ok(
        CHECK,
        format!(
            "{}: {} at revision {}: {} peers of which any {} together learn nothing, {agents} agents, {queries} queries",
            path.display(),
            roster.site(),
            members.register().revision_in_force(),
            sharing.peers(),
            sharing.threshold(),
        ),
    );
    if agents < roster.minimum_cohort() as usize {
        let minimum = roster.minimum_cohort();
        findings.problem(
            CHECK,
            format!("{agents} agents, where no result may cover fewer than {minimum}"),
            "let more agents join (`murmur pair`, `murmur member add`), or lower site.minimum_cohort",
        );
    }
    Some(members)
}
