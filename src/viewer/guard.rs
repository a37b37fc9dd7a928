//! Who may ask: pages of this server, opened under its own name.

use axum::http::{HeaderMap, HeaderName, header};
use rustls::crypto::ring::default_provider;
use sha2::{Digest, Sha256};

use crate::host::is_loopback_host;

/// What a request must show.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The port that it must name.
    pub(super) port: u16,
    /// What a request that changes something must know.
    pub(super) token: String,
}

impl Guard {
    /// Why a request is refused, if it is.
    pub(super) fn objection(&self, headers: &HeaderMap) -> Option<&'static str> {
        let Some(host) =
            only(headers, &header::HOST).filter(|host| is_loopback_host(host, self.port))
        else {
            return Some("the Host header does not name this viewer");
        };
        let origin = format!("http://{}", host.to_ascii_lowercase());
        match only(headers, &header::ORIGIN) {
            Some(given) if given.eq_ignore_ascii_case(&origin) => None,
            None if !headers.contains_key(header::ORIGIN) => None,
            _ => Some("the request comes from another site"),
        }
    }

    /// Whether a token is ours. The time it takes says nothing about ours.
    pub(super) fn knows(&self, token: &str) -> bool {
        Sha256::digest(token) == Sha256::digest(&self.token)
    }
}

/// The value of a header that is there once and is plain text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    value.filter(|_| values.next().is_none())
}

/// A new token from the system's random numbers.
pub(super) fn token() -> Option<String> {
    let mut bytes = [0_u8; 16];
    default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objection(headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let guard = Guard { port: 8123, token: token().unwrap() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        guard.objection(&map)
    }

    #[test]
    fn only_the_own_name_is_answered() {
        for host in ["127.0.0.1:8123", "localhost:8123", "LOCALHOST:8123"] {
            assert_eq!(objection(&[("host", host)]), None, "{host}");
        }
        for host in
            ["evil.example:8123", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:8123", ""]
        {
            assert!(objection(&[("host", host)]).unwrap().contains("Host"), "{host}");
        }
        assert!(objection(&[]).is_some());
        assert!(objection(&[("host", "localhost:8123"), ("host", "localhost:8123")]).is_some());
    }

    #[test]
    fn an_origin_must_be_the_own_one() {
        let host = ("host", "127.0.0.1:8123");
        assert_eq!(objection(&[host, ("origin", "http://127.0.0.1:8123")]), None);
        for origin in ["null", "http://localhost:8123", "https://127.0.0.1:8123", "http://evil"] {
            assert!(objection(&[host, ("origin", origin)]).is_some(), "{origin}");
        }
    }

    #[test]
    fn tokens_differ_and_are_known() {
        let guard = Guard { port: 1, token: token().unwrap() };
        assert!(guard.knows(&guard.token.clone()) && !guard.knows("") && guard.token.len() == 32);
        assert_ne!(token(), token());
    }
}
