//! The commands, and how they end.

pub(crate) mod site;
pub(crate) mod verify;

use std::process::ExitCode;

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// Something was refused; what and why has been told.
    Refused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Refused => Self::from(1),
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No site was made.
    #[error(transparent)]
    Init(#[from] site::InitError),
    /// Nothing could be checked.
    #[error(transparent)]
    Verify(#[from] verify::VerifyFailure),
}
