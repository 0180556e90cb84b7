//! The commands, and how they end.

pub(crate) mod agent;
pub(crate) mod asking;
pub(crate) mod assess;
mod at;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod functions;
pub(crate) mod join;
pub(crate) mod lines;
pub(crate) mod member;
pub(crate) mod onlooker;
pub(crate) mod open;
pub(crate) mod operator;
pub(crate) mod pair;
pub(crate) mod policy;
pub(crate) mod site;
pub(crate) mod sniff;
pub(crate) mod soak;
pub(crate) mod told;
pub(crate) mod verify;

use std::process::ExitCode;

use smc_core::name::NameError;
use smc_mqtt::process;
use tokio::runtime::Builder;

use crate::bench::BenchError;
use crate::demo::DemoError;
use crate::soak::{RoleError, SoakError};

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Peers will not do what was asked; who and why has been told.
    Denied,
    /// All is well.
    Done,
    /// Something was refused; what and why has been told.
    Refused,
    /// Too few have answered in time; who has not has been told.
    Unanswered,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Denied => Self::from(3),
            Outcome::Done => Self::SUCCESS,
            Outcome::Refused => Self::from(1),
            Outcome::Unanswered => Self::from(4),
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An agent was told nothing.
    #[error(transparent)]
    Agent(#[from] agent::AgentFailure),
    /// Nothing was assessed.
    #[error(transparent)]
    Assess(#[from] assess::AssessFailure),
    /// Nothing could be said of a log.
    #[error(transparent)]
    Audit(#[from] audit::AuditFailure),
    /// Nothing could be asked or followed.
    #[error(transparent)]
    Ask(#[from] asking::AskFailure),
    /// The measurement failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// No broker's configuration was written.
    #[error(transparent)]
    Broker(#[from] site::BrokerFailure),
    /// The demonstration could not run.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A function could not be told about.
    #[error(transparent)]
    Functions(#[from] functions::FunctionsFailure),
    /// No site was made.
    #[error(transparent)]
    Init(#[from] site::InitError),
    /// No site was joined.
    #[error(transparent)]
    Join(#[from] join::JoinFailure),
    /// The member list could not be seen or changed.
    #[error(transparent)]
    Member(#[from] member::MemberFailure),
    /// Nothing could be opened.
    #[error(transparent)]
    Open(#[from] open::OpenFailure),
    /// No order was given.
    #[error(transparent)]
    Operate(#[from] operator::OperateFailure),
    /// Nobody could be let in.
    #[error(transparent)]
    Pair(#[from] pair::PairFailure),
    /// A policy could not be looked at.
    #[error(transparent)]
    Policy(#[from] policy::PolicyFailure),
    /// A column's name is no quantity's.
    #[error("--value-column {column:?} names no quantity ({error}); say what it measures with --quantity")]
    Quantity {
        /// The column.
        column: String,
        /// Why.
        error: NameError,
    },
    /// No certificate was renewed.
    #[error(transparent)]
    Renew(#[from] site::RenewError),
    /// A process of a soak could not play its role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// There is no runtime.
    #[error("the system gives no threads: {0}")]
    Runtime(std::io::Error),
    /// Nothing could be looked at.
    #[error(transparent)]
    Look(#[from] onlooker::LookFailure),
    /// The soak came to no report.
    #[error(transparent)]
    Soak(#[from] SoakError),
    /// Nothing could be checked.
    #[error(transparent)]
    Verify(#[from] verify::VerifyFailure),
}

/// Runs `work` on a runtime of its own.
pub(crate) fn block_on<F: Future>(work: F) -> Result<F::Output, Failure> {
    run_on(Builder::new_multi_thread(), work)
}

/// Runs `work` on a runtime like those of the roles' own programs: on one thread.
pub(crate) fn block_on_one_thread<F: Future>(work: F) -> Result<F::Output, Failure> {
    run_on(Builder::new_current_thread(), work)
}

/// Warnings, and what `RUST_LOG` asks for, go to standard error.
fn run_on<F: Future>(mut runtime: Builder, work: F) -> Result<F::Output, Failure> {
    process::start_log("warn", broker::QUIET_ROUTER);
    Ok(runtime.enable_all().build().map_err(Failure::Runtime)?.block_on(work))
}
