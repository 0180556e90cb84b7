//! Why connections end, and what follows from it.

use std::io::{self, ErrorKind};

use crate::codec::{DecodeError, reason};
use crate::error::BrokerError;
use crate::registry::Ending;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Close {
    #[error("DISCONNECT")]
    ByClient { with_will: bool },
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("ended by the broker: {0:?}")]
    Ended(Ending),
    #[error("closed by the client without DISCONNECT")]
    Gone,
    #[error(transparent)]
    Io(io::Error),
    #[error("silent for one and a half times its keep alive")]
    KeepAlive,
    #[error(transparent)]
    Router(#[from] BrokerError),
    #[error("what it is sent is not read")]
    WriteStalled,
}

/// A client that vanished while it was written to is gone, as one that vanished while it was read from.
impl From<io::Error> for Close {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => Self::Gone,
            _ => Self::Io(error),
        }
    }
}

impl Close {
    /// The reason for the DISCONNECT that the broker sends; none if it sends none.
    pub(crate) fn reason(&self) -> Option<u8> {
        match self {
            Self::ByClient { .. } | Self::Gone | Self::Io(_) | Self::WriteStalled => None,
            Self::Decode(error) => Some(error.reason()),
            Self::Ended(Ending::Dismissed) => Some(reason::NOT_AUTHORIZED),
            Self::Ended(Ending::ShuttingDown) => Some(reason::SERVER_SHUTTING_DOWN),
            Self::Ended(Ending::TakenOver) => Some(reason::SESSION_TAKEN_OVER),
            Self::KeepAlive => Some(reason::KEEP_ALIVE_TIMEOUT),
            Self::Router(_) => Some(reason::UNSPECIFIED),
        }
    }

    /// Whether the client's will is due.
    pub(crate) fn leaves_will(&self) -> bool {
        !matches!(self, Self::ByClient { with_will: false })
    }
}
