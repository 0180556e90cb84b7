//! Where messages come from: the broker, or what `mosquitto_sub -v` printed.

use std::io::{self, BufReader};
use std::thread;

use bytes::Bytes;
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, Publisher, Refusal, connect};
use smc_mqtt::settings::BrokerAddress;
use tokio::sync::mpsc;

use super::explained::Message;
use crate::command::lines::{Line, Lines};
use crate::command::onlooker::{LookFailure, View};

/// How many lines wait to be explained.
const WAITING: usize = 256;

/// Messages, one after the other.
pub(super) enum Source {
    Broker { publisher: Publisher, incoming: Incoming, broker: BrokerAddress, user: String },
    Lines(mpsc::Receiver<io::Result<Option<Message>>>),
}

impl Source {
    /// Looks on.
    pub(super) fn connect(View { name: user, settings, filters }: View) -> Self {
        let broker = settings.broker.clone();
        let (publisher, incoming) = connect(settings, filters);
        Self::Broker { publisher, incoming, broker, user }
    }

    /// Reads lines in a thread of their own, which nobody waits for: there is no end to a terminal.
    pub(super) fn lines() -> Self {
        let (sender, lines) = mpsc::channel(WAITING);
        thread::spawn(move || {
            let mut input = Lines::new(BufReader::new(io::stdin()));
            loop {
                let line = match input.next() {
                    Ok(Some((_, line))) => Ok(read(&line)),
                    Ok(None) => return,
                    Err(error) => Err(error),
                };
                let ends = line.is_err();
                if sender.blocking_send(line).is_err() || ends {
                    return;
                }
            }
        });
        Self::Lines(lines)
    }

    /// The next message; none when there are no more. Cancelling it loses nothing.
    ///
    /// # Errors
    /// If the broker turns the login down, or the input can't be read.
    pub(super) async fn next(&mut self, clock: &Clock) -> Result<Option<Message>, LookFailure> {
        match self {
            Self::Broker { incoming, broker, user, .. } => loop {
                match incoming.next().await.ok_or(LookFailure::Ended)? {
                    Happening::Connected => eprintln!("connected to {broker} as {user}; Ctrl-C ends it"),
                    Happening::Disconnected { reason } => eprintln!("disconnected: {reason}; trying again"),
                    Happening::Message { topic, payload, retain } => {
                        return Ok(Some(Message {
                            at: Some(clock.now()),
                            topic,
                            payload,
                            retained: Some(retain),
                        }));
                    }
                    Happening::Refused { reason: reason @ Refusal::Subscription { .. } } => {
                        eprintln!("{reason}; what else it allows is told");
                    }
                    Happening::Refused { reason } => {
                        let (broker, user) = (broker.clone(), user.clone());
                        return Err(LookFailure::Refused { broker, user, reason });
                    }
                }
            },
            Self::Lines(lines) => loop {
                match lines.recv().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(LookFailure::Input(error)),
                    Some(Ok(None)) => {}
                    Some(Ok(Some(message))) => return Ok(Some(message)),
                }
            },
        }
    }

    /// Takes leave.
    pub(super) async fn close(self) {
        if let Self::Broker { publisher, .. } = self {
            publisher.close().await;
        }
    }
}

/// A line as `mosquitto_sub -v` prints it: the topic, a space, the payload. A topic of ours has no space.
fn read(line: &Line<'_>) -> Option<Message> {
    let bytes = match line {
        Line::Blank => return None,
        Line::Text(bytes) => *bytes,
        Line::TooLong => b"(a line longer than any message)",
    };
    let space = bytes.iter().position(|&byte| byte == b' ');
    let (topic, payload) = space.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let payload = if payload == b"(null)" { &b""[..] } else { payload };
    let topic = String::from_utf8_lossy(topic).into_owned();
    Some(Message { at: None, topic, payload: Bytes::copy_from_slice(payload), retained: None })
}
