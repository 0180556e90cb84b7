//! What can be asked of the page, and what it answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::Markup;
use serde::Deserialize;
use smc_core::name::QueryName;
use smc_core::order::Verb;
use smc_mqtt::settings::Secret;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::door::{Browser, Closed, Door};
use super::order::{MAX_REASON, Order};
use super::view::View;
use super::{html, log, past};

/// The most bytes of a form.
const FORM_BYTES: usize = 4 * 1024;
/// How long a whole request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the peer may take to carry out an order.
const ORDER: Duration = Duration::from_secs(10);

const STYLE: &str = include_str!("style.css");
const LIVE: &str = include_str!("live.js");

/// Nothing of others, no frames around it, and no trace of it elsewhere.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// What all answers need.
pub(super) struct Page {
    pub(super) door: Door,
    /// Passwords are tried one after the other: each takes 46 MiB for a moment.
    pub(super) knocking: Semaphore,
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) orders: mpsc::Sender<Order>,
    /// Where the peer's log is.
    pub(super) log: Option<PathBuf>,
    /// One reader at a time: each takes a thread and a file.
    pub(super) reading: Semaphore,
}

type Shared = State<Arc<Page>>;

pub(super) fn router(page: Arc<Page>) -> Router {
    Router::new()
        .route("/", get(overview))
        .route(
            "/live.js",
            get(|| async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], LIVE) }),
        )
        .route("/log", get(log))
        .route("/login", get(login).post(knock))
        .route("/order", post(order))
        .route("/past", get(earlier))
        .route("/session/{query}", get(session))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .fallback(|| async { told(StatusCode::NOT_FOUND, "There is no such page.") })
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn_with_state(Arc::clone(&page), guard))
        .with_state(page)
}

/// What holds for every request: who asks, whether it may, and what goes with the answer.
async fn guard(State(page): Shared, mut request: Request, next: Next) -> Response {
    let known = page.door.browser(request.headers());
    let browser = known.clone().unwrap_or_else(|| page.door.name_browser());
    let path = request.uri().path();
    let open = ["/login", "/style.css"].contains(&path) || page.door.is_open_to(&browser, Instant::now());
    let mut response = if !page.door.answers_to(request.headers()) {
        told(StatusCode::MISDIRECTED_REQUEST, "Open this page as http://localhost or http://127.0.0.1.")
    } else if open {
        request.extensions_mut().insert(browser.clone());
        let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
        answer.unwrap_or_else(|_| told(StatusCode::REQUEST_TIMEOUT, "That took too long."))
    } else if *request.method() == Method::GET {
        Redirect::to("/login").into_response()
    } else {
        told(StatusCode::UNAUTHORIZED, "Log in first.")
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    if known.is_none() && !response.headers().contains_key(header::SET_COOKIE) {
        keep_cookie(&page.door, &browser, response.headers_mut());
    }
    response
}

fn keep_cookie(door: &Door, browser: &Browser, headers: &mut HeaderMap) {
    if let Ok(cookie) = HeaderValue::from_str(&door.set_cookie(browser)) {
        headers.insert(header::SET_COOKIE, cookie);
    }
}

async fn overview(State(page): Shared, Extension(browser): Extension<Browser>) -> Response {
    let view = Arc::clone(&page.view.borrow());
    shown(html::overview(&view, &page.door.token(&browser)))
}

async fn session(
    State(page): Shared,
    Extension(browser): Extension<Browser>,
    Path(query): Path<String>,
) -> Response {
    let view = Arc::clone(&page.view.borrow());
    match view.sessions.iter().find(|session| session.subject.query.as_str() == query) {
        Some(session) => shown(html::session(&view, session, &page.door.token(&browser))),
        None => told(StatusCode::NOT_FOUND, "Nothing of this name is computed here (any more)."),
    }
}

/// `?page=2`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    page: usize,
}

async fn earlier(State(page): Shared, which: Result<Query<Which>, QueryRejection>) -> Response {
    let view = Arc::clone(&page.view.borrow());
    shown(past::page(&view, which.map(|Query(which)| which.page).unwrap_or_default()))
}

/// `?before=1200`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Before {
    before: Option<u64>,
}

async fn log(State(page): Shared, which: Result<Query<Before>, QueryRejection>) -> Response {
    let Some(path) = page.log.clone() else { return told(StatusCode::NOT_FOUND, "This peer keeps no log.") };
    let before = which.map(|Query(which)| which.before).unwrap_or_default();
    let Ok(_turn) = page.reading.acquire().await else {
        return told(StatusCode::SERVICE_UNAVAILABLE, "The peer ends.");
    };
    let view = Arc::clone(&page.view.borrow());
    match tokio::task::spawn_blocking(move || log::cut(&path, before)).await {
        Ok(Ok(cut)) => shown(log::page(&view, &cut)),
        Ok(Err(error)) => told(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(_) => told(StatusCode::INTERNAL_SERVER_ERROR, "The log could not be read."),
    }
}

async fn login(State(page): Shared, Extension(browser): Extension<Browser>) -> Response {
    shown(html::login(&page.view.borrow(), &page.door.token(&browser), None))
}

#[derive(Deserialize)]
struct Password {
    token: String,
    password: String,
}

async fn knock(
    State(page): Shared,
    Extension(browser): Extension<Browser>,
    form: Result<Form<Password>, FormRejection>,
) -> Response {
    let password = match own(&page, &browser, form, |form| &form.token) {
        Ok(form) => Secret::from(form.password),
        Err(refusal) => return refusal,
    };
    let Ok(_one) = page.knocking.acquire().await else {
        return told(StatusCode::SERVICE_UNAVAILABLE, "The page is closing.");
    };
    let shared = Arc::clone(&page);
    let tried = tokio::task::spawn_blocking(move || shared.door.knock(&password, Instant::now())).await;
    let (status, words) = match tried {
        Ok(Ok(browser)) => {
            let mut response = Redirect::to("/").into_response();
            keep_cookie(&page.door, &browser, response.headers_mut());
            return response;
        }
        Ok(Err(Closed::WrongPassword)) | Err(_) => (StatusCode::UNAUTHORIZED, "That is not the password."),
        Ok(Err(Closed::TooManyGuesses)) => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many wrong passwords; wait for a minute.")
        }
    };
    let token = page.door.token(&browser);
    (status, shown(html::login(&page.view.borrow(), &token, Some(words)))).into_response()
}

#[derive(Deserialize)]
struct Ordered {
    token: String,
    act: String,
    query: QueryName,
    #[serde(default)]
    reason: String,
}

async fn order(
    State(page): Shared,
    Extension(browser): Extension<Browser>,
    form: Result<Form<Ordered>, FormRejection>,
) -> Response {
    let ordered = match own(&page, &browser, form, |form| &form.token) {
        Ok(ordered) => ordered,
        Err(refusal) => return refusal,
    };
    match carry_out(&page, ordered).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err((status, words)) => told(status, &words),
    }
}

/// What was filled in, if the form is one that this page made for this browser; else what to answer.
#[allow(clippy::result_large_err, reason = "an answer is made once, and sent")]
fn own<T>(
    page: &Page,
    browser: &Browser,
    form: Result<Form<T>, FormRejection>,
    token: impl Fn(&T) -> &str,
) -> Result<T, Response> {
    let Ok(Form(filled)) = form else {
        return Err(told(StatusCode::BAD_REQUEST, "That was no form of this page."));
    };
    if !page.door.is_own(browser, token(&filled)) {
        let words = "That form was not made for this browser; go back and reload the page.";
        return Err(told(StatusCode::FORBIDDEN, words));
    }
    Ok(filled)
}

/// Hands the order to the peer and waits for what comes of it.
async fn carry_out(page: &Page, ordered: Ordered) -> Result<(), (StatusCode, String)> {
    let refuse = |status, words: &str| (status, words.to_owned());
    let Ordered { act, query, reason, .. } = ordered;
    let buttons = [Verb::Approve, Verb::Deny, Verb::Pause, Verb::Resume, Verb::Withdraw];
    let verb = buttons.into_iter().find(|verb| verb.name() == act);
    let verb = verb.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "There is no such button."))?;
    let reason = reason.trim().to_owned();
    if reason.chars().count() > MAX_REASON || reason.contains(char::is_control) {
        let words = format!("A reason has at most {MAX_REASON} characters, on one line.");
        return Err((StatusCode::BAD_REQUEST, words));
    }
    let (answer, answered) = oneshot::channel();
    let order = Order { verb, query, reason, answer };
    let busy = |_| refuse(StatusCode::SERVICE_UNAVAILABLE, "The peer is busy; try again.");
    page.orders.try_send(order).map_err(busy)?;
    match tokio::time::timeout(ORDER, answered).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(words))) => Err((StatusCode::CONFLICT, words)),
        Ok(Err(_)) | Err(_) => Err(refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "The peer did not say what came of it; look at the page.",
        )),
    }
}

fn told(status: StatusCode, words: &str) -> Response {
    (status, shown(html::message(words))).into_response()
}

fn shown(page: Markup) -> Response {
    Html(page.into_string()).into_response()
}
