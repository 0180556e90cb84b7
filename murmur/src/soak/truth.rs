//! Holds published values against the truth, from what is published alone.
//!
//! The sum over a group says whose readings it is made of and of which windows; that must be as many as the result
//! states, no reading may be one that was never read, and within a cohort epoch the members stay the same. With the
//! members of all groups every value over the whole site can be computed. Where a group has no value in a window,
//! one over the whole site can only be held against what is possible.

use std::collections::BTreeMap;
use std::sync::Arc;

use smc_core::decimal::Decimal;
use smc_core::function::Parameters;
use smc_core::result::{ResultDocument, SignedResult};
use smc_core::roster::Roster;
use smc_core::time::WindowIndex;

use super::site::group_of;
use super::table::{EPOCH, MAXIMUM, Member, NoSum, Table};
use crate::clear;

/// How many cohort epochs are remembered.
const EPOCHS_KEPT: usize = 3;

/// Whose readings the sums over groups of one window are made of.
pub(super) type Members = BTreeMap<usize, Vec<Member>>;

/// What a value is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is the true one.
    True,
    /// Nothing speaks against it, but a group's members are not known.
    Possible,
    /// It is wrong.
    Wrong(Wrong),
}

/// Why a published value is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("the cohort changed within its epoch")]
    Cohort,
    #[error(
        "it states a cohort of {cohort}, {fresh} of them fresh, and the value has {members}, {new} of them fresh"
    )]
    Counts { cohort: u32, fresh: u32, members: u32, new: u32 },
    #[error("no readings lead to it")]
    Impossible,
    #[error("the truth is {truth}")]
    Other { truth: String },
    #[error("its signatures: {0}")]
    Signatures(#[from] smc_core::result::VerifyError),
    #[error("{0}")]
    Sum(#[from] NoSum),
    #[error("nobody asked this")]
    Unasked,
}

/// Judges values.
#[derive(Debug)]
pub(super) struct Judge {
    roster: Arc<Roster>,
    table: Table,
    /// The members of each group by cohort epoch, as the epoch's first value told them.
    cohorts: BTreeMap<u64, BTreeMap<usize, Vec<usize>>>,
}

impl Judge {
    pub(super) fn new(roster: Arc<Roster>, table: Table) -> Self {
        Self { roster, table, cohorts: BTreeMap::new() }
    }

    /// What a value is worth; of a group, its members are added to those of the window. Groups first.
    pub(super) fn judge(&mut self, signed: &SignedResult, members: &mut Members) -> Finding {
        let judged = signed.verify(&self.roster).map_err(Wrong::from).and_then(|()| {
            match group_of(&signed.result.query) {
                Some(group) => self.group(group, &signed.result, members).map(|()| Finding::True),
                None if members.len() == self.table.groups() => {
                    self.whole(&signed.result, members).map(|()| Finding::True)
                }
                None => self.part(&signed.result, members).map(|()| Finding::Possible),
            }
        });
        judged.unwrap_or_else(Finding::Wrong)
    }

    /// Whether all members of the window's groups stand in it with their newest reading.
    pub(super) fn is_newest(&self, window: WindowIndex, members: &Members) -> bool {
        members.iter().all(|(&group, members)| {
            members.iter().all(|member| self.table.newest(group, member.place, window) == Some(member.window))
        })
    }

    fn group(&mut self, group: usize, result: &ResultDocument, all: &mut Members) -> Result<(), Wrong> {
        if group >= self.table.groups() {
            return Err(Wrong::Unasked);
        }
        let window = result.window.index;
        let sum = whole_number(result).ok_or(Wrong::Sum(NoSum::Number))?;
        let members = self.table.members(group, window, sum)?;
        counts(result, &members)?;
        self.same_cohort(group, window, &members)?;
        all.insert(group, members);
        Ok(())
    }

    fn same_cohort(&mut self, group: usize, window: WindowIndex, members: &[Member]) -> Result<(), Wrong> {
        let places: Vec<_> = members.iter().map(|member| member.place).collect();
        let cohorts = self.cohorts.entry(window.0 / EPOCH).or_default();
        let same = *cohorts.entry(group).or_insert_with(|| places.clone()) == places;
        if self.cohorts.len() > EPOCHS_KEPT {
            self.cohorts.pop_first();
        }
        if same { Ok(()) } else { Err(Wrong::Cohort) }
    }

    fn whole(&self, result: &ResultDocument, members: &Members) -> Result<(), Wrong> {
        let all: Vec<_> = members.values().flatten().copied().collect();
        counts(result, &all)?;
        let readings = all.iter().map(|member| reading(*member)).collect();
        let truth = clear::compute(&result.function, &Parameters::default(), 1.into(), readings)
            .ok_or(Wrong::Unasked)?;
        if result.value.as_ref() == Some(&truth) {
            Ok(())
        } else {
            Err(Wrong::Other { truth: truth.to_string() })
        }
    }

    /// Of the groups that are known it must have all; and a reading must be one.
    fn part(&self, result: &ResultDocument, members: &Members) -> Result<(), Wrong> {
        let known: Vec<_> = members.values().flatten().copied().collect();
        let value = result.value.as_ref().and_then(|value| value.as_number()).ok_or(Wrong::Impossible)?;
        let is_read =
            whole_number(result).is_some_and(|value| self.table.is_read(value, result.window.index));
        let greatest =
            known.iter().map(|member| Table::value(member.place, member.window)).max().unwrap_or(0);
        let possible = result.cohort as usize >= known.len()
            && result.cohort as usize <= self.table.agents
            && match result.function.as_str() {
                "count" => value == f64::from(result.cohort),
                "max" => is_read && value >= greatest as f64,
                "mean" => (0.0..=MAXIMUM as f64).contains(&value),
                "median" => is_read,
                _ => return Err(Wrong::Unasked),
            };
        if possible { Ok(()) } else { Err(Wrong::Impossible) }
    }
}

/// Whether a result covers as many agents as its value has, and as many of them fresh.
fn counts(result: &ResultDocument, members: &[Member]) -> Result<(), Wrong> {
    let new = members.iter().filter(|member| member.window == result.window.index).count() as u32;
    let members = members.len() as u32;
    let (cohort, fresh) = (result.cohort, result.fresh);
    if (cohort, fresh, result.carried) == (members, new, members - new) {
        Ok(())
    } else {
        Err(Wrong::Counts { cohort, fresh, members, new })
    }
}

fn reading(member: Member) -> Decimal {
    (Table::value(member.place, member.window) as i64).into()
}

fn whole_number(result: &ResultDocument) -> Option<u64> {
    let value = result.value.as_ref()?.as_number()?;
    (value >= 0.0 && value.fract() == 0.0 && value <= 2f64.powi(53)).then_some(value as u64)
}

#[cfg(test)]
mod tests;
