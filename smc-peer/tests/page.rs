//! The page over real HTTP: what it shows, whom it lets in, and what it hands to the peer.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::order::Verb;
use smc_core::result::Status;
use smc_core::time::Timestamp;
use smc_peer::page::{Order, PageError, PageOptions, Session, Site, State, Subject, View, Waiting, Window};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// A page that is served, what it is shown, and what it orders.
struct Served {
    port: u16,
    views: watch::Sender<Arc<View>>,
    orders: mpsc::Receiver<Order>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn serve(listen: &str, password_hash: Option<&str>) -> Result<Served, PageError> {
    let (views, seen) = watch::channel(Arc::new(view()));
    let (sender, orders) = mpsc::channel(4);
    let password_hash = password_hash.map(|hash| hash.parse().unwrap());
    let options = PageOptions { listen: listen.parse().unwrap(), password_hash };
    let site = Site::open(options, seen, sender, None, ChaCha20Rng::seed_from_u64(1)).await?;
    let port = site.address().port();
    tokio::spawn(site.serve(std::future::pending()));
    Ok(Served { port, views, orders })
}

fn subject(query: &str) -> Subject {
    Subject {
        query: query.parse().unwrap(),
        client: Some("display".parse().unwrap()),
        function: "mean".to_owned(),
        quantities: vec!["co2".parse().unwrap()],
        scope: [("floor".to_owned(), "1".to_owned())].into(),
        period: Duration::from_secs(60),
        minimum_cohort: 5,
        purpose: "air <script>alert(1)</script> \"quoted\"".to_owned(),
        audience: None,
        until: Some("2027-01-01T00:00:00Z".parse().unwrap()),
    }
}

/// One session with two windows, one request that waits.
fn view() -> View {
    let window = |start: &str, number: f64| Window {
        start: start.to_owned(),
        status: Status::Ok,
        value: Some(format!("{number} ppm")),
        number: Some(number),
        cohort: 12,
        carried: 1,
        verified: true,
        reason: None,
    };
    let windows = vec![window("2026-11-26T12:00:00Z", 612.0), window("2026-11-26T12:01:00Z", 640.5)];
    View {
        sessions: vec![Session {
            subject: subject("air"),
            state: State::Running,
            windows: Arc::new(windows),
        }],
        waiting: vec![Waiting {
            subject: subject("more-air"),
            since: Timestamp::from_secs(1_790_000_000),
            reason: "the operator decides".to_owned(),
        }],
        ..View::empty("hq".parse().unwrap(), "peer-1".parse().unwrap(), Timestamp::from_secs(1_790_000_000))
    }
}

impl Served {
    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let host = format!("localhost:{}", self.port);
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        self.send(&head).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let (port, length) = (self.port, form.len());
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ))
        .await
    }
}

impl Answer {
    fn cookie(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        line.unwrap_or_else(|| panic!("no cookie: {}", self.head)).split(';').next().unwrap().to_owned()
    }

    fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_page_shows_what_runs_and_what_waits_and_believes_no_text() {
    let served = serve("127.0.0.1:0", None).await.unwrap();
    let page = served.get("/", "").await;
    assert_eq!(page.status, 200);
    for words in ["640.5 ppm", "<polyline", "Waiting for you", "more-air", "over 12 agents", "Approve"] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    for header in
        ["content-security-policy: default-src 'none'", "x-frame-options: DENY", "cache-control: no-store"]
    {
        assert!(page.head.contains(header), "{header} is not in {}", page.head);
    }
    served.views.send_replace(Arc::new(View { waiting: Vec::new(), ..view() }));
    assert!(!served.get("/", "").await.body.contains("more-air"), "it shows the newest");
    assert!(served.get("/session/air", "").await.body.contains("2026-11-26T12:00:00Z"));
    assert_eq!(served.get("/session/none", "").await.status, 404);
    assert!(served.get("/past?page=99", "").await.body.contains("Page 1 of 1"));
    assert_eq!(served.get("/log", "").await.status, 404, "there is none");
}

#[tokio::test]
async fn a_click_becomes_an_order_and_its_answer_is_told() {
    let mut served = serve("127.0.0.1:0", None).await.unwrap();
    let page = served.get("/", "").await;
    let form = format!("token={}&query=more-air&reason=fine+by+me&act=approve", page.token());
    let mut orders = std::mem::replace(&mut served.orders, mpsc::channel(1).1);
    let peer = tokio::spawn(async move {
        for answer in [Ok(()), Err("it is over".to_owned())] {
            let order = orders.recv().await.unwrap();
            assert_eq!((order.verb, order.query.as_str()), (Verb::Approve, "more-air"));
            assert_eq!(order.reason, "fine by me");
            order.answer.send(answer).unwrap();
        }
    });
    let answer = served.post("/order", &page.cookie(), &form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let answer = served.post("/order", &page.cookie(), &form).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("it is over"), "{}", answer.body);
    peer.await.unwrap();
}

#[tokio::test]
async fn forms_of_other_pages_and_other_names_are_refused() {
    let mut served = serve("127.0.0.1:0", None).await.unwrap();
    let page = served.get("/", "").await;
    let form = |token: &str| format!("token={token}&query=more-air&act=approve");
    let other = served.get("/", "").await;
    for (cookie, token) in
        [(String::new(), page.token()), (page.cookie(), other.token()), (page.cookie(), String::new())]
    {
        assert_eq!(served.post("/order", &cookie, &form(&token)).await.status, 403);
    }
    let long = format!("{}&reason={}", form(&page.token()), "x".repeat(201));
    assert_eq!(served.post("/order", &page.cookie(), &long).await.status, 400);
    assert_eq!(served.post("/order", &page.cookie(), &"x".repeat(9_000)).await.status, 400);
    assert!(served.orders.try_recv().is_err(), "nothing reaches the peer");
    let foreign = "GET / HTTP/1.1\r\nHost: evil.example:80\r\nConnection: close\r\n\r\n";
    let answer = served.send(foreign).await;
    assert_eq!(answer.status, 421);
    assert!(!answer.body.contains("640.5"));
}

#[tokio::test]
async fn a_page_for_other_machines_demands_a_password() {
    assert!(matches!(serve("0.0.0.0:0", None).await, Err(PageError::Open { .. })));
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
    let served = serve("0.0.0.0:0", Some(&hash)).await.unwrap();
    let shut = served.get("/", "").await;
    assert_eq!(shut.status, 303);
    assert!(!shut.body.contains("640.5"));
    assert_eq!(served.post("/order", "", "token=x&query=air&act=pause").await.status, 401);

    let login = served.get("/login", "").await;
    let (cookie, token) = (login.cookie(), login.token());
    let wrong = served.post("/login", &cookie, &format!("token={token}&password=battery")).await;
    assert_eq!(wrong.status, 401);
    let right = served.post("/login", &cookie, &format!("token={token}&password=correct+horse")).await;
    assert_eq!(right.status, 303, "{}", right.body);
    assert_ne!(right.cookie(), cookie);
    assert!(served.get("/", &right.cookie()).await.body.contains("640.5 ppm"));
    assert_eq!(served.get("/", &cookie).await.status, 303, "the name from before the login stays outside");
    for _ in 0..12 {
        served.post("/login", &cookie, &format!("token={token}&password=guess")).await;
    }
    let tired = served.post("/login", &cookie, &format!("token={token}&password=correct+horse")).await;
    assert_eq!(tired.status, 429);
}

#[tokio::test]
async fn a_browser_on_a_phone_shows_a_live_value() {
    let served = serve("127.0.0.1:0", None).await.unwrap();
    let profile = tempfile::tempdir().unwrap();
    let address = format!("http://127.0.0.1:{}/", served.port);
    let browser = tokio::process::Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=390,844",
            "--virtual-time-budget=4000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &address])
        .output();
    let shown = tokio::time::timeout(Duration::from_secs(120), browser).await.unwrap();
    let shown = shown.unwrap_or_else(|error| panic!("chromium: {error}; ./check installs it"));
    let page = String::from_utf8_lossy(&shown.stdout);
    assert!(page.contains("640.5 ppm") && page.contains("more-air"), "{page}");
}
