//! The topics of the Homie convention, version 4: a site is a device, each of its queries a node.

use sha2::{Digest as _, Sha256};
use smc_core::name::{QueryName, SiteName};

/// Everything that speaks Homie.
pub const HOMIE_EVERYTHING: &str = "homie/#";

/// The version of the convention.
pub const VERSION: &str = "4.0.0";

/// How many bytes of a name's digest tell names apart that Homie would not.
const DIGEST: usize = 4;

/// The topics of one site.
#[derive(Debug, Clone)]
pub struct HomieTopics {
    device: String,
}

/// What is told of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// How many agents its newest window covers.
    Cohort,
    /// Whether its newest window has a value, and if not, why.
    Outcome,
    /// The value.
    Value,
}

impl Property {
    /// All of them, in the order in which a node names them.
    pub const ALL: [Self; 3] = [Self::Value, Self::Outcome, Self::Cohort];

    /// What it is called in topics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Outcome => "outcome",
            Self::Value => "value",
        }
    }
}

impl HomieTopics {
    /// Those of `site`.
    pub fn new(site: &SiteName) -> Self {
        Self { device: id(&format!("murmur-{site}")) }
    }

    /// All of them.
    pub fn everything(&self) -> String {
        format!("homie/{}/#", self.device)
    }

    /// An attribute of the device, such as `$state`.
    pub fn attribute(&self, attribute: &str) -> String {
        format!("homie/{}/{attribute}", self.device)
    }

    /// What `query` is called as a node.
    pub fn node(query: &QueryName) -> String {
        id(query.as_str())
    }

    /// An attribute of a query's node.
    pub fn node_attribute(&self, query: &QueryName, attribute: &str) -> String {
        format!("homie/{}/{}/{attribute}", self.device, Self::node(query))
    }

    /// What is told of a query.
    pub fn property(&self, query: &QueryName, property: Property) -> String {
        self.node_attribute(query, property.id())
    }

    /// An attribute of what is told of a query.
    pub fn property_attribute(&self, query: &QueryName, property: Property, attribute: &str) -> String {
        format!("{}/{attribute}", self.property(query, property))
    }
}

/// Homie has lower case, digits and hyphens between them. A name with anything else is told apart by its digest.
fn id(name: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.chars().all(fits) && !name.ends_with('-') {
        return name.to_owned();
    }
    let lower: String = name.to_lowercase().replace('_', "-");
    let digest = Sha256::digest(name);
    let digest = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}-{digest}", lower.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids_that_homie_takes_and_no_two_the_same() {
        let names = ["co2-mean", "CO2-mean", "co2_mean", "co2-mean-", "co2-mean_"];
        let mut ids: Vec<_> = names.iter().map(|name| id(name)).collect();
        assert_eq!(ids[0], "co2-mean");
        for id in &ids {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(id.bytes().all(fits) && !id.ends_with('-') && !id.starts_with('-'), "{id}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), names.len());
    }

    #[test]
    fn a_query_is_a_node_of_the_site() {
        let topics = HomieTopics::new(&"hq".parse().unwrap());
        let query = "co2-mean".parse().unwrap();
        assert_eq!(topics.attribute("$state"), "homie/murmur-hq/$state");
        assert_eq!(topics.property(&query, Property::Value), "homie/murmur-hq/co2-mean/value");
        let unit = topics.property_attribute(&query, Property::Value, "$unit");
        assert_eq!(unit, "homie/murmur-hq/co2-mean/value/$unit");
    }
}
