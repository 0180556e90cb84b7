//! `murmur policy try`: one request, judged as a peer would.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use smc_core::digest::Digest;
use smc_core::name::{NodeName, QueryName};
use smc_core::request::{Admissible, Asked, MAX_BYTES, Request, RequestError};
use smc_core::roster::{Roster, SiteDocument, Span};
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{beside, load, load_site};
use smc_policy::{Budgets, Case, Circumstances, Policy, PolicySettings, Running, Spending};

use super::findings::Findings;
use super::{PolicyFailure, print, read};
use crate::command::Outcome;

/// `murmur policy try REQUEST.json --policy FILE --site site.toml`
#[derive(Debug, Args)]
pub(super) struct Try {
    /// The request, as its client publishes it; one without a signature can be tried, too
    request: PathBuf,
    /// The policy; that of --peer if left out, and without both every request asks the operator
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The site
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    site: PathBuf,
    /// A peer's file, whose `policy` and `budget` tables count
    #[arg(long, value_name = "FILE")]
    peer: Option<PathBuf>,
    /// When it is judged; now if left out
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Who asks, if not the one that the request names
    #[arg(long, value_name = "NAME")]
    client: Option<NodeName>,
    /// How many queries of this client run
    #[arg(long, value_name = "N", default_value_t = 0)]
    running_for_client: u32,
    /// How many queries run altogether
    #[arg(long, value_name = "N", default_value_t = 0)]
    running: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The parts of a peer's file that requests are judged by.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeerTables {
    policy: PolicySettings,
    budget: Budgets,
}

impl Try {
    pub(super) fn run(&self) -> Result<Outcome, PolicyFailure> {
        let site = load_site(&self.site)?;
        let tables = self.tables()?;
        let policy = self.policy(&tables.policy)?;
        let at = self.at.unwrap_or_else(|| Clock::system().now());
        let mut findings = Findings::default();
        let request = self.request(&site, &mut findings)?;
        findings.note("time", is_due(&request, at));
        findings.note("site", self.fits(&request)?);
        let all = self.running.max(self.running_for_client);
        let running = Running { all, client: self.running_for_client };
        let here = Circumstances { at, zone: &tables.policy.zone, running };
        match Case::new(&site, &request, &here) {
            Ok(case) => judge(&policy, &tables.budget, &case, &mut findings),
            Err(error) => findings.note("policy", Err(format!("not judged: {error}"))),
        }
        print(&if self.json { findings.json() } else { findings.text() })?;
        Ok(match findings.outcome() {
            smc_policy::Outcome::Deny => Outcome::Refused,
            smc_policy::Outcome::Allow | smc_policy::Outcome::Ask => Outcome::Done,
        })
    }

    fn tables(&self) -> Result<PeerTables, PolicyFailure> {
        let Some(path) = &self.peer else { return Ok(PeerTables::default()) };
        let wrong = |error| PolicyFailure::Peer { path: path.clone(), error: Box::new(error) };
        toml::from_str(&read(path, MAX_BYTES)?).map_err(wrong)
    }

    fn policy(&self, settings: &PolicySettings) -> Result<Policy, PolicyFailure> {
        let of_peer = self.peer.as_ref().zip(settings.file.as_ref()).map(|(peer, file)| beside(peer, file));
        match self.policy.clone().or(of_peer) {
            Some(path) => {
                let text = read(&path, smc_policy::MAX_BYTES)?;
                Ok(Policy::parse(&text, &path.display().to_string())?)
            }
            None => Ok(Policy::ask_everything()?),
        }
    }

    /// The request, whether it is signed or not; which of the two it is, is noted.
    fn request(&self, site: &Roster, findings: &mut Findings) -> Result<Request, PolicyFailure> {
        let unreadable = |error| PolicyFailure::Unreadable { path: self.request.clone(), error };
        let malformed = |error: serde_json::Error| unreadable(RequestError::Malformed(error.to_string()));
        let text = read(&self.request, MAX_BYTES)?;
        let mut value: Value = serde_json::from_str(&text).map_err(malformed)?;
        let name = |text: Option<&Value>| text.and_then(Value::as_str).map(str::to_owned);
        let client: Option<NodeName> = name(value.get("client")).and_then(|name| name.parse().ok());
        let query: Option<QueryName> = name(value.pointer("/query/name")).and_then(|name| name.parse().ok());
        if value.get("sig").is_none() {
            let says = "none yet; peers take the request once its client has signed it";
            findings.note("signature", Ok(says.to_owned()));
        } else if let (Some(client), Some(query)) = (&client, &query) {
            let opened = Asked::open(site, client, query, text.as_bytes());
            findings.note(
                "signature",
                match opened {
                    Ok(_) => Ok(format!("of `{client}`")),
                    Err(error) => Err(error.to_string()),
                },
            );
        }
        let fields = value.as_object_mut().ok_or_else(|| unreadable(RequestError::NoObject))?;
        fields.remove("sig");
        let client = self.client.clone().or(client);
        let client = client.ok_or_else(|| PolicyFailure::WhoAsks { path: self.request.clone() })?;
        fields.insert("client".to_owned(), Value::from(client.as_str()));
        serde_json::from_value(value).map_err(malformed)
    }

    /// Whether the query would do in the site file, beside those that stand there.
    fn fits(&self, request: &Request) -> Result<Result<String, String>, PolicyFailure> {
        let mut document: SiteDocument = load(&self.site, &[])?;
        document.query.push(request.query.clone());
        Ok(match Roster::try_from(document) {
            Ok(_) => Ok("function, quantity, scope and audience fit".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

fn is_due(request: &Request, at: Timestamp) -> Result<String, String> {
    let Request { not_before, until, .. } = *request;
    let admissible = Admissible { request: request.clone(), digest: Digest([0; 32]) };
    match admissible.is_due(at) {
        Ok(()) => Ok(format!("from {} to {until}", not_before.max(at))),
        Err(error) => Err(error.to_string()),
    }
}

fn judge(policy: &Policy, budgets: &Budgets, case: &Case, findings: &mut Findings) {
    let agents = case.agents;
    let period = Span::new(case.period);
    findings.note(
        "asks for",
        Ok(format!("{} over {agents} agents, every {period}, as `{}`", case.function, case.client)),
    );
    // What the client has asked before, only a peer knows.
    match budgets.check(&Spending::default(), case) {
        Ok(()) => findings.note("budget", Ok("suffices, if little else was asked today".to_owned())),
        Err(denial) => findings.judged("budget", denial),
    }
    findings.judged("policy", policy.judge(case));
}
