//! Addresses that can be asked.

use std::fmt;

use hyper::Uri;
use serde::Deserialize;

/// An address that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpUrl {
    is_tls: bool,
    host: String,
    port: u16,
    /// As it stands in the request, with the port if it was given.
    authority: String,
    path: String,
}

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// There is a login in it.
    #[error("`url`: a login in the address is not supported")]
    Login,
    /// It is not written like one.
    #[error("`url` is written like http://192.0.2.7/status or https://sensor.local:8443/data.json")]
    Malformed,
}

impl TryFrom<String> for HttpUrl {
    type Error = HttpUrlError;
    fn try_from(text: String) -> Result<Self, HttpUrlError> {
        let uri: Uri = text.parse().map_err(|_| HttpUrlError::Malformed)?;
        let (is_tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(HttpUrlError::Malformed),
        };
        let authority = uri.authority().ok_or(HttpUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(HttpUrlError::Login);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(HttpUrlError::Malformed);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let port = authority.port_u16().unwrap_or(usual);
        Ok(Self { is_tls, host, port, authority: authority.to_string(), path })
    }
}

impl HttpUrl {
    /// Whether it is asked by TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host, an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What the request says of whom it is for.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// What is asked for there.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let url = |text: &str| HttpUrl::try_from(text.to_owned());
        let parts = |text: &str| {
            url(text).map(|url| (url.is_tls, url.host.clone(), url.port, url.path.clone())).unwrap()
        };
        assert_eq!(parts("http://192.0.2.7"), (false, "192.0.2.7".into(), 80, "/".into()));
        assert_eq!(parts("http://[::1]:8080/a?b=c"), (false, "::1".into(), 8080, "/a?b=c".into()));
        assert_eq!(parts("https://[2001:db8::7]/"), (true, "2001:db8::7".into(), 443, "/".into()));
        assert_eq!(parts("https://sensor.local:8443/x"), (true, "sensor.local".into(), 8443, "/x".into()));
        for text in ["http://sensor.local/x", "https://sensor.local:8443/x?y=1"] {
            assert_eq!(url(text).unwrap().to_string(), text);
        }
        for (text, error) in [
            ("http://me:secret@192.0.2.7/", HttpUrlError::Login),
            ("https://me:secret@192.0.2.7/", HttpUrlError::Login),
            ("192.0.2.7", HttpUrlError::Malformed),
            ("/status", HttpUrlError::Malformed),
            ("http://", HttpUrlError::Malformed),
            ("https://", HttpUrlError::Malformed),
            ("ftp://a/b", HttpUrlError::Malformed),
            ("http://a b/", HttpUrlError::Malformed),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
    }
}
