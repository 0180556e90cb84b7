//! Branches side by side: what they open at the same time is one round.
//!
//! Every poll of a session asks every unfinished branch once, in order. So the branches place their shares in the same
//! order at all peers, and no wakers are needed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Both outcomes.
pub(crate) async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (Branch::Running(Box::pin(a)), Branch::Running(Box::pin(b)));
    std::future::poll_fn(move |context| {
        let (one, other) = (a.poll(context), b.poll(context));
        if one
            && other
            && let (Some(a), Some(b)) = (a.take(), b.take())
        {
            return Poll::Ready((a, b));
        }
        Poll::Pending
    })
    .await
}

/// All outcomes, in the order of the branches.
pub(crate) async fn join_all<F: Future>(branches: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut branches: Vec<_> = branches.into_iter().map(|branch| Branch::Running(Box::pin(branch))).collect();
    std::future::poll_fn(move |context| {
        // Every branch is asked, whatever the others say.
        let running = branches.iter_mut().filter_map(|branch| (!branch.poll(context)).then_some(())).count();
        if running > 0 {
            return Poll::Pending;
        }
        Poll::Ready(branches.drain(..).filter_map(|mut branch| branch.take()).collect())
    })
    .await
}

enum Branch<F: Future> {
    Done(Option<F::Output>),
    Running(Pin<Box<F>>),
}

// What a branch yields is moved, never pinned; the branch itself is in its box.
impl<F: Future> Unpin for Branch<F> {}

impl<F: Future> Branch<F> {
    /// Goes on; tells whether it is done.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Running(future) = self {
            match future.as_mut().poll(context) {
                Poll::Pending => return false,
                Poll::Ready(outcome) => *self = Self::Done(Some(outcome)),
            }
        }
        true
    }

    fn take(&mut self) -> Option<F::Output> {
        match self {
            Self::Done(outcome) => outcome.take(),
            Self::Running(_) => None,
        }
    }
}
