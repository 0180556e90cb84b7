//! What a peer's log costs: appending to it, and verifying a long one, beside a plain table of the same entries.

mod plain;
mod report;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Serialize;
use smc_core::audit::{Auditor, Body, Kind, Lists, Started, Voted};
use smc_core::charter::Register;
use smc_core::decimal::Decimal;
use smc_core::digest::Digest;
use smc_core::document::Signable;
use smc_core::identity::SigningKey;
use smc_core::name::NodeName;
use smc_core::protocol::standing::{Members, Standing};
use smc_core::result::{ResultDocument, SignedResult, Status, VERSION, WindowDocument};
use smc_core::roster::Span;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_peer::{AuditError, Draft, Ledger, LogFile};

use self::plain::Plain;
pub(crate) use self::report::LogReport;
use self::report::{PlainReport, Ratios, micros};
use super::{BenchError, Setup};
use crate::command::audit::examine_all;
use crate::stage::Cast;

/// Every how many windows a head is signed: of half a second each, every five minutes.
const WINDOWS_PER_HEAD: u64 = 600;

/// Writes a log of about `entries` entries, one by one as a peer does, and to a plain table beside it, and verifies it: windows of a vote and a result
/// each, with the signatures of all peers.
pub(crate) fn log(entries: u64) -> Result<LogReport, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    let cast = a_setup().cast()?;
    let me = cast.roster.peers().next().map(|(_, node)| node.name.clone());
    let me = me.ok_or_else(|| BenchError::Setup("no peer".to_owned()))?;
    let mut writing = Writing::start(&cast, &me, folder.path())?;
    let windows = entries.div_ceil(2);
    let entries = 1 + 2 * windows;
    eprintln!("appending {entries} entries, and to a plain table");
    writing.plain = Some(Plain::create(folder.path())?);
    writing.write(windows)?;
    let Writing { appends, heads, plain, .. } = writing;
    let path = folder.path().join("audit.sqlite");
    let bytes = std::fs::metadata(&path).map_err(BenchError::Folder)?.len();
    eprintln!("verifying them");
    let took = verify(&cast, &me, &path, entries)?;
    let plain = plain.ok_or_else(|| BenchError::Setup("no plain table".to_owned()))?;
    let (scanned, scan) = plain.scan()?;
    if scanned != entries {
        return Err(BenchError::Setup("entries are missing in the plain table".to_owned()));
    }
    let ((append_mean_us, append_p99_us), plain) = (micros(&appends), micros(&plain.appends));
    let (plain_mean_us, plain_p99_us) = plain;
    let verify_s = took.as_secs_f64();
    Ok(LogReport {
        entries,
        results: windows,
        signatures_per_result: cast.roster.peers().count(),
        bytes_per_entry: bytes / entries.max(1),
        append_mean_us,
        append_p99_us,
        head_mean_ms: micros(&heads).0 / 1e3,
        verify_s,
        verified_per_s: entries as f64 / verify_s,
        ratios: Ratios {
            append_mean: append_mean_us / plain_mean_us,
            verify_to_scan: verify_s / scan.as_secs_f64(),
        },
        plain: PlainReport {
            append_mean_us: plain_mean_us,
            append_p99_us: plain_p99_us,
            scan_s: scan.as_secs_f64(),
        },
    })
}

/// Writes a log of `windows` windows into `folder`, as the first peer's.
#[cfg(test)]
pub(crate) fn a_long_log(cast: &Cast, folder: &std::path::Path, windows: u64) -> Result<(), BenchError> {
    let me = cast.roster.peers().next().map(|(_, node)| node.name.clone());
    Writing::start(cast, &me.ok_or_else(|| BenchError::Setup("no peer".to_owned()))?, folder)?.write(windows)
}

/// A small site with windows of a minute.
pub(crate) fn a_setup() -> Setup {
    Setup { agents: 5, period: Span::from_secs(60), grace: Span::from_secs(2), ..Setup::default() }
}

/// A log that is being written.
struct Writing<'a> {
    cast: &'a Cast,
    ledger: Ledger,
    now: Timestamp,
    appends: Vec<Duration>,
    heads: Vec<Duration>,
    /// Where the same entries go, to compare.
    plain: Option<Plain>,
}

impl<'a> Writing<'a> {
    fn start(cast: &'a Cast, me: &NodeName, folder: &std::path::Path) -> Result<Self, BenchError> {
        let missing = || BenchError::Setup("no such peer".to_owned());
        let keys = &cast.secrets.get(me).ok_or_else(missing)?.keys;
        let key = SigningKey::from_bytes(&keys.signing.to_bytes());
        let ledger = Ledger::open(folder, None, &cast.roster, me, key)?;
        let (now, appends, heads) = (Clock::system().now(), Vec::new(), Vec::new());
        Ok(Self { cast, ledger, now, appends, heads, plain: None })
    }

    fn write(&mut self, windows: u64) -> Result<(), BenchError> {
        self.append(Kind::Start, &Started::new(&self.cast.roster, env!("CARGO_PKG_VERSION")))?;
        let mut before = None;
        for window in (0..windows).map(WindowIndex) {
            let voted = self.vote(window, before)?;
            before = Some(voted.cohort);
            self.append(Kind::Vote, &voted)?;
            let result = self.result(window)?;
            self.append(Kind::Result, &result)?;
            if window.0 % WINDOWS_PER_HEAD == 0 {
                self.sign()?;
            }
        }
        self.sign()
    }

    fn append(&mut self, kind: Kind, document: &impl Serialize) -> Result<(), BenchError> {
        let body = Body::of(document).map_err(|error| BenchError::Setup(error.to_string()))?;
        let draft = [Draft { time: self.now, kind, body }];
        let began = Instant::now();
        self.ledger.append(&draft)?;
        self.appends.push(began.elapsed());
        if let Some(plain) = &mut self.plain {
            plain.append(&draft[0])?;
        }
        Ok(())
    }

    fn sign(&mut self) -> Result<(), BenchError> {
        let began = Instant::now();
        self.ledger.sign(self.now)?;
        self.heads.push(began.elapsed());
        Ok(())
    }

    fn vote(&self, window: WindowIndex, before: Option<Digest>) -> Result<Voted, BenchError> {
        let roster = &self.cast.roster;
        let (_, query) = roster.queries().next().ok_or_else(|| BenchError::Setup("no query".to_owned()))?;
        let measured = roster.quantity(query.quantity);
        let streams = measured.streams.len();
        let vote = Standing {
            epoch: 0,
            window,
            peers: roster.sharing().indices().collect(),
            members: Members::new(streams, 0..streams),
            frozen: true,
            roster: Digest(*roster.digest()),
        };
        Ok(Voted::new(measured.quantity.name().clone(), &vote, before))
    }

    fn result(&self, window: WindowIndex) -> Result<SignedResult, BenchError> {
        let roster = &self.cast.roster;
        let (_, query) = roster.queries().next().ok_or_else(|| BenchError::Setup("no query".to_owned()))?;
        let quantity = &roster.quantity(query.quantity).quantity;
        let peers: Vec<_> = roster.peers().map(|(_, node)| node.name.clone()).collect();
        let result = ResultDocument {
            v: VERSION,
            site: roster.site().clone(),
            query: query.name.clone(),
            function: query.function.entry().name.to_owned(),
            quantity: quantity.name().clone(),
            unit: quantity.unit().to_owned(),
            window: WindowDocument::new(quantity.period(), window),
            audience: None,
            value: Some(Decimal::from(612).into()),
            parts: None,
            cohort: 5,
            declined: 0,
            fresh: 5,
            carried: 0,
            peers,
            validated: true,
            verified: true,
            status: Status::Ok,
            reason: None,
        };
        let signed =
            |name: &NodeName| Some((name.clone(), result.sign(&self.cast.secrets.get(name)?.keys.signing)));
        let signatures = result.peers.iter().filter_map(signed).collect();
        Ok(SignedResult { result, signatures })
    }
}

/// As `murmur audit verify` does.
fn verify(cast: &Cast, me: &NodeName, path: &std::path::Path, entries: u64) -> Result<Duration, BenchError> {
    let began = Instant::now();
    let site = |error| BenchError::Site(Box::new(error));
    let log = LogFile::open(path)?;
    let register = Register::new(cast.document.clone()).map_err(site)?;
    let node =
        register.eras().peer(me).cloned().ok_or_else(|| BenchError::Setup("no such peer".to_owned()))?;
    let mut lists = Lists::new(cast.document.clone(), register).map_err(site)?;
    let mut auditor = Auditor::new(cast.roster.site(), me);
    let misfit = |misfit: smc_core::audit::Misfit| BenchError::Setup(misfit.to_string());
    auditor.want_own(log.heads()?, cast.roster.site(), &node).map_err(misfit)?;
    let mut first = None;
    examine_all(&log, &mut lists, |entry| match auditor.take(entry) {
        Ok(_) => ControlFlow::Continue(()),
        Err(misfit) => {
            first = Some(misfit);
            ControlFlow::Break(())
        }
    })?;
    let audited = first.map_or_else(|| auditor.finish(), Err).map_err(misfit)?;
    let took = began.elapsed();
    if audited.entries == entries {
        Ok(took)
    } else {
        Err(BenchError::Setup("entries are missing".to_owned()))
    }
}

impl From<rusqlite::Error> for BenchError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Table(error)
    }
}

impl From<AuditError> for BenchError {
    fn from(error: AuditError) -> Self {
        Self::Log(Box::new(error))
    }
}
