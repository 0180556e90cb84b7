//! What was decided and computed before, page by page.

use maud::{Markup, html};
use smc_core::request::Decision;

use super::html::{frame, remarks};
use super::view::{View, Window};

/// Lines on a page.
const LINES: usize = 50;

/// The page with this number, from 0; the last one if there are fewer.
pub(super) fn page(view: &View, number: usize) -> Markup {
    let windows = newest_windows(view);
    let pages = windows.len().max(view.decisions.len()).div_ceil(LINES).max(1);
    let number = number.min(pages - 1);
    let title = format!("{} at {}: the past", view.peer, view.site);
    frame(
        &title,
        false,
        &html! {
            h1 { "The past " small { "as far as this peer remembers it" } }
            h2 { "Decisions" }
            (decisions(cut(&view.decisions, number)))
            h2 { "Windows" }
            table {
                thead { tr { th { "Window" } th { "Query" } th { "Value" } th { "Agents" } th { "Remarks" } } }
                tbody {
                    @for (query, window) in cut(&windows, number) {
                        tr {
                            td { (window.start) }
                            td { (query) }
                            td { @if let Some(value) = &window.value { (value) } @else { (window.status) } }
                            td { (window.cohort) }
                            td { (remarks(window)) }
                        }
                    }
                }
            }
            p {
                @if number > 0 { a rel="prev" href=(format!("/past?page={}", number - 1)) { "Later" } " " }
                "Page " (number + 1) " of " (pages) " "
                @if number + 1 < pages { a rel="next" href=(format!("/past?page={}", number + 1)) { "Earlier" } }
            }
        },
    )
}

/// All windows that are remembered, with their queries, the newest first.
fn newest_windows(view: &View) -> Vec<(&str, &Window)> {
    let of = |session: &'_ super::view::Session| session.windows.len();
    let mut windows = Vec::with_capacity(view.sessions.iter().map(of).sum());
    for session in &view.sessions {
        windows.extend(session.windows.iter().map(|window| (session.subject.query.as_str(), window)));
    }
    // RFC 3339 in UTC sorts as it reads.
    windows.sort_by(|(_, a), (_, b)| b.start.cmp(&a.start));
    windows
}

fn decisions(decisions: &[Decision]) -> Markup {
    html! {
        @if decisions.is_empty() { p { "None on this page." } }
        @else {
            table {
                thead { tr { th { "At" } th { "Query" } th { "Of" } th { "Decision" } th { "Why" } th { "Rule" } } }
                tbody {
                    @for decision in decisions {
                        tr {
                            td { (decision.at) }
                            td { (decision.query) }
                            td { @if let Some(client) = &decision.client { (client) } @else { "the site file" } }
                            td { (decision.verdict) }
                            td { (decision.reason) }
                            td { (decision.rule.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

fn cut<T>(lines: &[T], page: usize) -> &[T] {
    let from = (page * LINES).min(lines.len());
    &lines[from..(from + LINES).min(lines.len())]
}
