//! The site whose nodes read the bytes, with keys that are the same in every run.

use std::sync::{Arc, LazyLock};

use smc_core::identity::NodeKeys;
use smc_core::roster::Roster;
use smc_core::roster::document::QueryTable;
use smc_sim::world::Site;

/// Three peers of which any one learns nothing, six agents, a number and a vector.
pub(crate) fn site() -> Site {
    let site = Site::of(3, 1).numbers("level", 4).vector("shape", 2, 3);
    let site = (0..6).fold(site, |site, _| site.agent(&[("floor", "1")], &["level", "shape"]));
    let query = |function: &str, quantity: &str| {
        QueryTable::new(function.parse().unwrap(), function, quantity.parse().unwrap())
    };
    let mut sealed = query("max", "level");
    sealed.audience = "room-101".parse().ok();
    site.asking(query("sum", "level")).asking(query("vector_sum", "shape")).asking(sealed)
}

/// What its file says.
pub(crate) static ROSTER: LazyLock<Arc<Roster>> = LazyLock::new(|| Arc::new(site().roster()));

/// Its peers' keys.
pub(crate) static KEYS: LazyLock<Vec<NodeKeys>> = LazyLock::new(|| site().keys);
