//! All that the peer's log has, page by page: every request, decision, vote, result and order since it began.

use std::ops::ControlFlow;
use std::path::Path;

use maud::{Markup, html};
use smc_core::audit::Row;

use super::html::frame;
use super::view::View;
use crate::audit::{AuditError, LogFile, words};

/// Entries on a page.
const ENTRIES: u64 = 50;

/// Some entries of a log, the newest first.
pub(super) struct Cut {
    entries: Vec<Row>,
    /// The number of the first entry that is newer than these.
    end: u64,
    size: u64,
}

/// Reads the newest entries before number `before` of the log at `path`, or of all.
///
/// # Errors
/// If the file can't be read.
pub(super) fn cut(path: &Path, before: Option<u64>) -> Result<Cut, AuditError> {
    let log = LogFile::open(path)?;
    let size = log.size()?;
    let end = before.unwrap_or(size).min(size);
    let mut entries = Vec::new();
    log.each(end.saturating_sub(ENTRIES), |row| {
        if row.seq >= end || entries.len() as u64 >= ENTRIES {
            return ControlFlow::Break(());
        }
        entries.push(row);
        ControlFlow::Continue(())
    })?;
    entries.reverse();
    Ok(Cut { entries, end, size })
}

/// The page with these entries.
pub(super) fn page(view: &View, cut: &Cut) -> Markup {
    let title = format!("{} at {}: the log", view.peer, view.site);
    let first = cut.end.saturating_sub(ENTRIES);
    frame(
        &title,
        false,
        &html! {
            h1 { "The log " small { (cut.size) " entries; " code { "murmur audit verify" } " checks them" } }
            table {
                thead { tr { th { "Entry" } th { "At" } th { "Kind" } th { "What" } } }
                tbody {
                    @for row in &cut.entries {
                        tr { td { (row.seq) } td { (row.time) } td { (row.kind) } td { (words(row)) } }
                    }
                }
            }
            p {
                @if cut.end < cut.size { a rel="prev" href=(format!("/log?before={}", cut.end + ENTRIES)) { "Later" } " " }
                @if first > 0 { a rel="next" href=(format!("/log?before={first}")) { "Earlier" } }
            }
        },
    )
}
