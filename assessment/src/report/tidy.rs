//! Every number that was measured, one to a row.

use csv::Writer;
use serde::Serialize;

use crate::journal::Recorded;
use crate::scenario::{KEYS, value_of};
use crate::sweep::measured;

/// The columns after the parameters.
const COLUMNS: [&str; 8] = ["repetition", "subject", "role", "node", "phase", "window", "measure", "value"];

/// The table: the point's name, its parameters, which run, and the number.
pub(super) fn csv(recorded: &Recorded) -> String {
    let mut table = Writer::from_writer(Vec::new());
    // What is written into memory does not fail.
    let _ = table.write_record(["point"].into_iter().chain(KEYS).chain(COLUMNS));
    for (entry, observations) in measured(recorded) {
        let mut front = vec![entry.point.to_string()];
        front.extend(KEYS.map(|key| value_of(&entry.parameters, key)));
        front.push(entry.run.repetition.to_string());
        for observation in observations {
            let back = [
                name(&observation.subject),
                name(&observation.role),
                observation.node.clone(),
                name(&observation.phase),
                observation.window.map(|window| window.to_string()).unwrap_or_default(),
                name(&observation.measure),
                observation.value.to_string(),
            ];
            let _ = table.write_record(front.iter().chain(&back));
        }
    }
    table.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// A variant as files have it.
fn name(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
