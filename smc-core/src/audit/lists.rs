//! By which member list each entry of a log is judged.

use std::sync::Arc;

use super::check::Row;
use super::entry::Kind;
use super::instant;
use super::record::Started;
use super::unfit::Unfit;
use crate::charter::{CharterError, Enacted, Eras, Register};
use crate::roster::{Roster, RosterError, SiteDocument};

/// The member lists of a log, which has the charters that led to them.
///
/// A peer says in each start which list it goes by; until it says so it goes by the list before, though another one may have
/// taken force a little earlier. So entries are judged by the list that the last start named.
#[derive(Debug)]
pub struct Lists {
    /// What the log has told of so far.
    logged: Register,
    /// What is known from elsewhere.
    told: Register,
    /// The list that the last start named, if it is known.
    named: Option<Arc<Roster>>,
}

impl Lists {
    /// Begins with the site file, and the charters that are known from elsewhere: those that the log lacks are taken from
    /// there.
    ///
    /// # Errors
    /// If the site does not hold together.
    pub fn new(site: SiteDocument, told: Register) -> Result<Self, RosterError> {
        Ok(Self { logged: Register::new(site)?, told, named: None })
    }

    /// Whose signatures counted when, as far as is known by now.
    pub fn eras(&self) -> &Eras {
        let more = self.logged.revision() > self.told.revision();
        if more { self.logged.eras() } else { self.told.eras() }
    }

    /// Takes note of the next entry; by which list it is to be judged, and what is wrong with it if it is a charter that does
    /// not count.
    pub fn follow(&mut self, row: &Row) -> (Arc<Roster>, Option<Unfit>) {
        let is_charter = row.kind == Kind::Membership.as_str();
        let unfit = if is_charter { self.enact(&row.body).err() } else { None };
        (self.list_of(row), unfit)
    }

    fn list_of(&mut self, row: &Row) -> Arc<Roster> {
        if row.kind == Kind::Start.as_str()
            && let Ok(Started { roster, .. }) = serde_json::from_str(&row.body)
        {
            let known = |register: &Register| register.eras().with_digest(&roster).cloned();
            self.named = known(&self.logged).or_else(|| known(&self.told));
        }
        if let Some(named) = &self.named {
            return Arc::clone(named);
        }
        // A log that lacks charters, or of a site file that was changed by hand: what held then is the best there is.
        let time = instant::parse(&row.time);
        Arc::clone(time.map_or_else(|| self.eras().newest(), |time| self.eras().at(time)))
    }

    /// Takes in a charter that the log has.
    fn enact(&mut self, body: &str) -> Result<(), Unfit> {
        let malformed = |_| Unfit::Charter(CharterError::Malformed);
        let enacted: Enacted = serde_json::from_str(body).map_err(malformed)?;
        let revision = enacted.charter.revision;
        let at = |register: &Register| {
            let before = usize::try_from(revision).ok()?.checked_sub(1)?;
            register.charters().get(before).cloned()
        };
        if at(&self.told).is_some_and(|told| told.charter != enacted.charter) {
            return Err(Unfit::Charter(CharterError::Fork { revision }));
        }
        if at(&self.logged).is_some_and(|known| known == enacted) {
            return Ok(());
        }
        // Those that came to the peer while it did not run.
        let missed = self.told.charters().iter().skip(self.logged.charters().len());
        for missed in missed.take_while(|missed| missed.charter.revision < revision) {
            self.logged.enact(missed.clone()).map_err(Unfit::Charter)?;
        }
        self.logged.enact(enacted).map_err(Unfit::Charter)
    }
}
