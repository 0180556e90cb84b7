//! Happenings to the owner, bounded in number and bytes.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use super::{Happening, Told};

/// How many packets of the largest size may wait for the owner.
const LARGEST_PACKETS: usize = 4;
/// What a happening weighs besides its topic and payload, in bytes.
const BASE_WEIGHT: usize = 128;

/// The sending end of [`super::Incoming`].
#[derive(Debug)]
pub(super) struct Teller {
    told: mpsc::Sender<Told>,
    /// One permit per byte that may yet wait.
    room: Arc<Semaphore>,
    most: u32,
    /// The trouble that was told last; `None` once connected.
    trouble: Option<Happening>,
}

/// What became of an offer.
#[derive(Debug)]
pub(super) enum Offer {
    Full(Happening),
    Gone,
    Told,
}

impl Teller {
    pub(super) fn new(told: mpsc::Sender<Told>, max_packet: usize) -> Self {
        let bytes = (LARGEST_PACKETS * max_packet).max(1 << 20);
        let most = u32::try_from(bytes).unwrap_or(u32::MAX >> 1);
        let room = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1 << 20)));
        Self { told, room, most, trouble: None }
    }

    /// Tells, if there is room.
    pub(super) fn offer(&mut self, happening: Happening) -> Offer {
        if happening == Happening::Connected {
            self.trouble = None;
        }
        let weight = self.weight(&happening);
        let Ok(permit) = self.room.clone().try_acquire_many_owned(weight) else {
            return if self.is_gone() { Offer::Gone } else { Offer::Full(happening) };
        };
        match self.told.try_send(Told { happening, _weight: permit }) {
            Ok(()) => Offer::Told,
            Err(TrySendError::Full(told)) => Offer::Full(told.happening),
            Err(TrySendError::Closed(_)) => Offer::Gone,
        }
    }

    /// Waits until `happening` could be told; at once if nobody listens.
    pub(super) async fn wait_for_room(&self, happening: &Happening) {
        let permit = self.room.clone().acquire_many_owned(self.weight(happening));
        tokio::select! {
            _ = async { drop((permit.await, self.told.reserve().await)) } => {}
            () = self.told.closed() => {}
        }
    }

    /// Tells, waiting for room, unless it is what was told before.
    pub(super) async fn tell_once(&mut self, trouble: Happening) {
        if self.trouble.as_ref() == Some(&trouble) {
            return;
        }
        if let Ok(permit) = self.room.clone().acquire_many_owned(self.weight(&trouble)).await {
            let told = Told { happening: trouble.clone(), _weight: permit };
            // Fails only when nobody listens.
            let _ = self.told.send(told).await;
        }
        self.trouble = Some(trouble);
    }

    /// Waits until nobody listens any more.
    pub(super) async fn gone(&self) {
        self.told.closed().await;
    }

    /// Whether nobody listens any more.
    pub(super) fn is_gone(&self) -> bool {
        self.told.is_closed()
    }

    fn weight(&self, happening: &Happening) -> u32 {
        let bytes = match happening {
            Happening::Message { topic, payload, .. } => topic.len() + payload.len(),
            _ => 0,
        };
        u32::try_from(bytes + BASE_WEIGHT).unwrap_or(u32::MAX).min(self.most)
    }
}
