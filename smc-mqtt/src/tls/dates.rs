//! Certificates that soon hold no more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smc_core::time::Timestamp;

use super::Facts;

/// How long before a certificate ends it is spoken of.
pub const NOTICE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long it is not spoken of again.
const PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// A certificate that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// Whose: `authority`, `broker`, `own`, or the file that it is in.
    pub certificate: String,
    /// When.
    pub not_after: Timestamp,
}

/// Until when the certificates that matter here hold.
#[derive(Debug, Default)]
pub struct Dates(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    certificates: Vec<Expiring>,
    told: Option<Timestamp>,
}

impl Dates {
    /// Notes these, in place of what was noted before.
    pub fn note<'a>(&self, certificates: impl IntoIterator<Item = (&'a str, &'a Facts)>) {
        let expiring = |(name, facts): (&str, &Facts)| Expiring {
            certificate: name.to_owned(),
            not_after: facts.not_after,
        };
        self.lock().certificates = certificates.into_iter().map(expiring).collect();
    }

    /// Those that end within [`NOTICE`] from `now`, or have ended; in the log, too, once a day.
    pub fn look(&self, now: Timestamp) -> Vec<Expiring> {
        let mut noted = self.lock();
        let soon = |certificate: &&Expiring| certificate.not_after <= now + NOTICE;
        let expiring: Vec<_> = noted.certificates.iter().filter(soon).cloned().collect();
        let is_due = noted.told.is_none_or(|told| now.since(told) >= PAUSE || told > now);
        if is_due && !expiring.is_empty() {
            noted.told = Some(now);
            for Expiring { certificate, not_after } in &expiring {
                tracing::warn!(
                    certificate,
                    %not_after,
                    "a certificate ends soon: have it renewed (`murmur site renew` for those that `site init --tls` made)"
                );
            }
        }
        expiring
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_spoken_of_a_month_before_it_ends_and_afterwards() {
        let day = Duration::from_secs(24 * 3_600);
        let end = Timestamp::default() + 400 * day;
        let facts = Facts { names: vec![], not_before: Timestamp::default(), not_after: end };
        let dates = Dates::default();
        assert_eq!(dates.look(end), [], "nothing was noted");
        dates.note([("broker", &facts)]);
        assert_eq!(dates.look(end - 31 * day), []);
        let told = [Expiring { certificate: "broker".to_owned(), not_after: end }];
        assert_eq!(dates.look(end - 30 * day), told);
        assert_eq!(dates.look(end + 2 * day), told);
    }
}
