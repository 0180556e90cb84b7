//! Waiting for a round.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Arithmetic, Products, Shares};
use crate::field::Fp;

/// Values on their way to being opened: placed when first polled, there in the next round.
#[derive(Debug)]
pub(crate) struct Opening {
    arithmetic: Arithmetic,
    state: State,
}

#[derive(Debug)]
enum State {
    Double(Products),
    Placed { round: u32, double: bool, start: usize, len: usize },
    Single(Shares),
}

impl Opening {
    pub(super) fn single(arithmetic: Arithmetic, shares: Shares) -> Self {
        Self { arithmetic, state: State::Single(shares) }
    }

    pub(super) fn double(arithmetic: Arithmetic, products: Products) -> Self {
        Self { arithmetic, state: State::Double(products) }
    }

    /// Puts the shares on the desk.
    fn place(&mut self) -> State {
        let mut desk = self.arithmetic.desk();
        let round = desk.round;
        match &mut self.state {
            State::Double(products) => {
                // 3.1: without a sharing of zero on top, the polynomial of a product would tell about its factors.
                desk.randomness.add_zeros(products.as_mut_slice());
                let start = desk.double.len();
                desk.double.extend_from_slice(products.as_slice());
                State::Placed { round, double: true, start, len: products.len() }
            }
            State::Single(shares) => {
                let start = desk.single.len();
                desk.single.extend_from_slice(shares.as_slice());
                State::Placed { round, double: false, start, len: shares.len() }
            }
            State::Placed { round, double, start, len } => {
                State::Placed { round: *round, double: *double, start: *start, len: *len }
            }
        }
    }
}

impl Future for Opening {
    type Output = Vec<Fp>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Vec<Fp>> {
        if let State::Placed { round, double, start, len } = self.state {
            let desk = self.arithmetic.desk();
            if desk.round == round {
                return Poll::Pending;
            }
            let opened = if double { &desk.opened.double } else { &desk.opened.single };
            // A session answers with as many values as were placed.
            return Poll::Ready(opened.get(start..start + len).unwrap_or_default().to_vec());
        }
        let nothing = match &self.state {
            State::Double(products) => products.len() == 0,
            State::Single(shares) => shares.len() == 0,
            State::Placed { .. } => false,
        };
        if nothing {
            return Poll::Ready(Vec::new());
        }
        self.state = self.place();
        Poll::Pending
    }
}
