//! What a peer lets be asked: policies that people write, and budgets.
//!
//! A [`Policy`] is text in the Cedar policy language that passed validation against the schema of this crate
//! (`schema.cedarschema`). It judges a [`Case`], which is one request as this peer sees it. [`Budgets`] bound what even a
//! generous policy allows. Nothing here reads a clock, and [`Policy::load`] alone a file (docs/policy.md).

mod bounds;
mod budget;
mod case;
mod error;
mod judgement;
mod policy;
mod rules;
mod settings;
mod terms;
mod zone;

pub use self::budget::{Budgets, Spending};
pub use self::case::{Case, CaseError, Circumstances, Running};
pub use self::error::{Flaw, PolicyError};
pub use self::judgement::{Judgement, Outcome, judge};
pub use self::policy::{MAX_BYTES, MAX_POLICIES, Policy};
pub use self::rules::{MAX_ID, MAX_REASON};
pub use self::settings::PolicySettings;
pub use self::zone::{Moment, Zone, ZoneError};
