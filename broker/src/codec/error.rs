//! What can be wrong with a packet.

use super::reason;

/// Why bytes are not a packet that this broker takes. The connection they came on is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("bytes follow the end of the packet's content")]
    Excess,
    #[error("property {0:#04x} occurs twice")]
    DuplicateProperty(u8),
    #[error("a packet with flags {0:#04x} that its type does not allow")]
    Flags(u8),
    #[error("the first packet is not CONNECT")]
    NotConnect,
    #[error("packet id 0")]
    PacketIdZero,
    #[error("packet type {0} is not one that a client sends here")]
    PacketType(u8),
    #[error("property {0:#04x} does not belong in this packet")]
    Property(u8),
    #[error("property {0:#04x} has a value outside its range")]
    PropertyValue(u8),
    #[error("QoS 2, which this broker does not offer")]
    QosTwo,
    #[error("the reserved QoS 3")]
    QosThree,
    #[error("a SUBSCRIBE or UNSUBSCRIBE without a filter")]
    NoFilter,
    #[error("subscription options {0:#04x}")]
    SubscriptionOptions(u8),
    #[error("a text that is not UTF-8 or holds U+0000")]
    Text,
    #[error("a packet of {len} bytes, more than the {max} allowed")]
    TooLarge { len: usize, max: usize },
    #[error("a topic alias, none of which were granted")]
    TopicAlias,
    #[error("the packet ends before its content does")]
    Truncated,
    #[error("protocol level {0}; this broker speaks MQTT 3.1.1 (4) and MQTT 5 (5)")]
    UnsupportedProtocol(u8),
    #[error("a length that is not a variable byte integer")]
    VariableByteInteger,
}

impl DecodeError {
    /// The reason that a DISCONNECT or CONNACK of MQTT 5 gives for it.
    pub(crate) fn reason(self) -> u8 {
        match self {
            Self::DuplicateProperty(_) | Self::NoFilter | Self::NotConnect | Self::PacketType(_) => {
                reason::PROTOCOL_ERROR
            }
            Self::QosTwo => reason::QOS_NOT_SUPPORTED,
            Self::TooLarge { .. } => reason::PACKET_TOO_LARGE,
            Self::TopicAlias => reason::TOPIC_ALIAS_INVALID,
            Self::UnsupportedProtocol(_) => reason::UNSUPPORTED_PROTOCOL,
            _ => reason::MALFORMED_PACKET,
        }
    }
}
