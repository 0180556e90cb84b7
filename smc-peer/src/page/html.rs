//! The pages in HTML. Whatever is put into them is escaped by maud.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};
use smc_core::order::Verb;
use smc_core::result::Status;
use smc_core::roster::Span;

use super::order::MAX_REASON;
use super::plot::plot;
use super::view::{Health, Log, Member, Role, Says, Session, State, Story, Subject, View, Waiting, Window};

/// How many windows the overview draws of each session.
const DRAWN: usize = 60;
/// How often a browser without scripts looks again, in seconds.
const RELOAD: &str = "30";

/// What is going on now.
pub(super) fn overview(view: &View, token: &str) -> Markup {
    let title = format!("{} at {}", view.peer, view.site);
    frame(
        &title,
        true,
        &html! {
            h1 { (view.peer) " " small { "a peer of " (view.site) } }
            @for notice in &view.notices { p.notice role="alert" { (notice) } }
            @if !view.waiting.is_empty() {
                h2 { "Waiting for you" }
                @for waiting in &view.waiting { (request(waiting, token)) }
            }
            h2 { "Computed now" }
            @if view.sessions.is_empty() { p { "Nothing." } }
            @for session in &view.sessions { (card(session, token, DRAWN)) }
            h2 { "Who takes part" }
            (members(&view.members))
            @if !view.logs.is_empty() {
                h2 { "What the peers' logs came to" }
                (logs(&view.logs))
            }
            p.fine { "As of " (view.at) "." }
        },
    )
}

/// One session with all windows that are remembered.
pub(super) fn session(view: &View, session: &Session, token: &str) -> Markup {
    let title = format!("{} at {}", session.subject.query, view.site);
    frame(
        &title,
        true,
        &html! {
            (card(session, token, usize::MAX))
            h2 { "Its last windows" }
            (windows(session.windows.iter().rev()))
        },
    )
}

/// Asks for the password.
pub(super) fn login(view: &View, token: &str, wrong: Option<&str>) -> Markup {
    frame(
        &format!("{} at {}", view.peer, view.site),
        false,
        &html! {
            h1 { (view.peer) " " small { "a peer of " (view.site) } }
            @if let Some(words) = wrong { p.notice role="alert" { (words) } }
            form.order method="post" action="/login" {
                input type="hidden" name="token" value=(token);
                label { "Password " input type="password" name="password" autocomplete="current-password" required; }
                button { "Log in" }
            }
        },
    )
}

/// A few words, and the way back.
pub(super) fn message(words: &str) -> Markup {
    frame(
        "Murmuration",
        false,
        &html! {
            p.notice role="alert" { (words) }
            p { a href="/" { "Back to the page" } }
        },
    )
}

/// What all pages have around them.
pub(super) fn frame(title: &str, live: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                @if live {
                    noscript { meta http-equiv="refresh" content=(RELOAD); }
                    script src="/live.js" defer {}
                }
            }
            body {
                nav { a href="/" { "Now" } " " a href="/past" { "Past" } " " a href="/log" { "Log" } }
                main { (body) }
            }
        }
    }
}

fn request(waiting: &Waiting, token: &str) -> Markup {
    let Waiting { subject, since, reason } = waiting;
    html! {
        article.waiting {
            h3 { (subject.query) }
            (about(subject))
            p.fine { "Since " (since) ": " (reason) }
            (order(subject, token, &[(Verb::Approve, "Approve"), (Verb::Deny, "Deny")]))
        }
    }
}

fn card(session: &Session, token: &str, drawn: usize) -> Markup {
    let Session { subject, state, windows, .. } = session;
    let newest = windows.last();
    let from = windows.len().saturating_sub(drawn);
    html! {
        article {
            h3 { a href=(format!("/session/{}", subject.query)) { (subject.query) } }
            @match newest {
                Some(window) => { (value(window)) }
                None => { p.value { "no window yet" } }
            }
            @if let Some(plot) = plot(&windows[from..]) { (plot) }
            (about(subject))
            @match state {
                State::Paused { reason } => {
                    p.notice { "Paused: " (reason) }
                    (order(subject, token, &[(Verb::Resume, "Resume"), (Verb::Withdraw, "Withdraw")]))
                }
                State::Running => {
                    (order(subject, token, &[(Verb::Pause, "Pause"), (Verb::Withdraw, "Withdraw")]))
                }
            }
        }
    }
}

/// What a window came to, in a line.
fn value(window: &Window) -> Markup {
    html! {
        p.value {
            @match (window.status, &window.value) {
                (Status::Ok, Some(value)) => { (value) }
                (Status::Ok, None) => { "sealed for its client" }
                (Status::Failed, _) => { span.bad { "failed" } }
                (Status::Withheld, _) => { span.bad { "withheld" } }
            }
        }
        p.fine {
            (window.start) ", over " (window.cohort) " agents"
            @if window.carried > 0 { ", " (window.carried) " of them silent" }
            @if let Some(reason) = &window.reason { ": " (reason) }
        }
    }
}

/// What is asked, in a sentence or two.
fn about(subject: &Subject) -> Markup {
    let quantities: Vec<_> = subject.quantities.iter().map(|quantity| quantity.as_str()).collect();
    let scope: Vec<_> = subject.scope.iter().map(|(key, value)| format!("{key} {value}")).collect();
    html! {
        p {
            strong { (subject.function) } " of " (quantities.join(" and "))
            @if !scope.is_empty() { ", " (scope.join(", ")) }
            ", every " (span(subject.period)) ", over " (subject.minimum_cohort) " agents or more. "
            @match &subject.client {
                Some(client) => { "Asked by " strong { (client) } }
                None => { "Asked for in the site file" }
            }
            @if !subject.purpose.is_empty() { ", for: " q { (subject.purpose) } }
            @if let Some(until) = subject.until { ", until " (until) }
            ". "
            @match &subject.audience {
                Some(audience) => { "Only " (audience) " sees the value." }
                None => { "Everybody sees the value." }
            }
        }
    }
}

fn order(subject: &Subject, token: &str, acts: &[(Verb, &str)]) -> Markup {
    html! {
        form.order method="post" action="/order" {
            input type="hidden" name="token" value=(token);
            input type="hidden" name="query" value=(subject.query);
            label { "Reason, for everybody to read " input type="text" name="reason" maxlength=(MAX_REASON); }
            @for (act, words) in acts { button name="act" value=(act.name()) { (words) } " " }
        }
    }
}

fn members(members: &[Member]) -> Markup {
    html! {
        ul.members {
            @for Member { name, role, health, says } in members {
                @let (class, words) = fares(*health);
                li {
                    span class=(class) { (words) } " " (name) " "
                    small {
                        (match role { Role::Agent => "agent", Role::Client => "client", Role::Peer => "peer" })
                        @if let Some(Says { program, since }) = says { " " (program) ", since " (since) }
                    }
                }
            }
        }
    }
}

fn logs(logs: &[Log]) -> Markup {
    html! {
        ul.logs {
            @for Log { peer, story } in logs {
                li {
                    @match story {
                        Story::One { size, at } => {
                            span.good { "agrees" } " " (peer) " " small { (size) " entries, signed " (at) }
                        }
                        Story::Two => {
                            span.bad { "tells two stories" } " " (peer) " "
                            small { "it signed heads that contradict each other: run murmur audit verify" }
                        }
                        Story::Unheard => { span.fine { "nothing heard yet" } " " (peer) }
                    }
                }
            }
        }
    }
}

fn fares(health: Health) -> (&'static str, &'static str) {
    match health {
        Health::Gone => ("bad", "gone"),
        Health::Good => ("good", "well"),
        Health::Known => ("good", "known"),
        Health::Silent => ("bad", "silent"),
        Health::Slow => ("bad", "slow"),
        Health::Unknown => ("fine", "not heard of yet"),
    }
}

/// Windows in a table, in the order given.
pub(super) fn windows<'a>(windows: impl Iterator<Item = &'a Window>) -> Markup {
    html! {
        table {
            thead { tr { th { "Window" } th { "Value" } th { "Agents" } th { "Remarks" } } }
            tbody {
                @for window in windows {
                    tr {
                        td { (window.start) }
                        td { @if let Some(value) = &window.value { (value) } @else { (window.status) } }
                        td { (window.cohort) }
                        td { (remarks(window)) }
                    }
                }
            }
        }
    }
}

/// What there is to say of a window besides its value.
pub(super) fn remarks(window: &Window) -> String {
    let mut remarks = Vec::new();
    if window.carried > 0 {
        remarks.push(format!("{} silent", window.carried));
    }
    if window.status == Status::Ok && !window.verified {
        remarks.push("not confirmed by redundant shares".to_owned());
    }
    remarks.extend(window.reason.clone());
    remarks.join("; ")
}

fn span(span: Duration) -> String {
    Span::new(span).to_string()
}
