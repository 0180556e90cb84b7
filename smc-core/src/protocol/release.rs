//! Which results of one window may stand beside each other (docs/protocol.md, 4.7).
//!
//! Results over scopes A, B and C of one quantity are linear equations about the readings. Whatever a reader adds
//! or subtracts, the agents that lie in exactly the same scopes always appear together with one coefficient: they
//! form an **atom**. So if every atom has at least the minimum cohort, no combination of results, of however many
//! queries, tells about fewer. Comparing scopes two by two would miss A + B - C.

use std::collections::BTreeMap;

use crate::roster::AgentIndex;

/// The partition of a site's agents by the scopes released so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atoms {
    /// For each agent the atom it lies in; 0 is the atom of those that no scope covers, of which nothing is told.
    atom_of: Vec<usize>,
    /// The size of each atom.
    sizes: Vec<u32>,
    /// The strictest minimum so far.
    minimum: u32,
}

impl Atoms {
    /// No scope yet, over `agents` agents.
    pub fn new(agents: usize) -> Self {
        Self { atom_of: vec![0; agents], sizes: vec![agents as u32], minimum: 0 }
    }

    /// Adds a scope if every atom that it makes keeps the strictest minimum seen so far and this one.
    ///
    /// # Errors
    /// The size of an atom that would be too small; nothing has changed then.
    pub fn admit(&mut self, scope: &[AgentIndex], minimum: u32) -> Result<(), u32> {
        let minimum = self.minimum.max(minimum);
        let mut inside: BTreeMap<usize, u32> = BTreeMap::new();
        for agent in scope {
            *inside.entry(self.atom_of[agent.at()]).or_default() += 1;
        }
        for (&atom, &inside) in &inside {
            let outside = if atom == 0 { 0 } else { self.sizes[atom] - inside };
            if let Some(small) = [inside, outside].into_iter().find(|&size| size > 0 && size < minimum) {
                return Err(small);
            }
        }
        self.minimum = minimum;
        self.split(scope, inside);
        Ok(())
    }

    fn split(&mut self, scope: &[AgentIndex], inside: BTreeMap<usize, u32>) {
        let mut renamed = BTreeMap::new();
        for (atom, inside) in inside {
            if atom != 0 && self.sizes[atom] == inside {
                continue;
            }
            renamed.insert(atom, self.sizes.len());
            self.sizes[atom] -= inside;
            self.sizes.push(inside);
        }
        for agent in scope {
            let atom = &mut self.atom_of[agent.at()];
            *atom = *renamed.get(atom).unwrap_or(atom);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(range: std::ops::Range<u32>) -> Vec<AgentIndex> {
        range.map(AgentIndex).collect()
    }

    #[test]
    fn equal_and_disjoint_scopes_stand_beside_each_other() {
        let mut atoms = Atoms::new(20);
        assert_eq!(atoms.admit(&agents(0..10), 5), Ok(()));
        assert_eq!(atoms.admit(&agents(0..10), 5), Ok(()));
        assert_eq!(atoms.admit(&agents(10..20), 5), Ok(()));
        assert_eq!(atoms.admit(&agents(0..20), 5), Ok(()));
    }

    #[test]
    fn a_small_difference_is_refused_either_way() {
        let mut atoms = Atoms::new(20);
        atoms.admit(&agents(0..10), 5).unwrap();
        assert_eq!(atoms.admit(&agents(0..9), 5), Err(1));
        assert_eq!(atoms.admit(&agents(0..12), 5), Err(2));
        assert_eq!(atoms.admit(&agents(8..20), 5), Err(2));
    }

    #[test]
    fn three_scopes_that_only_together_single_somebody_out_are_refused() {
        let mut atoms = Atoms::new(21);
        atoms.admit(&agents(0..10), 5).unwrap();
        atoms.admit(&agents(10..20), 5).unwrap();
        // All three differ pairwise by ten or more, and yet C - A - B is one agent's reading.
        assert_eq!(atoms.admit(&agents(0..21), 5), Err(1));
    }

    #[test]
    fn the_strictest_minimum_holds_for_all() {
        let mut atoms = Atoms::new(20);
        atoms.admit(&agents(0..10), 8).unwrap();
        assert_eq!(atoms.admit(&agents(0..16), 5), Err(6));
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let mut atoms = Atoms::new(20);
        atoms.admit(&agents(0..10), 5).unwrap();
        let before = atoms.clone();
        atoms.admit(&agents(0..11), 5).unwrap_err();
        assert_eq!(atoms, before);
    }
}
