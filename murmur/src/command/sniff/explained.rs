//! A message in words, for people and for programs.

use serde_json::{Value, json};
use smc_core::envelope::KeyEpoch;
use smc_core::name::NodeName;
use smc_core::time::{Timestamp, WindowIndex};
use smc_peer::figure::printable;

use super::kind::Kind;
use crate::paint::Paint;

/// How much of a topic that nobody knows is shown, in characters.
const TOPIC_SHOWN: usize = 80;
/// The longest explanation, in characters: a value may be a long list, and a status may list thousands of nodes.
const SAYS_SHOWN: usize = 1_000;

/// A message as it came.
#[derive(Debug)]
pub(super) struct Message {
    /// When, if somebody looked at a clock.
    pub(super) at: Option<Timestamp>,
    pub(super) topic: String,
    pub(super) payload: bytes::Bytes,
    /// Whether the broker had kept it, if that is known.
    pub(super) retained: Option<bool>,
}

/// What it is.
#[derive(Debug, PartialEq)]
pub(super) struct Explained {
    pub(super) kind: Kind,
    pub(super) from: Option<NodeName>,
    /// All who may read the topic, if nobody.
    pub(super) to: Option<NodeName>,
    pub(super) window: Option<Window>,
    pub(super) sealed: Option<Sealed>,
    pub(super) signature: Signature,
    pub(super) says: String,
}

/// Which window it is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) index: WindowIndex,
    /// Its first instant and the first after it, if its length is known.
    pub(super) time: Option<(String, String)>,
}

/// To which key it is sealed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sealed {
    pub(super) to: NodeName,
    pub(super) epoch: KeyEpoch,
}

/// What its signature is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Signature {
    /// Not by whom it should be.
    Bad(String),
    /// By these.
    Good(Vec<NodeName>),
    /// Nothing is signed on this topic, or what is proven is proven to the receiver alone.
    None,
    /// Nobody could tell with what is at hand.
    Unchecked(&'static str),
}

impl Explained {
    /// Something of `kind` from `from`, of which nothing is known yet.
    pub(super) fn new(kind: Kind, from: Option<&NodeName>) -> Self {
        Self {
            kind,
            from: from.cloned(),
            to: None,
            window: None,
            sealed: None,
            signature: Signature::None,
            says: String::new(),
        }
    }

    /// One line for people; `width` is how many characters a name takes.
    pub(super) fn text(&self, message: &Message, width: usize, paint: Paint) -> String {
        let at = message.at.map_or_else(String::new, |at| format!("{}  ", time_of_day(at)));
        let from = self.from.as_ref().map_or_else(|| self.kind.usual_sender(), NodeName::as_str);
        let to = self.to.as_ref().map_or("all", NodeName::as_str);
        let kept = if message.retained == Some(true) { "kept" } else { "" };
        let kind = paint.subject(&format!("{:<12}", self.kind.name()));
        let size = size(message.payload.len());
        let says = cut(&printable(&self.says), SAYS_SHOWN);
        let says = if self.kind == Kind::Unknown { paint.unusual(&says) } else { says };
        let window = self.window.as_ref().map_or_else(String::new, Window::text);
        format!(
            "{at}{from:<width$} > {to:<width$}  {kind} {size:>9} {kept:<4}  {says}{window}{}",
            self.signature.text(paint)
        )
    }

    /// One JSON object.
    pub(super) fn json(&self, message: &Message) -> Value {
        let Self { kind, from, to, window, sealed, signature, says } = self;
        let window = window.as_ref().map(|Window { index, time }| {
            let (start, end) = time.clone().unzip();
            json!({ "index": index, "start": start, "end": end })
        });
        let sealed = sealed.as_ref().map(|Sealed { to, epoch }| json!({ "to": to, "epoch": epoch }));
        json!({
            "at": message.at, "topic": message.topic, "bytes": message.payload.len(),
            "retained": message.retained, "kind": kind, "from": from, "to": to, "window": window,
            "sealed": sealed, "signature": signature.json(), "says": says,
        })
    }
}

impl Window {
    fn text(&self) -> String {
        match &self.time {
            Some((start, end)) => format!("; window {}, {start} to {end}", self.index),
            None => format!("; window {}", self.index),
        }
    }
}

impl Signature {
    fn text(&self, paint: Paint) -> String {
        match self {
            Self::Bad(why) => format!("; {}", paint.bad(&printable(&format!("BAD SIGNATURE: {why}")))),
            Self::Good(by) => {
                let by = by.iter().map(NodeName::as_str).collect::<Vec<_>>().join(" ");
                format!("; {}", paint.good(&format!("signed by {by}")))
            }
            Self::None => String::new(),
            Self::Unchecked(why) => format!("; {}", paint.unusual(&format!("signature not checked: {why}"))),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Bad(why) => json!({ "verdict": "bad", "why": why }),
            Self::Good(by) => json!({ "verdict": "good", "by": by }),
            Self::None => json!({ "verdict": "none" }),
            Self::Unchecked(why) => json!({ "verdict": "unchecked", "why": why }),
        }
    }
}

/// A topic that is shown as it is, if it is not too long.
pub(super) fn shown(topic: &str) -> String {
    cut(&printable(topic), TOPIC_SHOWN)
}

/// Bytes for people.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `04:29:00.250`, in UTC.
fn time_of_day(at: Timestamp) -> String {
    let millis = at.as_micros() / 1_000 % 86_400_000;
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &'static str) -> Message {
        let at = Some(Timestamp::from_micros(1_767_268_800_250_000));
        Message { at, topic: topic.to_owned(), payload: payload.into(), retained: Some(true) }
    }

    #[test]
    fn a_line_has_all_that_is_known_in_columns() {
        let mut told = Explained::new(Kind::Status, "peer-1".parse().ok().as_ref());
        told.says = "online".to_owned();
        told.signature = Signature::Good(vec!["peer-1".parse().unwrap()]);
        let time = Some(("2026-01-01T12:00:00Z".to_owned(), "2026-01-01T12:00:02Z".to_owned()));
        told.window = Some(Window { index: WindowIndex(7), time });
        assert_eq!(
            told.text(&message("murmur/hq/status/peer-1", "{}"), 8, Paint::plain()),
            "12:00:00.250  peer-1   > all       status             2 B kept  online; window 7, \
             2026-01-01T12:00:00Z to 2026-01-01T12:00:02Z; signed by peer-1"
        );
    }

    #[test]
    fn nothing_that_is_told_can_take_over_a_terminal_or_fill_it() {
        let mut told = Explained::new(Kind::Unknown, None);
        told.says = format!("\u{1b}[2J{}", "x".repeat(10_000));
        told.signature = Signature::Bad("\u{9b}31m".to_owned());
        let line = told.text(&message("\u{1b}", ""), 8, Paint::plain());
        assert!(line.chars().count() < 1_200 && !line.contains(char::is_control), "{line}");
        assert_eq!(shown(&"\u{e9}".repeat(90)).chars().count(), TOPIC_SHOWN + 3);
    }
}
