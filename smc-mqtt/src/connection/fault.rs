//! Why a connection ended or did not come about.

use std::io;

use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::ConnectReturnCode;

use crate::tls::TlsFault;

/// What went wrong between us and the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The broker ended the connection.
    #[error("the broker closed the connection (it may have stopped, or another client uses this client id)")]
    Closed,
    /// Reading or writing failed.
    #[error("the connection broke: {0}")]
    Io(io::ErrorKind),
    /// No connection, greeting or subscription within 10 s, or a ping unanswered.
    #[error("the broker does not answer")]
    Silent,
    /// The broker sent something that is not MQTT 3.1.1.
    #[error("what answers there does not speak MQTT 3.1.1")]
    Speech,
    /// The handshake of TLS, or what it takes.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// Nobody listens there, or there is no way.
    #[error("the broker can't be reached: {0}")]
    Unreachable(io::ErrorKind),
    /// The broker answers pings, but does not acknowledge what it is sent.
    #[error(
        "the broker does not acknowledge a message, and perhaps none that come after (it may find it too long); its log \
         says why"
    )]
    Unacknowledged,
    /// The broker speaks TLS.
    #[error("what answers there speaks TLS: `mqtts://` instead of `mqtt://`, and `ca` for whom to trust")]
    WantsTls,
}

impl From<mqttbytes::Error> for Fault {
    fn from(_: mqttbytes::Error) -> Self {
        Self::Speech
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        error.kind().into()
    }
}

/// TLS that ends without a word is a connection that ended.
impl From<io::ErrorKind> for Fault {
    fn from(kind: io::ErrorKind) -> Self {
        if kind == io::ErrorKind::UnexpectedEof { Self::Closed } else { Self::Io(kind) }
    }
}

/// What the broker says no to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The broker dislikes the client id.
    #[error("the broker does not accept this client id")]
    ClientId,
    /// User or password are wrong.
    #[error("the broker does not know this user and password")]
    Login,
    /// This client may not connect.
    #[error("the broker does not allow this client: check user, password and client id")]
    NotAuthorized,
    /// The broker does not take clients at present.
    #[error("the broker is not available at present")]
    Unavailable,
    /// The broker speaks another version only.
    #[error("the broker does not speak MQTT 3.1.1")]
    Version,
    /// The broker does not allow these subscriptions, or they are no topic filters; the others stand.
    #[error("the broker does not allow to subscribe {}", .filters.join(", "))]
    Subscription {
        /// The filters in question.
        filters: Vec<String>,
    },
}

impl Refusal {
    /// What a CONNACK's code means; `None` for success.
    pub(super) fn from_code(code: ConnectReturnCode) -> Option<Self> {
        match code {
            ConnectReturnCode::Success => None,
            ConnectReturnCode::RefusedProtocolVersion => Some(Self::Version),
            ConnectReturnCode::BadClientId => Some(Self::ClientId),
            ConnectReturnCode::ServiceUnavailable => Some(Self::Unavailable),
            ConnectReturnCode::BadUserNamePassword => Some(Self::Login),
            ConnectReturnCode::NotAuthorized => Some(Self::NotAuthorized),
        }
    }
}
