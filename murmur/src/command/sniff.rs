//! `murmur sniff`: what passes at the broker, in words.

mod explain;
mod explained;
mod kind;
mod pairing;
mod presence;
mod signed;
mod source;
mod summary;
mod values;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use smc_core::name::{NodeName, SiteName};
use smc_core::roster::Span;
use smc_core::time::WindowIndex;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;
use tokio::time::{Instant, sleep_until};

use self::explain::{Explainer, Known};
use self::explained::{Explained, Message};
use self::kind::Kind;
use self::source::Source;
use self::summary::Summary;
use super::onlooker::{LookFailure, Onlooker};
use super::told::Told;
use super::{Failure, Outcome, block_on};
use crate::paint::Paint;

/// The width of names where no site file tells any.
const WIDTH: usize = 12;
/// The widest names that get a column of their own.
const MAX_WIDTH: usize = 24;

const EXAMPLES: &str = "\
Examples:
  murmur sniff --site hq/site.toml
  murmur sniff --site hq/site.toml --node room-101 --kind share
  murmur sniff --site hq/site.toml --key hq/keys/display.key          what a node's own login may read
  murmur sniff --site-name demo --broker localhost                    a site whose file is not at hand
  mosquitto_sub -u observer -P ... -v -t 'murmur/#' | murmur sniff --stdin --site hq/site.toml

Tells of each message who sent it to whom, what it is, its window, its size, to which key it is sealed, and
whether its signature is good by the member list. What is sealed stays sealed: of a message between peers
nobody but its receiver sees which step it is. Ends with Ctrl-C, and adds up what passed.

Exit codes: 0 no signature was bad, 1 some were, or an error, 2 wrong usage.";

/// `murmur sniff`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sniff {
    #[command(flatten)]
    told: Told,
    /// Instead of a site file, the site's name alone: then no signature can be checked
    #[arg(long, value_name = "NAME", conflicts_with_all = ["site", "members", "key"])]
    site_name: Option<SiteName>,
    #[command(flatten)]
    onlooker: Onlooker,
    /// Read what `mosquitto_sub -v` printed from the standard input, instead of connecting
    #[arg(long, conflicts_with_all = ["broker", "user", "password_file", "key"])]
    stdin: bool,
    /// Only what these nodes sent, or what is for them
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    node: Vec<NodeName>,
    /// Only these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<Kind>,
    /// Only this window, by its number
    #[arg(long, value_name = "INDEX")]
    window: Option<u64>,
    /// End after so long
    #[arg(long = "for", value_name = "SPAN")]
    lasts: Option<Span>,
    /// Print one JSON object per message, and one at the end
    #[arg(long)]
    json: bool,
}

impl Sniff {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.sniff())??)
    }

    async fn sniff(self) -> Result<Outcome, LookFailure> {
        let (site, known) = match &self.site_name {
            Some(site) => (site.clone(), None),
            None => {
                let known = Known::new(self.told.members()?)?;
                (known.roster.site().clone(), Some(known))
            }
        };
        let source = if self.stdin {
            Source::lines()
        } else {
            let (site_file, members) = (&self.told.site, self.told.members.as_deref());
            Source::connect(self.onlooker.view(&site, site_file, members, None).await?)
        };
        let width = known.as_ref().map_or(WIDTH, width);
        let mut teller = Teller {
            explainer: Explainer::new(site, known),
            summary: Summary::default(),
            width,
            sniff: &self,
        };
        teller.attend(source).await?;
        teller.conclude()
    }

    fn wants(&self, told: &Explained) -> bool {
        let concerns = |node: &NodeName| told.from.as_ref() == Some(node) || told.to.as_ref() == Some(node);
        let window = self.window.map(WindowIndex);
        (self.node.is_empty() || self.node.iter().any(concerns))
            && (self.kind.is_empty() || self.kind.contains(&told.kind))
            && window.is_none_or(|wanted| told.window.as_ref().is_some_and(|window| window.index == wanted))
    }
}

/// How wide the names of a site are.
fn width(known: &Known) -> usize {
    let roster = &known.roster;
    let peers = roster.peers().map(|(_, node)| &node.name);
    let agents = roster.agents().iter().map(|agent| &agent.node.name);
    let names = peers.chain(agents).chain(roster.clients().map(|(name, _)| name));
    names.map(|name| name.as_str().len()).max().unwrap_or(WIDTH).min(MAX_WIDTH)
}

/// Explains one message after the other and prints it.
struct Teller<'a> {
    explainer: Explainer,
    summary: Summary,
    width: usize,
    sniff: &'a Sniff,
}

impl Teller<'_> {
    /// Until there is nothing more, it has lasted long enough, or it is asked to end.
    async fn attend(&mut self, mut source: Source) -> Result<(), LookFailure> {
        // A century is for ever, and no instant that overflows.
        let lasts = self.sniff.lasts.map_or(Duration::from_secs(100 * 366 * 86_400), Span::get);
        let end = Instant::now() + lasts;
        let (clock, paint) = (Clock::system(), Paint::on_stdout());
        let mut asked_to_end = std::pin::pin!(process::asked_to_end());
        loop {
            let next = tokio::select! {
                next = source.next(&clock) => next?,
                () = sleep_until(end) => None,
                () = &mut asked_to_end => None,
            };
            let Some(message) = next else { break };
            self.tell(&message, &clock, paint)?;
        }
        source.close().await;
        Ok(())
    }

    fn tell(&mut self, message: &Message, clock: &Clock, paint: Paint) -> io::Result<()> {
        let told = self.explainer.explain(message, clock.now());
        if !self.sniff.wants(&told) {
            return Ok(());
        }
        self.summary.count(&told, message.topic.len() + message.payload.len());
        let line = if self.sniff.json {
            told.json(message).to_string()
        } else {
            told.text(message, self.width, paint)
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    }

    fn conclude(self) -> Result<Outcome, LookFailure> {
        let mut out = io::stdout().lock();
        if self.sniff.json {
            writeln!(out, "{}", self.summary.json())?;
        } else {
            writeln!(out, "\n{}", self.summary.text())?;
        }
        Ok(if self.summary.bad() > 0 { Outcome::Refused } else { Outcome::Done })
    }
}
