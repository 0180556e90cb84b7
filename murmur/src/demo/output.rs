//! What the demonstration prints: for people, or one JSON object per window and query.

use std::io::{Write, stdout};
use std::net::SocketAddr;

use serde::Serialize;
use smc_core::name::NodeName;
use smc_core::result::{Parts, ResultDocument, Status, WindowDocument};
use smc_core::roster::Roster;
use smc_core::time::WindowIndex;
use smc_core::value::Value;
use smc_mqtt::topic::Topics;

use super::Verdict;
use super::script::Scene;
use super::watch::{Carried, Checked};
use crate::paint::Paint;
use crate::stage::Stage;
use smc_peer::figure::Figure;

/// How to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Where the demonstration is told.
pub(super) struct Output {
    form: Form,
    paint: Paint,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    query: &'a str,
    function: &'a str,
    quantity: &'a str,
    unit: &'a str,
    window: &'a WindowDocument,
    value: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a Parts>,
    cohort: u32,
    fresh: u32,
    carried: u32,
    peers: &'a [NodeName],
    validated: bool,
    verified: bool,
    status: Status,
    reason: Option<&'a str>,
}

/// How much of a ciphertext is shown.
const CIPHERTEXT_SHOWN: usize = 24;

impl Output {
    /// Says what runs where, and how to look on.
    pub(super) fn new(form: Form, stage: &Stage, asked: SocketAddr, scene: &Scene) -> std::io::Result<Self> {
        let output = Self { form, paint: Paint::on_stdout() };
        let address = stage.address();
        if address.port() != asked.port() && asked.port() != 0 {
            eprintln!("port {} is taken; the broker listens on {address} instead", asked.port());
        }
        if form == Form::Text {
            let sharing = stage.roster().sharing();
            let topics = Topics::new(stage.roster().site().clone()).everything();
            let mut out = stdout().lock();
            writeln!(
                out,
                "{} agents, {} peers of which any {} together learn nothing, windows of {}, broker on {address}",
                scene.script.agents.len(),
                sharing.peers(),
                sharing.threshold(),
                scene.script.site.period,
            )?;
            writeln!(
                out,
                "look on: mosquitto_sub -h {} -p {} -t '{topics}' -v",
                address.ip(),
                address.port()
            )?;
        }
        Ok(output)
    }

    /// Tells a result at once, where one line stands for one result.
    pub(super) fn result(&mut self, result: &ResultDocument) -> std::io::Result<()> {
        if self.form == Form::Text {
            return Ok(());
        }
        let line = Line {
            query: result.query.as_str(),
            function: &result.function,
            quantity: result.quantity.as_str(),
            unit: &result.unit,
            window: &result.window,
            value: result.value.as_ref(),
            parts: result.parts.as_ref(),
            cohort: result.cohort,
            fresh: result.fresh,
            carried: result.carried,
            peers: &result.peers,
            validated: result.validated,
            verified: result.verified,
            status: result.status,
            reason: result.reason.as_deref(),
        };
        writeln!(stdout().lock(), "{}", serde_json::to_string(&line)?)
    }

    /// Tells a complete window from all sides.
    pub(super) fn window<'a>(
        &mut self,
        window: WindowIndex,
        agent: Option<(NodeName, String)>,
        carried: &Carried,
        roster: &Roster,
        results: impl Iterator<Item = &'a Checked>,
    ) -> std::io::Result<()> {
        if self.form == Form::Json {
            return Ok(());
        }
        let mut out = stdout().lock();
        let results: Vec<_> = results.collect();
        let start = results.first().map_or("", |checked| checked.signed.result.window.start.as_str());
        writeln!(out, "\nwindow {window} from {start}")?;
        if let Some((agent, reading)) = agent {
            writeln!(out, "  {agent} reads      {reading}; nobody else is told")?;
        }
        let kilobytes = carried.bytes as f64 / 1000.0;
        writeln!(out, "  the broker carried {} messages, {kilobytes:.1} kB, such as", carried.messages)?;
        if let Some((topic, payload)) = &carried.share {
            writeln!(out, "                     {topic} {}", shorten(payload))?;
        }
        for checked in results {
            writeln!(out, "  {}", self.line(checked, roster))?;
        }
        out.flush()
    }

    /// Tells how it ended.
    pub(super) fn end(&mut self, verdict: Verdict) -> std::io::Result<()> {
        let Verdict { compared, wrong } = verdict;
        match (self.form, wrong) {
            (Form::Text, 0) => {
                writeln!(stdout().lock(), "\n{compared} values published, all equal to the truth")
            }
            (Form::Json, 0) => Ok(()),
            _ => {
                eprintln!("{wrong} of {compared} published values differ from the truth");
                Ok(())
            }
        }
    }

    fn line(&self, checked: &Checked, roster: &Roster) -> String {
        let result = &checked.signed.result;
        let name = result.query.as_str();
        let Some(figure) = Figure::of(result, roster) else {
            let reason = result.reason.as_deref().unwrap_or("");
            return self.paint.unusual(&format!("{name:<18} {}: {reason}", result.status));
        };
        let truth = match (&checked.truth, checked.right) {
            (Some(_), true) => self.paint.good("= truth"),
            (Some(truth), false) => self.paint.bad(&format!("BUT THE TRUTH IS {}", figure.with(truth))),
            (None, _) => "truth unknown".to_owned(),
        };
        let verified = if result.verified { "verified" } else { "unverified" };
        let signers: Vec<_> = checked.signed.signatures.keys().map(NodeName::as_str).collect();
        format!(
            "{name:<18} {figure:<14} {truth}  cohort {} ({} fresh, {} carried)  {verified}, signed by {}",
            result.cohort,
            result.fresh,
            result.carried,
            signers.join(" "),
        )
    }
}

/// The header of an envelope and the beginning of its ciphertext.
fn shorten(envelope: &str) -> String {
    match envelope.find("\"ct\":\"").and_then(|at| envelope.get(..at + 6 + CIPHERTEXT_SHOWN)) {
        Some(shown) => format!("{shown}..."),
        None => envelope.to_owned(),
    }
}
