//! The simulator: a loopback server that speaks the OpenAI API and makes up its answers.
//!
//! It is the provider of runs without a key, the rehearsal of real ones, and the peer of the
//! integration tests. It has usage, prices, rate limits with the real headers, latency, and faults
//! on demand; `/simulator/bill` and `/simulator/journal` say what a provider would have billed.
//! Every output that it writes says that it is simulated.

mod bill;
mod faults;
mod limits;
mod random;
mod server;
mod wire;
mod writer;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::usd::Usd;

pub use bill::Bill;
pub use faults::{FAULTS, Faults, FaultsError};

use server::Server;

/// What a simulator is like.
#[derive(Debug, Clone, Default)]
pub struct SimulatorSettings {
    /// Seeds everything that it writes and every fault.
    pub seed: u64,
    /// The only model that exists; `None`: any does.
    pub model: Option<String>,
    /// USD per prompt token.
    pub price_in: Usd,
    /// USD per output token.
    pub price_out: Usd,
    /// Requests per minute; `None`: no limit.
    pub rpm: Option<u64>,
    /// Tokens per minute, `max_tokens` counted at admission as OpenAI does; `None`: no limit.
    pub tpm: Option<u64>,
    /// Mean latency of an answer, in milliseconds; each answer takes up to 30 % more or less.
    pub latency_ms: u64,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// The only key that is accepted; `None`: any or none.
    pub api_key: Option<String>,
    /// The account's credit in USD: once so much is billed, requests are refused.
    pub quota: Option<Usd>,
    /// Parameters that the model does not take, refused with a 400.
    pub reject_params: Vec<String>,
}

/// A running simulator. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    server: Server,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts serving on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(settings: SimulatorSettings, addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let server = Server::new(settings);
        let router = server.router();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            use axum::serve::ListenerExt;
            let listener = listener.tap_io(|stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "answers may be slower");
                }
            });
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the simulator ended");
            }
        });
        Ok(Self { addr, server, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL for a client, such as `http://127.0.0.1:8080/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// What it has served and would bill.
    pub fn bill(&self) -> Bill {
        self.server.bill()
    }

    /// Stops serving; connections are closed.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
