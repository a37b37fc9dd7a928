//! The HTTP client: one `POST`, and an answer that says what it means for the bill.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Request, Response, Url, redirect};
use rustls::crypto::{CryptoProvider, ring};

use super::access::{Access, LimitHeaders, VersionPlace};
use super::base_url::{BaseUrl, BaseUrlError};
use super::error::ApiError;
use super::failure::{Failure, FailureKind};
use super::headers::ResponseHeaders;
use super::intake::{Intake, beginning};
use super::key::ApiKey;
use super::outcome::Outcome;
use super::transport::Transport;
use crate::clock;

/// Requests a client carries at most over its single HTTP/2 connection. Servers allow 100 streams
/// and let further ones wait without a word.
const STREAMS_PER_CLIENT: usize = 80;

/// Below the idle time-outs of common servers (60 s and more), so that a connection is rarely
/// closed at the moment a request is written to it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What an [`HttpClient`] needs to know.
#[derive(Clone)]
pub struct HttpSettings {
    /// Where the API is, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// How the API's requests are signed, and what its limits are called.
    pub access: Access,
    /// The version of the API to ask for instead of the default one, where the API has versions.
    pub api_version: Option<String>,
    /// Sent in the API's own header; `None` for servers without keys.
    pub api_key: Option<ApiKey>,
    /// The longest time for a connection with its TLS handshake to come up.
    pub connect_timeout: Duration,
    /// The longest silence of the server. It covers the wait for the head of the response, and so
    /// the model's whole working time: minutes.
    pub read_timeout: Duration,
    /// The longest time from the send to the last byte of the answer.
    pub total_timeout: Duration,
    /// The longest body of an answer, in bytes after decompression.
    pub max_body_bytes: usize,
    /// How many requests will be in flight at once, at most.
    pub concurrency: usize,
}

impl fmt::Debug for HttpSettings {
    /// Leaves the key out, and the base URL when it has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = if self.base_url.contains('@') { "(redacted)" } else { &self.base_url };
        f.debug_struct("HttpSettings")
            .field("base_url", &base_url)
            .field("access", &self.access)
            .field("api_version", &self.api_version)
            .field("api_key", &self.api_key)
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("concurrency", &self.concurrency)
            .finish()
    }
}

/// An [`HttpClient`] could not be made; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The base URL is not one.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    /// The version of the API can't be sent in a header.
    #[error("`{version}` can't be the version of an API: it is a date, such as 2023-06-01")]
    ApiVersion {
        /// What was asked for.
        version: String,
    },
    /// The HTTP library refused, for example because this machine has no CA certificates.
    #[error("the HTTP client can't start: {message}")]
    Client {
        /// The library's reason.
        message: String,
    },
}

/// A client for one API.
///
/// It never follows a redirect, so the key goes to the base URL's host only, and it never sends a
/// request twice, except where the protocol itself says that the server did not look at the first
/// (an HTTP/2 `REFUSED_STREAM` or `GOAWAY`, a pooled connection that closed before the write).
pub struct HttpClient {
    base_url: BaseUrl,
    pub(super) headers: HeaderMap,
    /// A parameter of every URL: the version of the API.
    query: Option<(&'static str, String)>,
    pub(super) limits: &'static [LimitHeaders],
    pub(super) api_key: Option<ApiKey>,
    pub(super) intake: Intake,
    /// Whether an answer to a call said that it is made up.
    pub(super) simulated: AtomicBool,
    lanes: Vec<Lane>,
}

/// What carries requests, and how many are under way.
struct Lane {
    line: Line,
    in_flight: AtomicUsize,
}

enum Line {
    /// One `reqwest` client, which holds at most one HTTP/2 connection a host.
    Sockets(Client),
    InProcess(Arc<dyn Transport>),
}

/// A request's place in a lane; given back on drop, also when the request is cancelled.
pub(super) struct Place<'a>(&'a Lane);

impl Place<'_> {
    pub(super) async fn carry(
        &self,
        request: Request,
        key: Option<&ApiKey>,
    ) -> Result<Response, Failure> {
        self.0.line.carry(request, key).await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpClient {
    /// Prepares a client. Nothing is sent, no name is resolved.
    ///
    /// # Errors
    ///
    /// When the base URL has a mistake (the message names the mend), or TLS can't be set up.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        Self::over(settings, None)
    }

    /// Prepares a client whose requests go over a transport of the caller's, if there is one.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::new`].
    pub fn over(
        settings: HttpSettings,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, HttpError> {
        let base_url = BaseUrl::parse(&settings.base_url)?;
        install_crypto();
        if settings.api_key.is_some() && !base_url.is_https() && !base_url.is_loopback() {
            tracing::warn!("the API key goes to {} without encryption", base_url.origin());
        }
        let lanes = match transport {
            Some(transport) => vec![Lane::of(Line::InProcess(transport))],
            None => (0..lane_count(&base_url, settings.concurrency))
                .map(|_| Lane::new(&base_url, &settings))
                .collect::<Result<_, _>>()?,
        };
        let headers = fixed_headers(&settings)?;
        let query = version(&settings, VersionPlace::Query);
        let HttpSettings { access, api_key, max_body_bytes, .. } = settings;
        let (limits, intake) = (access.limits, Intake::new(max_body_bytes));
        Ok(Self {
            base_url,
            headers,
            query,
            limits,
            api_key,
            intake,
            simulated: AtomicBool::new(false),
            lanes,
        })
    }

    /// Posts a JSON `body` to `path` below the base URL and waits for the whole answer.
    ///
    /// `request_id` names the attempt to the server: as `Idempotency-Key`, so that a server which
    /// knows the header does not bill a repeated request twice, and as `X-Client-Request-Id`.
    ///
    /// Dropping the future closes the connection; the attempt then counts as [`Outcome::Unknown`].
    pub async fn post(&self, path: &str, body: impl Into<Bytes>, request_id: &str) -> Outcome {
        let place = self.least_busy();
        let request = match self.request(path, body.into(), request_id) {
            Ok(request) => request,
            Err(failure) => return failure.into(),
        };
        let key = self.api_key.as_ref();
        let response = match place.carry(request, key).await {
            Ok(response) => response,
            Err(failure) => return failure.into(),
        };
        let now = clock::now();
        let headers = ResponseHeaders::read(response.headers(), self.limits, now, key);
        if response.status().is_success() {
            self.answer(response, headers).await
        } else if response.status().is_informational() {
            // 101, which nobody asked for: no refusal, so that nothing says that it is free.
            Failure::no_answer(response.status().as_u16()).into()
        } else {
            self.refusal(response, headers).await
        }
    }

    /// Whether a simulator has answered calls about batches.
    pub fn is_simulated(&self) -> bool {
        self.simulated.load(Ordering::Relaxed)
    }

    /// `text` without the key, should a server have sent it.
    pub fn scrub(&self, text: &str) -> String {
        self.api_key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text))
    }

    /// A place in the lane with the fewest requests, so that no HTTP/2 connection runs out of
    /// streams while another has some, however long single requests take.
    pub(super) fn least_busy(&self) -> Place<'_> {
        let lane = self
            .lanes
            .iter()
            .min_by_key(|lane| lane.in_flight.load(Ordering::Relaxed))
            .expect("lane_count is at least one");
        lane.in_flight.fetch_add(1, Ordering::Relaxed);
        Place(lane)
    }

    fn request(&self, path: &str, body: Bytes, request_id: &str) -> Result<Request, Failure> {
        let id = HeaderValue::from_str(request_id).map_err(|error| Failure {
            kind: FailureKind::Request,
            message: format!("the request id can't be a header: {error}"),
            may_have_been_sent: false,
        })?;
        let mut request = Request::new(Method::POST, self.url(path));
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert("idempotency-key", id.clone());
        headers.insert("x-client-request-id", id);
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.join(path);
        if let Some((name, version)) = &self.query {
            url.query_pairs_mut().append_pair(name, version);
        }
        url
    }

    async fn answer(&self, mut response: Response, headers: ResponseHeaders) -> Outcome {
        let status = response.status().as_u16();
        match self.intake.read(&mut response, self.api_key.as_ref()).await {
            Ok(body) => Outcome::Answered { status, headers, body },
            Err(failure) => failure.into(),
        }
    }

    pub(super) async fn refusal(
        &self,
        mut response: Response,
        mut headers: ResponseHeaders,
    ) -> Outcome {
        let status = response.status();
        let key = self.api_key.as_ref();
        let error = if status.is_redirection() {
            ApiError::from_message(status.as_u16(), &self.redirect_message(&response), key)
        } else {
            ApiError::from_body(status.as_u16(), &beginning(&mut response).await, key)
        };
        headers.retry_after = headers.retry_after.or(error.retry_after);
        Outcome::Refused { status: status.as_u16(), headers, error }
    }

    fn redirect_message(&self, response: &Response) -> String {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| self.base_url.origin_of(location));
        let target = target.as_deref().unwrap_or("an address it does not name");
        format!("the server redirects to {target}, which is not followed: the key is not sent on")
    }
}

impl Lane {
    fn new(base_url: &BaseUrl, settings: &HttpSettings) -> Result<Self, HttpError> {
        let mut builder = Client::builder()
            .user_agent(concat!("instructmill/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .timeout(settings.total_timeout)
            .pool_max_idle_per_host(settings.concurrency.max(1))
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .http2_keep_alive_while_idle(true);
        if !base_url.is_https() {
            // Without TLS no CA certificate is needed, which a container may not have.
            builder = builder.tls_certs_only([]);
        }
        if base_url.is_loopback() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| HttpError::Client {
            message: Failure::of(error, settings.api_key.as_ref()).message,
        })?;
        Ok(Self::of(Line::Sockets(client)))
    }

    fn of(line: Line) -> Self {
        Self { line, in_flight: AtomicUsize::new(0) }
    }
}

impl Line {
    async fn carry(&self, request: Request, key: Option<&ApiKey>) -> Result<Response, Failure> {
        match self {
            Self::Sockets(client) => {
                client.execute(request).await.map_err(|error| Failure::of(error, key))
            }
            Self::InProcess(transport) => transport.deliver(request).await,
        }
    }
}

/// How many clients carry `concurrency` requests: plain HTTP opens a connection for each request in
/// flight, HTTP/2 shares one a client.
fn lane_count(base_url: &BaseUrl, concurrency: usize) -> usize {
    if base_url.is_https() { concurrency.div_ceil(STREAMS_PER_CLIENT).max(1) } else { 1 }
}

/// Chooses ring for the whole process; a choice made before stays.
pub(super) fn install_crypto() {
    if CryptoProvider::get_default().is_none()
        && ring::default_provider().install_default().is_err()
    {
        tracing::debug!("another thread has installed a TLS provider");
    }
}

/// The headers that every request has.
fn fixed_headers(settings: &HttpSettings) -> Result<HeaderMap, HttpError> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
    if let Some((name, version)) = version(settings, VersionPlace::Header) {
        let value = HeaderValue::try_from(&version)
            .map_err(|_ignored| HttpError::ApiVersion { version })?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let key = settings.api_key.as_ref();
    headers.extend(key.map(|key| key.header(settings.access.key_header)));
    Ok(headers)
}

/// The name and the value of the API's version, when it goes to this place.
fn version(settings: &HttpSettings, place: VersionPlace) -> Option<(&'static str, String)> {
    let version = settings.access.version.filter(|version| version.place == place)?;
    let asked = settings.api_version.clone();
    Some((version.name, asked.unwrap_or_else(|| version.default.to_owned())))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("base_url", &self.base_url.to_string())
            .field("api_key", &self.api_key)
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base_url: &str, concurrency: usize) -> HttpClient {
        let long = Duration::from_mins(1);
        let settings = HttpSettings {
            base_url: base_url.to_owned(),
            access: super::super::access::OPENAI,
            api_version: None,
            api_key: None,
            connect_timeout: long,
            read_timeout: long,
            total_timeout: long,
            max_body_bytes: 1000,
            concurrency,
        };
        HttpClient::new(settings).unwrap()
    }

    #[test]
    fn https_gets_enough_connections_for_its_streams() {
        let lanes = |url, concurrency| lane_count(&BaseUrl::parse(url).unwrap(), concurrency);
        for (concurrency, expected) in [(0, 1), (1, 1), (80, 1), (81, 2), (1000, 13)] {
            assert_eq!(lanes("https://host/v1", concurrency), expected, "{concurrency}");
            assert_eq!(lanes("http://host/v1", concurrency), 1);
        }
    }

    #[test]
    fn requests_go_to_the_least_busy_lane_and_give_their_place_back() {
        let mut client = client("http://127.0.0.1:1", 1);
        client.lanes.extend(self::client("http://127.0.0.1:1", 1).lanes);
        let load = |client: &HttpClient| -> Vec<usize> {
            client.lanes.iter().map(|lane| lane.in_flight.load(Ordering::Relaxed)).collect()
        };
        let first = client.least_busy();
        let second = client.least_busy();
        let third = client.least_busy();
        assert_eq!(load(&client), [2, 1]);
        drop((first, third));
        assert_eq!(load(&client), [0, 1]);
        drop(second);
        assert_eq!(load(&client), [0, 0]);
    }

    #[tokio::test]
    async fn a_cancelled_request_gives_its_place_back() {
        // Bound but never accepted: the request stays in flight until it is dropped.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()), 1);
        let post = client.post("completions", Vec::new(), "1");
        assert!(tokio::time::timeout(Duration::from_millis(50), post).await.is_err());
        assert_eq!(client.lanes[0].in_flight.load(Ordering::Relaxed), 0);
    }
}
