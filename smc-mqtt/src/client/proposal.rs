//! What a site makes of a request, before anybody is asked: so that whoever asks learns at once what no peer could compute.

use std::sync::Arc;
use std::time::Duration;

use smc_core::request::Request;
use smc_core::roster::{Roster, RosterError, SiteDocument, Span};
use smc_core::shamir::Degree;
use smc_core::time::Period;

/// A request that the site can compute, if its peers allow it.
#[derive(Debug)]
pub struct Proposal {
    /// What would be asked.
    pub request: Request,
    /// The site with this query alone: for opening and telling what comes of it.
    pub roster: Arc<Roster>,
    /// How many peers have to compute it.
    pub needs: usize,
    /// How many agents its scope covers.
    pub agents: usize,
    /// How often there would be a result.
    pub every: Duration,
}

/// Why no peer can compute it.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// The interval does not go with the windows of the quantity.
    #[error("every {every} does not go with windows of {period}: choose a multiple, such as {period}")]
    Every {
        /// What was asked for.
        every: Span,
        /// The quantity's period.
        period: Span,
    },
    /// Function, quantity, parameters or audience are none of the site's.
    #[error(transparent)]
    Query(#[from] Box<RosterError>),
    /// Its scope never has enough agents.
    #[error("{agents} agents are in its scope, and results need {minimum}; no result could ever come")]
    TooFew {
        /// How many there are.
        agents: usize,
        /// How many it takes.
        minimum: u32,
    },
}

impl Proposal {
    /// Holds `request` against the site.
    ///
    /// # Errors
    /// Why no peer can compute it.
    pub fn new(site: &SiteDocument, request: Request) -> Result<Self, ProposalError> {
        let alone = SiteDocument { query: vec![request.query.clone()], ..site.clone() };
        let roster = Roster::try_from(alone).map_err(Box::new)?;
        let (index, query) =
            roster.queries().next().ok_or_else(|| Box::new(RosterError::TooManyQueries { have: 0 }))?;
        let measured = roster.quantity(query.quantity);
        let period = measured.quantity.period();
        let every = every(request.every, period)?;
        let agents = |&(bundle, _): &(smc_core::roster::BundleIndex, usize)| roster.bundle(bundle).agent;
        let mut agents: Vec<_> = measured.streams.iter().map(agents).collect();
        agents.dedup();
        agents.retain(|&agent| roster.covers(index, agent));
        let (agents, minimum) = (agents.len(), query.minimum_cohort);
        if agents < minimum as usize {
            return Err(ProposalError::TooFew { agents, minimum });
        }
        let products = if query.function.multiplies() { roster.sharing().needed(Degree::Double) } else { 0 };
        let needs = roster.quorum().size().max(products);
        Ok(Self { request, roster: Arc::new(roster), needs, agents, every })
    }
}

fn every(every: Option<Span>, period: Period) -> Result<Duration, ProposalError> {
    let period = period.as_duration();
    let Some(every) = every else { return Ok(period) };
    let whole = every.get().as_micros().is_multiple_of(period.as_micros());
    if whole && !every.get().is_zero() {
        Ok(every.get())
    } else {
        Err(ProposalError::Every { every, period: Span::new(period) })
    }
}

#[cfg(test)]
mod tests {
    use smc_core::request::Request;

    use super::super::testing::Site;
    use super::*;

    #[test]
    fn what_no_peer_could_compute_is_told_at_once() {
        let site = Site::new();
        let propose = |change: &dyn Fn(&mut Request)| {
            let mut request = site.request("mean");
            change(&mut request);
            Proposal::new(&site.document, request)
        };
        let proposal = propose(&|_| {}).unwrap();
        assert_eq!((proposal.needs, proposal.agents, proposal.every), (2, 6, Duration::from_secs(10)));
        assert_eq!(propose(&|request| request.query.function = "max".into()).unwrap().needs, 3);
        let every = |secs| propose(&|request| request.every = Some(Span::from_secs(secs)));
        assert_eq!(every(60).unwrap().every, Duration::from_secs(60));
        for secs in [0, 5, 15] {
            assert!(matches!(every(secs), Err(ProposalError::Every { .. })), "{secs}");
        }
        let scope = propose(&|request| drop(request.query.scope.insert("floor".into(), "1".into())));
        assert!(matches!(scope, Err(ProposalError::TooFew { agents: 1, minimum: 5 })));
        let unknown = propose(&|request| request.query.function = "guess".into());
        assert!(unknown.unwrap_err().to_string().contains("guess"));
    }
}
