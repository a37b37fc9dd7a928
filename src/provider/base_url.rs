//! The base URL of an API: checked once, so that each mistake is answered with its mend.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// Paths that providers append themselves.
const ENDPOINTS: &[&str] =
    &["/chat/completions", "/completions", "/responses", "/messages", "/embeddings"];

/// A checked base URL, such as `https://api.openai.com/v1`.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(Url);

/// The text can't be a base URL. No message shows a password of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It has no scheme, or one that is not HTTP.
    #[error("the base URL must start with http:// or https://, as in https://api.openai.com/v1")]
    Scheme,
    /// No host after the scheme.
    #[error("the base URL names no host: write it as https://HOST/v1")]
    NoHost,
    /// Not a URL for another reason.
    #[error("the base URL can't be read ({reason}): write it as https://HOST:PORT/v1")]
    Malformed {
        /// The reason, as the URL parser names it.
        reason: String,
    },
    /// A user name or a password before the host.
    #[error(
        "the base URL has a user name or password in it, which would end up in logs: take it out \
         and give the key through the variable named by --api-key-env"
    )]
    Credentials,
    /// A `?query` or `#fragment`.
    #[error("the base URL has a query or fragment: end it before the `?` or `#`, at {mend}")]
    QueryOrFragment {
        /// The URL without them.
        mend: String,
    },
    /// The whole address of an endpoint instead of its base.
    #[error("the base URL already ends in {endpoint}, which is added to it: give {mend}")]
    Endpoint {
        /// The end that is too much.
        endpoint: &'static str,
        /// The URL without it.
        mend: String,
    },
}

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err(BaseUrlError::Scheme);
        }
        let mut url = Url::parse(text).map_err(|error| match error.to_string() {
            reason if reason.contains("host") && !text.contains('@') => {
                let bare = text
                    .split_once("//")
                    .is_some_and(|(_, rest)| rest.trim_matches('/').is_empty());
                if bare { BaseUrlError::NoHost } else { BaseUrlError::Malformed { reason } }
            }
            reason => BaseUrlError::Malformed { reason },
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            url.set_query(None);
            url.set_fragment(None);
            return Err(BaseUrlError::QueryOrFragment { mend: url.into() });
        }
        let path = url.path().trim_end_matches('/').to_owned();
        for endpoint in ENDPOINTS {
            if let Some(base) = path.strip_suffix(endpoint) {
                url.set_path(base);
                return Err(BaseUrlError::Endpoint { endpoint, mend: url.into() });
            }
        }
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The address of an endpoint.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the server is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost"
            || host.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Scheme, host and port of a `Location` header, which may be relative.
    pub(super) fn origin_of(&self, location: &str) -> Option<String> {
        Some(self.0.join(location).ok()?.origin().ascii_serialization())
    }
}

/// Checks a base URL without connecting.
///
/// # Errors
/// [`BaseUrlError`], each with its mend.
pub fn check_base_url(text: &str) -> Result<(), BaseUrlError> {
    BaseUrl::parse(text).map(drop)
}

/// Whether a base URL names this machine. One that cannot be read does not.
pub fn is_loopback(text: &str) -> bool {
    BaseUrl::parse(text).is_ok_and(|url| url.is_loopback())
}

/// Whether a base URL names this host, and no other. One that cannot be read does not.
pub fn is_at_host(text: &str, host: &str) -> bool {
    BaseUrl::parse(text).is_ok_and(|url| url.0.host_str() == Some(host))
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(text: &str) -> String {
        BaseUrl::parse(text).unwrap().join("chat/completions").into()
    }

    #[test]
    fn endpoints_are_appended_to_any_base() {
        for (base, expected) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            (" https://api.openai.com/v1//\n", "https://api.openai.com/v1/chat/completions"),
            ("http://localhost:8080", "http://localhost:8080/chat/completions"),
            ("HTTP://[::1]:8080/", "http://[::1]:8080/chat/completions"),
            ("https://host/a%20b/v1", "https://host/a%20b/v1/chat/completions"),
        ] {
            assert_eq!(chat(base), expected);
        }
    }

    #[test]
    fn each_mistake_names_its_mend() {
        let texts = [
            "",
            "api.openai.com/v1",
            "localhost:8080/v1",
            "ftp://host/v1",
            "https://",
            "https://host:99999/v1",
            "https://user:hunter2@host/v1",
            "https://host/v1?api-version=1",
            "https://host/v1/chat/completions/",
            "http://host:1/v1/completions",
        ];
        let messages: Vec<String> =
            texts.iter().map(|text| BaseUrl::parse(text).unwrap_err().to_string()).collect();
        assert!(!messages.concat().contains("hunter2"));
        insta::assert_snapshot!(messages.join("\n"), @r"
        the base URL must start with http:// or https://, as in https://api.openai.com/v1
        the base URL must start with http:// or https://, as in https://api.openai.com/v1
        the base URL must start with http:// or https://, as in https://api.openai.com/v1
        the base URL must start with http:// or https://, as in https://api.openai.com/v1
        the base URL names no host: write it as https://HOST/v1
        the base URL can't be read (invalid port number): write it as https://HOST:PORT/v1
        the base URL has a user name or password in it, which would end up in logs: take it out and give the key through the variable named by --api-key-env
        the base URL has a query or fragment: end it before the `?` or `#`, at https://host/v1
        the base URL already ends in /chat/completions, which is added to it: give https://host/v1
        the base URL already ends in /completions, which is added to it: give http://host:1/v1
        ");
    }

    #[test]
    fn a_host_is_named_whole() {
        let is_openai = |text| is_at_host(text, "api.openai.com");
        assert!(is_openai("https://API.openai.com:443/v1/"));
        for other in ["https://api.openai.com.example/v1", "https://x.example/api.openai.com", ""] {
            assert!(!is_openai(other), "{other}");
        }
    }

    #[test]
    fn this_machine_is_recognised() {
        for (text, expected) in [
            ("http://localhost/v1", true),
            ("http://api.localhost", true),
            ("http://127.8.0.1:9", true),
            ("http://[::1]", true),
            ("http://192.168.0.2", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().is_loopback(), expected, "{text}");
        }
    }
}
