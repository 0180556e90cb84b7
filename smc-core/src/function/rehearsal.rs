//! A function with all peers in one process: to see what it comes to, what it costs and what it opens.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::{Audience, Facts, Final, Function, Inputs, Reads, Subject};
use crate::arithmetic::local::{Outcome, run, share_bits, share_numbers};
use crate::arithmetic::{Cost, Fault, Shares};
use crate::field::Fp;
use crate::name::NodeName;
use crate::shamir::{Degree, OpenError, PeerIndex, ShareError, Sharing};
use crate::value::Value;

/// What a function is rehearsed on.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// Among how many peers.
    pub sharing: Sharing,
    /// Of what.
    pub subject: Subject<'a>,
    /// Whose reading lies in which lane: one name per reading.
    pub agents: &'a [NodeName],
    /// The readings in steps of the quantity; of vectors all elements, one vector after the other.
    pub readings: &'a [u64],
    /// The readings of the second quantity, in functions of two.
    pub with: &'a [u64],
    /// The lane of the agent whose own reading is asked about.
    pub own: Option<usize>,
    /// Who gets to see the output.
    pub audience: Audience,
}

/// What a rehearsal came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// The value; none if no honest computation yields the elements.
    pub value: Option<Value>,
    /// The elements of the output.
    pub elements: Vec<Fp>,
    /// What it cost each peer.
    pub cost: Cost,
    /// All that the peers opened, round by round, the output included unless it is for one client alone.
    pub opened: Vec<Vec<Fp>>,
}

/// Why a rehearsal came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// The function came to no output.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The peers' shares contradict each other.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A reading does not fit the quantity.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl Rehearsal<'_> {
    /// Runs the function at all peers.
    ///
    /// # Errors
    /// [`RehearsalError`]
    pub fn run(
        &self,
        function: &Arc<dyn Function>,
        rng: &mut impl CryptoRng,
    ) -> Result<Rehearsed, RehearsalError> {
        let inputs = self.deal(function, rng)?;
        self.run_on(function, inputs, rng)
    }

    /// Runs the function at all peers on shares that were [dealt](Self::deal) before.
    ///
    /// # Errors
    /// [`RehearsalError`]
    pub fn run_on(
        &self,
        function: &Arc<dyn Function>,
        inputs: Vec<Inputs>,
        rng: &mut impl CryptoRng,
    ) -> Result<Rehearsed, RehearsalError> {
        let mut inputs: Vec<_> = inputs.into_iter().map(Some).collect();
        let audience = self.audience;
        let Outcome { outputs, cost, opened } = run(self.sharing, rng, |peer: PeerIndex, arithmetic| {
            let (function, inputs) = (Arc::clone(function), inputs[peer.offset()].take());
            async move {
                let inputs = inputs.unwrap_or_else(Inputs::none);
                let output = function.compute(arithmetic.clone(), inputs, audience).await?;
                Ok::<_, Fault>(output.finish(&arithmetic, audience).await)
            }
        })?;
        let outputs: Vec<Final> = outputs.into_iter().collect::<Result<_, _>>()?;
        let elements = self.elements(&outputs)?;
        let Subject { quantity, with } = self.subject;
        let facts = Facts { quantity, with, readings: self.count(), agents: self.agents };
        Ok(Rehearsed { value: function.conclude(&facts, &elements), elements, cost, opened })
    }

    fn count(&self) -> u64 {
        self.agents.len() as u64
    }

    /// Shares the readings: for each peer what it gets.
    ///
    /// # Errors
    /// If a reading does not fit the quantity.
    pub fn deal(
        &self,
        function: &Arc<dyn Function>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Inputs>, ShareError> {
        let (quantity, sharing) = (self.subject.quantity, self.sharing);
        let columns = match function.reads() {
            Reads::Bits => share_bits(sharing, self.readings, quantity.bits(), rng)?,
            Reads::Nothing => sharing.indices().map(|_| Vec::new()).collect(),
            Reads::Sum => {
                let sums = share_numbers(sharing, &self.sums(), rng)?;
                sums.into_iter().map(|sum| vec![sum]).collect()
            }
        };
        let with = match self.subject.with {
            Some(with) => share_bits(sharing, self.with, with.bits(), rng)?,
            None => sharing.indices().map(|_| Vec::new()).collect(),
        };
        let inputs = |(columns, with): (Vec<Shares>, Vec<Shares>)| Inputs {
            columns,
            with,
            readings: self.count(),
            own: self.own,
        };
        Ok(columns.into_iter().zip(with).map(inputs).collect())
    }

    /// The sum of each element of the readings.
    fn sums(&self) -> Vec<Fp> {
        let elements = self.readings.len() / self.agents.len().max(1);
        let of =
            |i: usize| self.readings.iter().skip(i).step_by(elements.max(1)).copied().map(Fp::reduce).sum();
        (0..elements).map(of).collect()
    }

    /// The output, which a client opens if it is for one alone.
    fn elements(&self, outputs: &[Final]) -> Result<Vec<Fp>, OpenError> {
        let mut shares = Vec::with_capacity(outputs.len());
        let mut degree = Degree::Single;
        for (peer, output) in self.sharing.indices().zip(outputs) {
            match output {
                Final::Opened(elements) => return Ok(elements.clone()),
                Final::Sealed(of, elements) => {
                    degree = *of;
                    shares.push((peer, elements.as_slice()));
                }
            }
        }
        Ok(self.sharing.open_batch(degree, &shares)?.values)
    }
}
