//! Which results of one window may stand beside each other (docs/protocol.md, 4.7).
//!
//! Results over scopes A, B and C of one quantity are linear equations about the readings. Whatever a reader adds
//! or subtracts, the agents that lie in exactly the same scopes always appear together with one coefficient: they
//! form an **atom**. So if every atom has at least the minimum cohort, no combination of results, of however many
//! queries, tells about fewer. Comparing scopes two by two would miss A + B - C.
//!
//! The same holds from window to window. Most readings may be carried, and then the difference of two results tells
//! about the few that are not: whoever can hold back messages would follow one agent through the hour. So an
//! atom counts with its fresh readings alone: these are in no earlier result, and whatever combination has the
//! newest of its windows in it has all the fresh readings of an atom there.

use std::collections::BTreeMap;

use crate::roster::AgentIndex;

/// The partition of a site's agents by the scopes released so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atoms {
    /// For each agent the atom it lies in; 0 is the atom of those that no scope covers, of which nothing is told.
    atom_of: Vec<usize>,
    /// For each agent whether it counts.
    counts: Vec<bool>,
    /// The size of each atom.
    sizes: Vec<Size>,
    /// The strictest minimum so far.
    minimum: u32,
}

/// How many agents an atom has, and how many of them count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    agents: u32,
    counted: u32,
}

impl Size {
    fn add(&mut self, counts: bool) {
        self.agents += 1;
        self.counted += u32::from(counts);
    }

    fn without(self, part: Self) -> Self {
        Self { agents: self.agents - part.agents, counted: self.counted - part.counted }
    }
}

impl Atoms {
    /// No scope yet, over `agents` agents that all count.
    pub fn new(agents: usize) -> Self {
        Self::counting(vec![true; agents])
    }

    /// No scope yet; only agents for which `counts` holds make an atom larger.
    pub fn counting(counts: Vec<bool>) -> Self {
        let mut all = Size::default();
        counts.iter().for_each(|&counts| all.add(counts));
        Self { atom_of: vec![0; counts.len()], counts, sizes: vec![all], minimum: 0 }
    }

    /// Adds a scope if every atom that it makes keeps the strictest minimum seen so far and this one.
    ///
    /// # Errors
    /// The size of an atom that would be too small; nothing has changed then.
    pub fn admit(&mut self, scope: &[AgentIndex], minimum: u32) -> Result<(), u32> {
        let minimum = self.minimum.max(minimum);
        let mut parts: BTreeMap<usize, Size> = BTreeMap::new();
        for agent in scope {
            parts.entry(self.atom_of[agent.at()]).or_default().add(self.counts[agent.at()]);
        }
        for (&atom, &inside) in &parts {
            let outside = if atom == 0 { Size::default() } else { self.sizes[atom].without(inside) };
            let small = |size: &Size| size.agents > 0 && size.counted < minimum;
            if let Some(small) = [inside, outside].into_iter().find(small) {
                return Err(small.counted);
            }
        }
        self.minimum = minimum;
        self.split(scope, parts);
        Ok(())
    }

    fn split(&mut self, scope: &[AgentIndex], parts: BTreeMap<usize, Size>) {
        let mut renamed = BTreeMap::new();
        for (atom, inside) in parts {
            if atom != 0 && self.sizes[atom] == inside {
                continue;
            }
            renamed.insert(atom, self.sizes.len());
            self.sizes[atom] = self.sizes[atom].without(inside);
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
    fn an_atom_is_as_large_as_what_is_fresh_in_it() {
        // Agents 7, 8 and 9 are carried.
        let mut atoms = Atoms::counting((0..20).map(|agent| !(7..10).contains(&agent)).collect());
        assert_eq!(atoms.admit(&agents(0..10), 5), Ok(()));
        assert_eq!(atoms.admit(&agents(0..15), 5), Ok(()));
        assert_eq!(atoms.admit(&agents(7..20), 5), Err(0));
        assert_eq!(atoms.admit(&agents(6..10), 5), Err(1));
        assert_eq!(atoms.admit(&agents(0..7), 5), Err(0), "those that are carried would stand alone");
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
