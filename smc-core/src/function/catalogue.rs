//! All functions.

use std::fmt;
use std::sync::Arc;

use super::{Function, FunctionError, Parameters, Subject};
use super::{
    any_above, argmax, correlation, count, count_above, count_below, covariance, distinct_count, entropy,
    heavy_hitters, histogram, linear_fit, max, mean, mean_above, median, min, quantile, range, rank,
    second_price, stddev, sum, top_k, variance, vector_sum, weighted_mean,
};

/// Makes a function of a query's parameters.
type Read = fn(&mut Parameters, &Subject<'_>) -> Result<Arc<dyn Function>, FunctionError>;

/// What everybody may know about a function.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// The keys of a query that it takes, as an example in TOML; empty if none.
    pub parameters: &'static str,
    /// What exactly its output reveals.
    pub reveals: &'static str,
    /// Its steps, for people.
    pub steps: &'static str,
    /// Reads the parameters of a query.
    pub(super) read: Read,
}

/// The most products of one window: some seconds' work.
pub const MAX_PRODUCTS: u64 = 1 << 24;

/// All functions, in the order of names.
pub fn catalogue() -> &'static [&'static Entry] {
    &[
        &any_above::ENTRY,
        &argmax::ENTRY,
        &correlation::ENTRY,
        &count::ENTRY,
        &count_above::ENTRY,
        &count_below::ENTRY,
        &covariance::ENTRY,
        &distinct_count::ENTRY,
        &entropy::ENTRY,
        &heavy_hitters::ENTRY,
        &histogram::ENTRY,
        &linear_fit::ENTRY,
        &max::ENTRY,
        &mean::ENTRY,
        &mean_above::ENTRY,
        &median::ENTRY,
        &min::ENTRY,
        &quantile::ENTRY,
        &range::ENTRY,
        &rank::ENTRY,
        &second_price::ENTRY,
        &stddev::ENTRY,
        &sum::ENTRY,
        &top_k::ENTRY,
        &variance::ENTRY,
        &vector_sum::ENTRY,
        &weighted_mean::ENTRY,
    ]
}

impl Entry {
    /// The function called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        catalogue().iter().copied().find(|entry| entry.name == name)
    }

    /// The function with these parameters, of `subject`, over at most `readings` readings.
    ///
    /// # Errors
    /// For parameters that are missing, out of range or of another function, and if the numbers could grow out of the
    /// field.
    pub fn function(
        &self,
        mut parameters: Parameters,
        subject: &Subject<'_>,
        readings: u64,
    ) -> Result<Arc<dyn Function>, FunctionError> {
        let function = (self.read)(&mut parameters, subject)?;
        parameters.finish(self.name)?;
        let elements = subject.quantity.elements();
        if elements > 1 && !function.takes_vectors() {
            return Err(FunctionError::Vector { function: self.name, elements });
        }
        let largest = function.largest(subject, readings);
        if largest >= u128::from(crate::field::Fp::P) {
            return Err(FunctionError::Overflow { readings });
        }
        let products = function.products(subject, readings);
        if products > MAX_PRODUCTS {
            return Err(FunctionError::Costly { readings, products, most: MAX_PRODUCTS });
        }
        Ok(function)
    }

    /// That one of its parameters is not there.
    pub(super) fn missing(&self, parameter: &'static str) -> FunctionError {
        FunctionError::Missing { function: self.name, parameter, example: self.parameters }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
