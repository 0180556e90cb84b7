//! `stddev`: the root of the variance.

use std::sync::Arc;

use super::Entry;
use super::moments::coarse;
use super::variance::Spread;

pub(super) const ENTRY: Entry = Entry {
    name: "stddev",
    about: "the root of the variance, two decimal digits finer than the resolution",
    parameters: "",
    reveals: "the variance, to the last digit; not the mean",
    steps: "those of `variance`",
    read: |_, subject| {
        coarse(&[subject.quantity])?;
        Ok(Arc::new(Spread { entry: &ENTRY, root: true }))
    },
};
