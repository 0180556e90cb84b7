//! `murmur doctor`: what is wrong with a site, and what to do about it.

mod check;
mod findings;
mod local;
mod look;
mod seen;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use smc_core::roster::{Roster, Span};
use smc_core::time::Timestamp;
use smc_mqtt::client::Access;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{ConfigError, beside, load_told};
use smc_mqtt::filter::TopicFilter;
use smc_mqtt::members::Members;
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::Tls;
use smc_mqtt::topic::{Topic, Topics};

use self::findings::{Findings, Grade};
use self::local::{Local, Program};
use self::look::{Reached, look};
use self::seen::Seen;
use super::asking::say;
use super::onlooker::{LookFailure, Onlooker, View};
use super::{Failure, Outcome, block_on};
use crate::paint::Paint;

/// The shortest and the longest that is listened unless somebody says otherwise.
const LISTEN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

const EXAMPLES: &str = "\
Examples:
  murmur doctor --site hq/site.toml                      looks on with the password in hq/keys/observer.password
  murmur doctor --site hq/site.toml --config hq/peer-1.toml --config hq/broker.toml
  murmur doctor --config /etc/murmur/peer-1.toml         on the machine of a node: its file, its keys, its disk
  murmur doctor --site hq/site.toml --json | jq -r 'select(.grade == \"problem\") | .says, .remedy'

Looks at the files that it is given, and at the site through its broker for two windows: broker, clocks, keys,
member list, peers, agents, results, policies, disks, versions. Each finding that is not `ok` comes with what to
do about it. It changes nothing.

Exit codes: 0 all is well, 1 there is a problem, 2 wrong usage.";

/// `murmur doctor`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// The site file; the one that the first --config names, or site.toml, if not given
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// How its member list changed: a node's members.json; what the broker keeps is looked at in any case
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    #[command(flatten)]
    onlooker: Onlooker,
    /// The file of a peer, an agent or the broker on this machine; may be given several times
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// How long to listen; two of the shortest windows and a little, at most 15s, if not given
    #[arg(long, value_name = "SPAN")]
    listen: Option<Span>,
    /// Print one JSON object per finding, and one at the end
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.diagnose())??)
    }

    async fn diagnose(self) -> Result<Outcome, LookFailure> {
        let mut findings = Findings::default();
        let locals = self.locals(&mut findings);
        let site_file = self.site_file(&locals);
        let told = load_told(&site_file, self.members.as_deref());
        let members = check::site_file::check(&site_file, told, &mut findings);
        let roster = members.as_ref().and_then(|members| members.roster().ok());
        for local in &locals {
            check::config::check(local, roster.as_deref(), &mut findings);
            check::policy::check(local, &mut findings);
            check::disk::local(local, &mut findings);
        }
        if let Some(members) = members {
            check::certificates::check(&site_file, Clock::system().now(), &mut findings);
            check::keys::check(&site_file, members.register().document(), &mut findings);
            let nodes = locals.iter().filter(|local| local.program() != Program::Broker);
            // One that can't be read was told before.
            let named = nodes.filter_map(|local| Access::of_config(&local.path).ok()).next();
            let named = named.map(|(_, broker, tls)| (broker, tls));
            self.look(&site_file, members, named, &mut findings).await?;
        }
        self.print(&findings)?;
        Ok(if findings.count(Grade::Problem) > 0 { Outcome::Refused } else { Outcome::Done })
    }

    /// The nodes' own files, those that are some.
    fn locals(&self, findings: &mut Findings) -> Vec<Local> {
        let mut locals = Vec::new();
        for path in &self.config {
            match Local::read(path) {
                Ok(local) => locals.push(local),
                Err(error) => findings.problem("config", error.to_string(), "mend the file"),
            }
        }
        locals
    }

    fn site_file(&self, locals: &[Local]) -> PathBuf {
        let named = || {
            let node = locals.iter().find(|local| local.program() != Program::Broker)?;
            Some(beside(&node.path, node.own.site.as_deref()?))
        };
        self.site.clone().or_else(named).unwrap_or_else(|| PathBuf::from("site.toml"))
    }

    /// Looks at the site through its broker.
    async fn look(
        &self,
        site_file: &Path,
        members: Members,
        named: Option<(Option<BrokerAddress>, Option<Tls>)>,
        findings: &mut Findings,
    ) -> Result<(), LookFailure> {
        let roster = members.roster().map_err(ConfigError::from)?;
        let view = match self.onlooker.view(roster.site(), site_file, self.members.as_deref(), named).await {
            Ok(view) => view,
            Err(error @ LookFailure::Discovery(_)) => {
                findings.problem("broker", error.to_string(), "name it with --broker");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let listen = self.listen.map_or_else(|| span(&roster), Span::get);
        let (broker, user, sees_shares) =
            (view.settings.broker.clone(), view.name.clone(), sees_shares(&view, &roster));
        let mut seen = Seen::new(members).map_err(ConfigError::from)?;
        let reached = look(view, listen, &mut seen).await;
        if check::broker::check(&broker, &user, &reached, findings) {
            let listened = match reached {
                Reached::Looked { listened, .. } if sees_shares => Some(listened),
                _ => None,
            };
            examine(&seen, listened, Clock::system().now(), findings);
        }
        Ok(())
    }

    fn print(&self, findings: &Findings) -> std::io::Result<()> {
        if self.json {
            findings.json().iter().try_for_each(|line| say(&line.to_string()))
        } else {
            findings.text(Paint::on_stdout()).iter().try_for_each(|line| say(line))
        }
    }
}

/// All that can be told from what was seen at `now`.
fn examine(seen: &Seen, listened: Option<Duration>, now: Timestamp, findings: &mut Findings) {
    check::roster::check(seen, now, findings);
    check::peers::check(seen, now, findings);
    check::agents::check(seen, listened, findings);
    check::results::check(seen, now, findings);
    check::clocks::check(seen, findings);
    check::disk::told(seen, findings);
    check::certificates::told(seen, now, findings);
    check::versions::check(seen, findings);
}

/// How long to listen: in two windows every agent has spoken, and the peers have answered once.
fn span(roster: &Roster) -> Duration {
    let shortest = roster.shortest_period().map_or(LISTEN.0, |period| period.as_duration());
    (2 * shortest + roster.timing().grace + shortest / 4).clamp(LISTEN.0, LISTEN.1)
}

/// Whether the login may read what agents share.
fn sees_shares(view: &View, roster: &Roster) -> bool {
    let Some((_, peer)) = roster.peers().next() else { return false };
    let share = Topic::Share { to: peer.name.clone(), from: peer.name.clone() };
    let share = Topics::new(roster.site().clone()).spell(&share);
    view.filters
        .iter()
        .filter_map(|text| text.parse::<TopicFilter>().ok())
        .any(|filter| filter.matches(&share))
}
