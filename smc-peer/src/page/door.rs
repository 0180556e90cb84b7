//! Who may look at the page, and which forms are its own.
//!
//! Every browser has a cookie with a random name of its own. A form carries a token that only this program can make of
//! that name, so that no other page can have a browser send one. With a password the cookie also says who has logged in.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordVerifier as _, phc};
use argon2::{Argon2, Params};
use axum::http::{HeaderMap, header};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use smc_mqtt::settings::Secret;
use zeroize::Zeroizing;

/// The most browsers that are logged in; the one that logged in first has to do so again.
const BROWSERS: usize = 32;
/// How long a login lasts.
const LOGIN: Duration = Duration::from_secs(12 * 3600);
/// How many wrong passwords are listened to within a minute.
const GUESSES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The most memory that one login may take, in KiB, and passes over it: as at the broker.
const MAX_MEMORY_KIB: u32 = 65_536;
const MAX_PASSES: u32 = 16;

/// The argon2 hash of the page's password, as `smc-broker passwd` makes it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PagePassword(phc::PasswordHash);

/// A text that is no such hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an argon2 hash in PHC form ($argon2id$v=19$...) of at most 64 MiB and 16 passes; make one with `smc-broker passwd`"
)]
pub struct PagePasswordError;

impl FromStr for PagePassword {
    type Err = PagePasswordError;
    fn from_str(text: &str) -> Result<Self, PagePasswordError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PagePasswordError)?;
        let params = Params::try_from(&hash).map_err(|_| PagePasswordError)?;
        let whole =
            hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() && hash.salt.is_some();
        let cheap = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES;
        if whole && cheap { Ok(Self(hash)) } else { Err(PagePasswordError) }
    }
}

impl TryFrom<String> for PagePassword {
    type Error = PagePasswordError;
    fn try_from(text: String) -> Result<Self, PagePasswordError> {
        text.parse()
    }
}

impl fmt::Debug for PagePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What a browser calls itself.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Browser(String);

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Too many wrong passwords in the last minute.
    TooManyGuesses,
    /// The password is another one.
    WrongPassword,
}

/// Lets in, or not.
pub(super) struct Door {
    password: Option<PagePassword>,
    /// Pages of other peers may be on the same machine, and a browser sends a cookie to all of its ports.
    cookie: String,
    key: Zeroizing<[u8; 32]>,
    inside: Mutex<Inside>,
}

struct Inside {
    rng: ChaCha20Rng,
    /// Who has logged in and when, the first ones first.
    browsers: VecDeque<(Browser, Instant)>,
    /// When wrong passwords came.
    guesses: VecDeque<Instant>,
}

impl Door {
    /// A door for the page at `port`.
    pub(super) fn new(password: Option<PagePassword>, port: u16, mut rng: ChaCha20Rng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        let inside = Inside { rng, browsers: VecDeque::new(), guesses: VecDeque::new() };
        Self { password, cookie: format!("murmur-{port}"), key, inside: Mutex::new(inside) }
    }

    /// Whether the browser may have asked for this page by this name. Without a password a name that is not this machine's
    /// is a foreign page's, which had its own name lead here to read what is told here.
    pub(super) fn answers_to(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name =
            host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
        self.password.is_some() || ["127.0.0.1", "[::1]", "localhost"].contains(&name)
    }

    /// Who asks, by its cookie.
    pub(super) fn browser(&self, headers: &HeaderMap) -> Option<Browser> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.cookie)?;
        let sound = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then(|| Browser(value.to_owned()))
    }

    /// A name for a browser that has none.
    pub(super) fn name_browser(&self) -> Browser {
        let mut bytes = [0; 16];
        self.inside().rng.fill_bytes(&mut bytes);
        Browser(hex(&bytes))
    }

    /// The header that has a browser keep its name. Strict: it comes with requests of our own pages alone.
    pub(super) fn set_cookie(&self, browser: &Browser) -> String {
        format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
            self.cookie,
            browser.0,
            LOGIN.as_secs()
        )
    }

    /// Whether a browser may look.
    pub(super) fn is_open_to(&self, browser: &Browser, now: Instant) -> bool {
        if self.password.is_none() {
            return true;
        }
        let inside = self.inside();
        inside.browsers.iter().any(|(one, since)| one == browser && now.duration_since(*since) < LOGIN)
    }

    /// Tries a password, which takes tens of milliseconds and 46 MiB: where it does not keep others waiting. Whoever is
    /// let in has a new name, which nobody can have foisted on the browser before.
    ///
    /// # Errors
    /// If it is wrong, or too many were.
    pub(super) fn knock(&self, password: &Secret, now: Instant) -> Result<Browser, Closed> {
        {
            let mut inside = self.inside();
            inside.guesses.retain(|guess| now.duration_since(*guess) < MINUTE);
            if inside.guesses.len() >= GUESSES {
                return Err(Closed::TooManyGuesses);
            }
            // Counted before it is tried, so that many at once are no way around.
            inside.guesses.push_back(now);
        }
        let verified = self.password.as_ref().is_some_and(|hash| {
            Argon2::default().verify_password(password.reveal().as_bytes(), &hash.0).is_ok()
        });
        if !verified {
            return Err(Closed::WrongPassword);
        }
        let browser = self.name_browser();
        let mut inside = self.inside();
        inside.guesses.pop_back();
        if inside.browsers.len() >= BROWSERS {
            inside.browsers.pop_front();
        }
        inside.browsers.push_back((browser.clone(), now));
        Ok(browser)
    }

    /// What forms for this browser carry.
    pub(super) fn token(&self, browser: &Browser) -> String {
        let digest = Sha256::new().chain_update(*self.key).chain_update(&browser.0).finalize();
        hex(&digest)
    }

    /// Whether a form is one that this browser was given.
    pub(super) fn is_own(&self, browser: &Browser, token: &str) -> bool {
        // Digests of both: how long a comparison takes tells nothing of the token.
        Sha256::digest(self.token(browser)) == Sha256::digest(token)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
