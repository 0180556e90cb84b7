//! What a site makes of a request, before anybody is asked: so that whoever asks learns at once what no peer could compute.

use smc_core::request::Admissible;
use smc_core::roster::Roster;
use smc_core::session::{Session, SessionError};
use smc_core::shamir::Degree;

/// A request that the site can compute, if its peers allow it.
#[derive(Debug)]
pub struct Proposal {
    /// What is asked, as every peer would compute it.
    pub session: Session,
    /// How many peers have to compute it.
    pub needs: usize,
    /// How many agents its scope covers.
    pub agents: usize,
}

impl Proposal {
    /// Holds `asked` against the site.
    ///
    /// # Errors
    /// Why no peer can compute it.
    pub fn new(roster: &Roster, asked: &Admissible) -> Result<Self, SessionError> {
        let session = Session::asked(roster, asked)?;
        let multiplies = session.query().function.multiplies();
        let products = if multiplies { roster.sharing().needed(Degree::Double) } else { 0 };
        let agents = session.agents(roster).len();
        Ok(Self { needs: roster.quorum().size().max(products), agents, session })
    }
}

#[cfg(test)]
mod tests {
    use smc_core::request::Request;
    use smc_core::roster::Span;

    use super::super::testing::Site;
    use super::*;

    #[test]
    fn what_no_peer_could_compute_is_told_at_once() {
        let site = Site::new();
        let propose = |change: &dyn Fn(&mut Request)| {
            let mut request = site.request("mean");
            change(&mut request);
            Proposal::new(&site.roster, &site.asked(request).1)
        };
        let proposal = propose(&|_| {}).unwrap();
        assert_eq!((proposal.needs, proposal.agents), (2, 6));
        assert_eq!(propose(&|request| request.query.function = "max".into()).unwrap().needs, 3);
        let every = |secs| propose(&|request| request.every = Some(Span::from_secs(secs)));
        assert_eq!(every(60).unwrap().session.every(), 6);
        assert!(matches!(every(15), Err(SessionError::Every { .. })));
        let scope = propose(&|request| drop(request.query.scope.insert("floor".into(), "1".into())));
        assert!(matches!(scope, Err(SessionError::Few { agents: 1, minimum: 5 })));
        let unknown = propose(&|request| request.query.function = "guess".into());
        assert!(unknown.unwrap_err().to_string().contains("guess"));
    }
}
