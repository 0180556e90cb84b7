//! All functions.

use std::fmt;
use std::sync::Arc;

use super::{Function, FunctionError, Parameters, Subject};
use super::{count, max, mean, sum};

/// What everybody may know about a function.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// The keys of a query that it takes, such as `q = 0.9`; empty if none.
    pub parameters: &'static str,
    /// What exactly its output reveals.
    pub reveals: &'static str,
    /// Its steps, for people.
    pub steps: &'static str,
    /// Reads the parameters of a query.
    pub(super) read: fn(&mut Parameters, &Subject<'_>) -> Result<Arc<dyn Function>, FunctionError>,
}

/// All functions, in the order of names.
pub fn catalogue() -> &'static [&'static Entry] {
    &[&count::ENTRY, &max::ENTRY, &mean::ENTRY, &sum::ENTRY]
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
        Ok(function)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
