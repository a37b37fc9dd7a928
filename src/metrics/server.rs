//! The server: one page, for this machine unless an address of another network is asked for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::host::is_loopback_host;

/// The format's own type.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where metrics are served: `9464`, `:9464` and `localhost:9464` mean this machine, `IP:9464` that
/// address. Port 0 is a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(SocketAddr);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a port nor IP:PORT, such as 9464 or 0.0.0.0:9464")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let port = text.strip_prefix("localhost:").or(text.strip_prefix(':')).unwrap_or(text);
        let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let address = port.parse().map(here).ok().or(text.parse().ok());
        address.map(Self).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl Address {
    /// Whether only this machine can ask there.
    pub fn is_loopback(&self) -> bool {
        self.0.ip().is_loopback()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives the text of a fetch; `None` while there is nothing to tell.
type Source = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl MetricsServer {
    /// Starts to serve what `source` gives at the moment of each fetch; `None` while there is nothing
    /// to tell.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(
        address: Address,
        source: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address.0).await?;
        let addr = listener.local_addr()?;
        let source: Source = Arc::new(source);
        let router = Router::new()
            .route("/metrics", get(metrics))
            .fallback(async || (StatusCode::NOT_FOUND, "see /metrics\n"))
            .layer(from_fn_with_state(addr, watch))
            .with_state(source);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics are no longer served");
            }
        });
        Ok(Self { addr, _tasks: tasks })
    }

    /// Where to fetch them.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.addr)
    }
}

/// What is served to this machine alone answers only to its own names. Who listens on a network's
/// address wants to be asked by any of the machine's names, which are not known here.
async fn watch(State(addr): State<SocketAddr>, request: Request, next: Next) -> Response {
    if addr.ip().is_loopback() && !names_this_server(request.headers(), addr.port()) {
        return (StatusCode::FORBIDDEN, "the Host header does not name this server\n")
            .into_response();
    }
    next.run(request).await
}

fn names_this_server(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    hosts.next().is_none() && host.is_some_and(|host| is_loopback_host(host, port))
}

async fn metrics(State(source): State<Source>) -> Response {
    match source() {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the run has not begun\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        for text in ["9464", ":9464", "localhost:9464", "127.0.0.1:9464", " 9464 "] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), "127.0.0.1:9464", "{text}");
        }
        assert!(!"0.0.0.0:9464".parse::<Address>().unwrap().is_loopback());
        assert!("[::1]:0".parse::<Address>().unwrap().is_loopback());
        for text in ["", "metrics", "example.org:9464", "70000", "1.2.3.4", "1.2.3.4:"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
