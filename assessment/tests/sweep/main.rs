//! A sweep from its scenario to its report.

mod scenario;
