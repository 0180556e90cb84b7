//! `murmur pair`: lets a node in that nobody knows, by a code that its owner is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rand_chacha::ChaCha20Rng;
use serde::Deserialize;
use serde_json::json;
use smc_core::name::NodeName;
use smc_core::pairing::{
    Answer, Application, AskError, Heard, Invitation, InvitedAs, Inviter, Outcome as Became, TRIES,
};
use smc_core::roster::SiteDocument;
use smc_mqtt::config::{beside, load};
use smc_mqtt::topic::Topic;
use smc_mqtt::{entropy, process};

use super::asking::say;
use super::member::{Entry, How, Keys, MemberFailure, Proposed, Session};
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur pair room-106 --config hq/peer-1.toml --streams co2 --label floor=1
  murmur pair display --config hq/peer-1.toml --client --group facility
  murmur pair peer-4 --config hq/peer-1.toml --instead-of peer-3 --lead 2h

Shows a code, which works once, for five minutes, with three tries. Read it to whoever sets the new node up;
there, `sensor-agent pair CODE` or `murmur join CODE` makes its keys and its files. The member list gets the
entry when as many peers signed as the site's rule demands, as with `murmur member add`.

Exit codes: 0 paired, 1 an error or refused, 2 wrong usage, 4 nobody came.";

/// `murmur pair NAME --config peer-1.toml`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pair {
    /// The newcomer's name
    name: NodeName,
    #[command(flatten)]
    entry: Entry,
    /// It is a peer, the last one
    #[arg(long, conflicts_with_all = ["client", "streams", "label"])]
    peer: bool,
    /// It is a peer, in the place of one that is gone for good
    #[arg(long, value_name = "PEER", conflicts_with_all = ["client", "streams", "label", "peer"])]
    instead_of: Option<NodeName>,
    #[command(flatten)]
    how: How,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Why nobody could be let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairFailure {
    /// The member list can't be seen or changed.
    #[error(transparent)]
    Member(#[from] MemberFailure),
    /// What is to be told can't be printed.
    #[error("it could not be printed: {0}")]
    Output(#[from] std::io::Error),
    /// The site is too large for one invitation.
    #[error("the site file and the member list are over 16 MiB: use `murmur member add`, and copy the files")]
    TooLong,
}

/// The keys of a node's file that name the site file, and the authority of its broker.
#[derive(Deserialize)]
struct NodeFile {
    site: PathBuf,
    ca: Option<PathBuf>,
}

impl Pair {
    pub(crate) fn run(mut self) -> Result<Outcome, Failure> {
        if self.peer || self.instead_of.is_some() {
            self.entry = Entry::peer(self.instead_of.take());
        }
        Ok(block_on(self.pair())??)
    }

    async fn pair(self) -> Result<Outcome, PairFailure> {
        let session = Session::open_to_newcomers(&self.how.config).await?;
        session.expect_nothing_open()?;
        let invitation = self.invitation(&session)?;
        let mut rng = entropy::rng().map_err(MemberFailure::from)?;
        let (site, member) = (invitation.chain.site.clone(), session.node().clone());
        let inviter = Inviter::new(site, member, &invitation, session.now(), &mut rng);
        let inviter = inviter.ok_or(PairFailure::TooLong)?;
        let mut door = Door { pair: self, session, inviter, rng, ignored: 0 };
        door.open()?;
        let outcome = tokio::select! {
            outcome = door.keep() => outcome,
            () = process::asked_to_end() => Ok(Outcome::Unanswered),
        };
        door.close().await?;
        outcome
    }

    /// What the newcomer is sent: the site file and the broker's authority as they are here, and how the member list has changed since.
    fn invitation(&self, session: &Session) -> Result<Invitation, MemberFailure> {
        let file: NodeFile = load(&self.how.config, &["ca", "site"])?;
        let read = |path: &Path| {
            let path = beside(&self.how.config, path);
            std::fs::read_to_string(&path).map_err(|error| MemberFailure::File { path, error })
        };
        Ok(Invitation {
            name: self.name.clone(),
            invited_as: self.entry.invites_as(),
            site: read(&file.site)?,
            ca: file.ca.as_deref().map(read).transpose()?,
            chain: session.members().register().chain(),
        })
    }
}

/// How often it is said that there is a code.
const OFFER_AGAIN: Duration = Duration::from_secs(2);

/// The door that one newcomer may come through.
struct Door {
    pair: Pair,
    session: Session,
    inviter: Inviter,
    rng: ChaCha20Rng,
    /// How many messages counted for nothing.
    ignored: u64,
}

impl Door {
    fn topic(&self, spell: impl Fn(NodeName) -> Topic) -> Topic {
        spell(self.session.node().clone())
    }

    /// Shows the code, and publishes that there is one.
    fn open(&self) -> Result<(), PairFailure> {
        let offer = self.inviter.offer();
        let code = self.inviter.code().reveal();
        let (name, invited_as) = self.inviter.invited();
        let command = match invited_as {
            InvitedAs::Agent => "sensor-agent pair",
            InvitedAs::Client | InvitedAs::Peer => "murmur join",
        };
        self.offer()?;
        if self.pair.json {
            return Ok(say(&json!({ "code": *code, "name": name, "until": offer.until }).to_string())?);
        }
        Ok(say(&format!(
            "code {}, good for one node, {TRIES} tries, until {}\non the new machine:  {command} {}    (broker: {})\nwaiting for {name} ...",
            *code,
            offer.until,
            *code,
            self.session.broker().url(),
        ))?)
    }

    fn offer(&self) -> Result<(), PairFailure> {
        let json = serde_json::to_vec(self.inviter.offer()).unwrap_or_default();
        Ok(self.session.publish(&self.topic(|member| Topic::PairOffer { member }), json, true)?)
    }

    async fn close(self) -> Result<(), PairFailure> {
        if self.ignored > 1 {
            eprintln!("messages that were ignored: {}", self.ignored);
        }
        self.session.publish(&self.topic(|member| Topic::PairOffer { member }), Vec::new(), true)?;
        self.session.close().await;
        Ok(())
    }

    /// Answers newcomers until one is in, or the code is no longer good.
    async fn keep(&mut self) -> Result<Outcome, PairFailure> {
        loop {
            let now = self.session.now();
            if self.inviter.is_over(now) {
                self.tell("nobody joined: the code is no longer good; `murmur pair` makes a new one", None)?;
                return Ok(Outcome::Unanswered);
            }
            let left = self.inviter.offer().until.since(now).clamp(Duration::from_secs(1), OFFER_AGAIN);
            let Some(ask) = self.session.next_ask(left).await? else {
                // Who comes now may not have been given what is retained (docs/decisions/0027).
                self.offer()?;
                continue;
            };
            let tries = self.inviter.tries();
            match self.inviter.handle(self.session.now(), &ask, &mut self.rng) {
                Ok(Heard::Answers(answers)) => self.answer(answers)?,
                Ok(Heard::Application(application)) => return self.admit(*application).await,
                Ok(Heard::Declined(why)) => {
                    self.tell(&format!("nobody joined: {why}"), Some(json!({ "declined": why })))?;
                    return Ok(Outcome::Refused);
                }
                // Of an earlier offer, or of whoever can publish here.
                Err(AskError::Other) => {}
                Err(error) => {
                    // Once: anybody could have it said without end.
                    if self.ignored == 0 {
                        eprintln!("ignored: {error}");
                    }
                    self.ignored += 1;
                }
            }
            if self.inviter.tries() < tries {
                let left = self.inviter.tries();
                let told = format!(
                    "somebody tried a wrong code; tries left: {left}. If that was not the newcomer, stop here with Ctrl-C"
                );
                self.tell(&told, Some(json!({ "wrong_code": { "left": left } })))?;
            }
        }
    }

    fn answer(&self, answers: impl IntoIterator<Item = Answer>) -> Result<(), PairFailure> {
        for answer in answers {
            let json = serde_json::to_vec(&answer).unwrap_or_default();
            self.session.publish(&self.topic(|member| Topic::PairAnswer { member }), json, false)?;
        }
        Ok(())
    }

    /// Proposes the entry, and tells both sides what became of it.
    async fn admit(&mut self, application: Application) -> Result<Outcome, PairFailure> {
        let became = if is_known(self.session.members().register().newest(), &application) {
            Ok(Became::Member { effective: self.session.now() })
        } else {
            self.propose(application).await.map(|proposed| match proposed {
                Proposed { effective, is_enacted: true, .. } => Became::Member { effective },
                Proposed { subject, effective, .. } => Became::Proposed { subject, effective },
            })
        };
        let became = became.unwrap_or_else(|failure| Became::Refused { why: failure.to_string() });
        let answer = self.inviter.conclude(&became);
        self.answer(answer)?;
        let name = &self.pair.name;
        let (told, outcome) = match &became {
            Became::Member { effective } => {
                (format!("{name} has paired; the member list names it from {effective} on"), Outcome::Done)
            }
            Became::Proposed { subject, effective } => (
                format!(
                    "{name} has paired; proposed as {subject}, which other peers' operators have to sign before {effective} (`murmur member consent`)"
                ),
                Outcome::Done,
            ),
            Became::Refused { why } => {
                (format!("REFUSED: {name} knew the code, but {why}"), Outcome::Refused)
            }
        };
        self.tell(&told, Some(json!({ "outcome": became })))?;
        Ok(outcome)
    }

    async fn propose(&mut self, application: Application) -> Result<Proposed, MemberFailure> {
        let change = self.pair.entry.change(&Keys::from(application));
        let charter = self.session.draft(change, self.pair.how.lead.get())?;
        self.session.propose(charter, self.pair.how.wait.get()).await
    }

    fn tell(&self, text: &str, json: Option<serde_json::Value>) -> Result<(), PairFailure> {
        let line = if self.pair.json {
            json.unwrap_or_else(|| json!({ "note": text })).to_string()
        } else {
            text.to_owned()
        };
        Ok(say(&line)?)
    }
}

/// Whether the list has these very keys under this name: then the newcomer has paired before, and lost the answer.
fn is_known(site: &SiteDocument, application: &Application) -> bool {
    let Application { name, identity, sealing, .. } = application;
    site.members().any(|known| known == (name, Some(identity), sealing))
}
