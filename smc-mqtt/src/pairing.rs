//! How a node that nobody knows joins a site by a code: finds who lets in, proves that it knows the code, writes its files,
//! and hears what became of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rand_core::Rng;
use smc_core::charter::{CharterError, Register};
use smc_core::name::{NodeName, SiteName};
use smc_core::pairing::{AnswerError, Ask, Invitation, InvitedAs, Joiner, Offer, Outcome, PairingCode, Told};
use smc_core::roster::{RosterError, SiteDocument};
use tokio::time::{Instant, timeout_at};
use tracing::info;

use crate::config::{ConfigError, KeyFile, KeyFileError, parse};
use crate::connection::{Happening, Incoming, PublishRefused, Publisher, connect};
use crate::discovery::{DiscoveryError, PATIENCE, find_any_broker};
use crate::entropy::{self, NoEntropy};
use crate::files::{FilesError, Unfinished};
use crate::members;
use crate::newcomer::{Newcomer, NewcomerError, Place, config_path, key_path};
use crate::settings::{BrokerAddress, ConnectionSettings};
use crate::tls::{Tls, are_certificates};
use crate::topic::{PAIR_ANSWERS, PAIR_OFFERS, Topic, Topics};

/// After a silence this long, the offers that the broker had kept have come.
const QUIET: Duration = Duration::from_millis(300);
/// How many offers are looked at; there are as many as members who have a code at this moment.
const MAX_OFFERS: usize = 64;
/// What the authority's file is called.
const CA: &str = "ca.pem";
const NO_AUTHORITY: &str =
    "the broker is reached by TLS, and it does not come with an authority: the member's own file has no `ca`";

/// How a node joins.
#[derive(Debug)]
pub struct Join {
    /// What its owner was told.
    pub code: PairingCode,
    /// Where the broker is; if left out, one that announces itself is looked for.
    pub broker: Option<BrokerAddress>,
    /// Whose code it is; may be left out if one member alone has one.
    pub member: Option<NodeName>,
    /// What it can be; anything if left out.
    pub only: Option<InvitedAs>,
    /// Where its files go.
    pub folder: PathBuf,
    /// `[[source]]` tables for an agent; it invents a room without them.
    pub sources: Option<String>,
    /// How long to wait for the broker, for an offer, and for each answer.
    pub wait: Duration,
}

/// A node that has joined, or will when more peers signed.
#[derive(Debug)]
pub struct Paired {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub invited_as: InvitedAs,
    /// Of which site.
    pub site: SiteName,
    /// Who let it in.
    pub member: NodeName,
    /// What became of it; never [`Outcome::Refused`].
    pub outcome: Outcome,
}

/// Why a node did not join. What it had written is gone again, unless the text says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The member, or who speaks in its place, ended it.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The site file or the member list that was sent can't be used.
    #[error("the site file that `{member}` sent can't be used: {why}")]
    BadSite {
        /// Who sent it.
        member: NodeName,
        /// Why not.
        why: String,
    },
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A file can't be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The keys that are there already can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The keys and files of the newcomer can't be made.
    #[error(transparent)]
    Newcomer(#[from] NewcomerError),
    /// Nobody has a code.
    #[error(
        "no member of a site at {broker} lets anybody in at this moment; have a code made with `murmur pair`"
    )]
    NoOffer {
        /// Where the broker is.
        broker: BrokerAddress,
    },
    /// The answer did not come.
    #[error(
        "no answer from `{member}` within {wait:?}; is `murmur pair` still running there? Files that were written stay: with a new code, and in the same folder, the same keys are used"
    )]
    NoAnswer {
        /// Who should have answered.
        member: NodeName,
        /// How long it had.
        wait: Duration,
    },
    /// A message could not be handed over.
    #[error("not sent: {0}")]
    NotSent(#[from] PublishRefused),
    /// The invitation is for another kind of node.
    #[error("`{member}` lets `{name}` in as {} by this code, not as {}; {remedy}", .invited_as.described(), .only.described())]
    OtherKind {
        /// Who lets in.
        member: NodeName,
        /// Whom.
        name: NodeName,
        /// As what.
        invited_as: InvitedAs,
        /// What this program is.
        only: InvitedAs,
        /// What to do.
        remedy: &'static str,
    },
    /// The folder holds another site.
    #[error("{path} is the file of another site, or an older one; choose another folder with --into")]
    OtherSite {
        /// The file.
        path: PathBuf,
    },
    /// The peers don't want it.
    #[error("`{member}` refuses `{name}`: {why}")]
    Refused {
        /// Who refused.
        member: NodeName,
        /// Whom.
        name: NodeName,
        /// Why.
        why: String,
    },
    /// Several members have codes.
    #[error("several members have a code at this moment: {members}; say whose it is with --with")]
    SeveralOffers {
        /// Who.
        members: String,
    },
    /// The broker can't be used.
    #[error("the broker {broker} can't be used: {reason}")]
    Unreachable {
        /// Where it should be.
        broker: BrokerAddress,
        /// What was the matter.
        reason: String,
    },
}

/// Joins a site.
///
/// # Errors
/// See [`JoinError`].
pub async fn join(join: &Join) -> Result<Paired, JoinError> {
    let mut rng = entropy::rng()?;
    // Ids are per broker, and a newcomer has no name yet.
    let client_id = format!("newcomer-{:016x}", rng.next_u64());
    let broker = match &join.broker {
        Some(broker) => broker.clone(),
        None => find_any_broker(PATIENCE).await?,
    };
    // What is said proves itself by the code, and is sealed: nobody has to be trusted before.
    let broker = broker.trusting(Tls::unverified());
    let settings = ConnectionSettings::new(broker.clone(), client_id);
    let filters = vec![PAIR_OFFERS.to_owned(), PAIR_ANSWERS.to_owned()];
    let (publisher, mut incoming) = connect(settings, filters);
    let outcome = async {
        let offer = find_offer(join, &broker, &mut incoming).await?;
        info!(site = %offer.site, member = %offer.member, "joining");
        let (joiner, hello) = Joiner::begin(offer.clone(), &join.code, &mut rng);
        let mut talk = Talk::new(join, &broker, offer, joiner, &publisher);
        talk.say(&hello)?;
        talk.hold(&mut incoming).await
    }
    .await;
    publisher.close().await;
    outcome
}

/// Who lets in: the one who does, of the members that are wanted.
async fn find_offer(
    join: &Join,
    broker: &BrokerAddress,
    incoming: &mut Incoming,
) -> Result<Offer, JoinError> {
    let deadline = Instant::now() + join.wait;
    let (mut offers, mut quiet, mut fault) = (BTreeMap::new(), None, None);
    while quiet.is_none_or(|quiet| Instant::now() < quiet) || offers.is_empty() {
        let until = quiet.filter(|_| !offers.is_empty()).unwrap_or(deadline);
        match timeout_at(until, incoming.next()).await {
            Ok(Some(Happening::Connected)) => {
                (quiet, fault) = (Some(Instant::now() + QUIET), None);
            }
            Ok(Some(Happening::Message { topic, payload, .. })) => {
                note(&mut offers, join.member.as_ref(), &topic, &payload);
            }
            Ok(Some(Happening::Disconnected { reason })) => fault = Some(reason.to_string()),
            Ok(Some(Happening::Refused { reason })) => return Err(unreachable(broker, reason.to_string())),
            Ok(None) => return Err(unreachable(broker, "the connection ended".to_owned())),
            Err(_) if !offers.is_empty() => break,
            Err(_) => {
                return Err(fault.map_or_else(|| no_offer(broker), |reason| unreachable(broker, reason)));
            }
        }
    }
    if offers.len() > 1 {
        let members = offers.keys().map(|(site, member)| format!("{member} of {site}"));
        return Err(JoinError::SeveralOffers { members: members.collect::<Vec<_>>().join(", ") });
    }
    offers.into_values().next().ok_or_else(|| no_offer(broker))
}

fn no_offer(broker: &BrokerAddress) -> JoinError {
    JoinError::NoOffer { broker: broker.clone() }
}

fn unreachable(broker: &BrokerAddress, reason: String) -> JoinError {
    JoinError::Unreachable { broker: broker.clone(), reason }
}

/// Keeps an offer that is what its topic says; an empty one ends it.
fn note(
    offers: &mut BTreeMap<(SiteName, NodeName), Offer>,
    wanted: Option<&NodeName>,
    topic: &str,
    payload: &[u8],
) {
    let site = topic.split('/').nth(1).and_then(|site| site.parse::<SiteName>().ok());
    let Some(site) = site else { return };
    let Ok(Topic::PairOffer { member }) = Topics::new(site.clone()).parse(topic) else { return };
    if wanted.is_some_and(|wanted| *wanted != member) {
        return;
    }
    let place = (site, member);
    let offer = Offer::read(payload).filter(|offer| (&offer.site, &offer.member) == (&place.0, &place.1));
    match offer {
        Some(offer) if offers.len() < MAX_OFFERS => drop(offers.insert(place, offer)),
        Some(_) => {}
        None => drop(offers.remove(&place)),
    }
}

/// A talk with one member.
struct Talk<'a> {
    join: &'a Join,
    broker: &'a BrokerAddress,
    offer: Offer,
    topics: Topics,
    joiner: Joiner,
    publisher: &'a Publisher,
    /// What there is once there is an invitation.
    invited: Option<Invited>,
}

struct Invited {
    name: NodeName,
    invited_as: InvitedAs,
    files: Option<Unfinished>,
}

/// Once the member may have heard of the keys, they stay, whatever interrupts the talk.
impl Drop for Invited {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            files.finish();
        }
    }
}

impl<'a> Talk<'a> {
    fn new(
        join: &'a Join,
        broker: &'a BrokerAddress,
        offer: Offer,
        joiner: Joiner,
        publisher: &'a Publisher,
    ) -> Self {
        let topics = Topics::new(offer.site.clone());
        Self { join, broker, offer, topics, joiner, publisher, invited: None }
    }

    fn say(&self, ask: &Ask) -> Result<(), JoinError> {
        let topic = self.topics.spell(&Topic::PairAsk { member: self.offer.member.clone() });
        let json = serde_json::to_vec(ask).unwrap_or_default();
        Ok(self.publisher.publish(topic, json, false)?)
    }

    async fn hold(&mut self, incoming: &mut Incoming) -> Result<Paired, JoinError> {
        let answers = self.topics.spell(&Topic::PairAnswer { member: self.offer.member.clone() });
        let mut deadline = Instant::now() + self.join.wait;
        loop {
            let payload = match timeout_at(deadline, incoming.next()).await {
                Ok(Some(Happening::Message { topic, payload, .. })) if topic == answers => payload,
                Ok(Some(_)) => continue,
                Ok(None) => return Err(unreachable(self.broker, "the connection ended".to_owned())),
                Err(_) => {
                    return Err(JoinError::NoAnswer {
                        member: self.offer.member.clone(),
                        wait: self.join.wait,
                    });
                }
            };
            if let Some(paired) = self.hear(&payload)? {
                return Ok(paired);
            }
            deadline = Instant::now() + self.join.wait;
        }
    }

    fn hear(&mut self, payload: &Bytes) -> Result<Option<Paired>, JoinError> {
        match self.joiner.handle(payload) {
            // Somebody else's attempt; the broker limits how many there are.
            Err(AnswerError::Foreign) | Ok(Told::Nothing) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(Told::Ask(ask)) => self.say(&ask).map(|()| None),
            Ok(Told::Invited(invitation)) => self.apply(&invitation).map(|()| None),
            Ok(Told::Outcome(outcome)) => self.conclude(outcome).map(Some),
        }
    }

    /// Writes the files, and tells the member the public keys.
    fn apply(&mut self, invitation: &Invitation) -> Result<(), JoinError> {
        let Invitation { name, invited_as, .. } = invitation;
        let (files, newcomer) = match self.prepare(invitation) {
            Ok(prepared) => prepared,
            Err(error) => {
                // So that the member need not wait for nothing.
                let why = "the newcomer can't use the invitation, and says there why not".to_owned();
                if let Some(ask) = self.joiner.decline(&why.try_into().unwrap_or_default()) {
                    self.say(&ask)?;
                }
                return Err(error);
            }
        };
        let ask = self.joiner.apply(name.clone(), newcomer.keys(), newcomer.login.clone());
        let Some(ask) = ask else { return Err(AnswerError::Malformed.into()) };
        self.say(&ask)?;
        self.invited = Some(Invited { name: name.clone(), invited_as: *invited_as, files: Some(files) });
        Ok(())
    }

    fn prepare(&self, invitation: &Invitation) -> Result<(Unfinished, Newcomer), JoinError> {
        self.check(invitation)?;
        let mut files = Unfinished::begin(&self.join.folder)?;
        let newcomer = self.write(&mut files, invitation)?;
        Ok((files, newcomer))
    }

    /// Whether this program can be what is wanted, and the site can be used.
    fn check(&self, invitation: &Invitation) -> Result<(), JoinError> {
        let Invitation { name, invited_as, site, ca, chain } = invitation;
        let member = self.offer.member.clone();
        if let Some(only) = self.join.only.filter(|only| only != invited_as) {
            let remedy = "use `murmur join` with a new code";
            return Err(JoinError::OtherKind {
                member,
                name: name.clone(),
                invited_as: *invited_as,
                only,
                remedy,
            });
        }
        let bad = |why: String| JoinError::BadSite { member: member.clone(), why };
        match ca {
            Some(ca) if !are_certificates(ca) => {
                return Err(bad("its authority is no certificate".to_owned()));
            }
            None if self.broker.is_tls() => return Err(bad(NO_AUTHORITY.to_owned())),
            _ => {}
        }
        let document: SiteDocument =
            parse(Path::new("site.toml"), site, None).map_err(|error: ConfigError| bad(error.to_string()))?;
        if document.site.name != self.offer.site {
            return Err(bad(format!("it is that of `{}`", document.site.name)));
        }
        let mut register = Register::new(document).map_err(|error: RosterError| bad(error.to_string()))?;
        register.extend(chain).map_err(|error: CharterError| bad(error.to_string()))?;
        Ok(())
    }

    /// The site file, the member list, the keys and the configuration. What an earlier attempt has left is used again.
    fn write(&self, files: &mut Unfinished, invitation: &Invitation) -> Result<Newcomer, JoinError> {
        let Invitation { name, invited_as, site, ca, chain } = invitation;
        let at = |path: &str| self.join.folder.join(path);
        for (path, text) in [("site.toml", Some(site)), (CA, ca.as_ref())] {
            let Some(text) = text else { continue };
            match std::fs::read_to_string(at(path)) {
                Ok(kept) if kept == *text => {}
                Ok(_) => return Err(JoinError::OtherSite { path: at(path) }),
                Err(_) => files.text(path, text)?,
            }
        }
        let kept = format!("state/{name}/{}", members::FILE);
        if *invited_as != InvitedAs::Client && !chain.charters.is_empty() && !at(&kept).exists() {
            files.text(&kept, &serde_json::to_string(chain).unwrap_or_default())?;
        }
        let keys = at(&key_path(name));
        if keys.exists() {
            return Ok(Newcomer::of(KeyFile::load(&keys, name)?)?);
        }
        let newcomer = Newcomer::draw(name.clone())?;
        if at(&config_path(name)).exists() {
            return Err(FilesError::Exists { path: at(&config_path(name)) }.into());
        }
        let place = Place { broker: self.join.broker.as_ref(), ca: ca.as_ref().map(|_| CA) };
        newcomer.write(files, place, *invited_as, self.join.sources.as_deref())?;
        Ok(newcomer)
    }

    fn conclude(&mut self, outcome: Outcome) -> Result<Paired, JoinError> {
        let member = self.offer.member.clone();
        let Some(mut invited) = self.invited.take() else { return Err(AnswerError::Malformed.into()) };
        let (name, invited_as) = (invited.name.clone(), invited.invited_as);
        if let Outcome::Refused { why } = outcome {
            // What was written goes again.
            drop(invited.files.take());
            return Err(JoinError::Refused { member, name, why });
        }
        Ok(Paired { name, invited_as, site: self.offer.site.clone(), member, outcome })
    }
}

impl Paired {
    /// What a person wants to know, and what to do next in `folder`.
    pub fn describe(&self, folder: &Path) -> String {
        let Self { name, invited_as, site, member, outcome } = self;
        let when = match outcome {
            Outcome::Member { effective } => format!("the member list names it from {effective} on"),
            Outcome::Proposed { effective, .. } => format!(
                "more peers have to sign first (`murmur member consent`); if they do, the member list names it from {effective} on"
            ),
            Outcome::Refused { why } => why.clone(),
        };
        let at = |path: String| folder.join(path).display().to_string();
        let next = match invited_as {
            InvitedAs::Agent => format!("sensor-agent --config {}", at(config_path(name))),
            InvitedAs::Peer => format!("smc-peer --config {}", at(config_path(name))),
            InvitedAs::Client => format!(
                "murmur ask mean co2 --site {} --key {}",
                at("site.toml".to_owned()),
                at(key_path(name))
            ),
        };
        format!(
            "{name} is {} of the site {site}, let in by {member}: {when}\nnext: {next}",
            invited_as.described()
        )
    }
}
