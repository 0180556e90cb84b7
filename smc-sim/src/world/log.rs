//! What is written down about a history.

use std::collections::BTreeMap;
use std::sync::Arc;

use smc_core::name::NodeName;
use smc_core::output::SealedOutput;
use smc_core::peer::{Blame, Refusal};
use smc_core::protocol::plan::Plan;
use smc_core::request::Decision;
use smc_core::result::SignedResult;
use smc_core::roster::QuantityIndex;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Timestamp, WindowIndex};

use super::host::InputKey;
use super::{Packet, Wish};

/// All that came to pass.
#[derive(Default)]
pub struct Log {
    /// Who agreed to what.
    pub agreed: Vec<(PeerIndex, QuantityIndex, WindowIndex, Arc<Plan>)>,
    /// Who blamed whom.
    pub blamed: Vec<(PeerIndex, Blame)>,
    /// What peers decided about what is asked, and how many messages had been sent by all before.
    pub decided: Vec<(usize, PeerIndex, Decision)>,
    /// Inputs that gave way to others.
    pub overwritten: Vec<(PeerIndex, InputKey)>,
    /// Who came to know who would compute.
    pub planned: Vec<(PeerIndex, QuantityIndex, WindowIndex)>,
    /// All outcomes, by whoever told them.
    pub results: Vec<Told>,
    /// Shares of outputs for one client.
    pub outputs: Vec<(PeerIndex, NodeName, SealedOutput)>,
    /// What was refused, by whom.
    pub refused: Vec<(PeerIndex, Refusal)>,
    /// Who left a window to the others.
    pub sat_out: Vec<(PeerIndex, WindowIndex)>,
    /// Who slept through how many windows.
    pub skipped: Vec<(PeerIndex, u64)>,
    /// Everything sent, before the network had its way.
    pub sent: Vec<(Timestamp, Packet)>,
    /// What agents wanted, where they wanted anything, in which window.
    pub wished: BTreeMap<(usize, WindowIndex), Wish>,
    /// Votes that were sent without being on disk.
    pub unpersisted: Vec<(PeerIndex, WindowIndex)>,
}

/// A result as one peer told it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Who told it.
    pub peer: PeerIndex,
    /// What it told.
    pub signed: SignedResult,
    /// The parts of a value that is too long for one message.
    pub parts: Vec<Arc<[u8]>>,
    /// Whether it was the one to publish it.
    pub publish: bool,
}
