//! All functions of the catalogue, computed on shares and held against plain arithmetic.
#![allow(missing_docs, reason = "tests")]

mod case;
mod costs;
mod leakage;
mod plain;
mod refusals;
mod values;
