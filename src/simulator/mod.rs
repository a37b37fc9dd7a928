//! The simulator: a loopback server that speaks the APIs of OpenAI (chat completions, Responses,
//! legacy completions), Azure, Anthropic and Gemini, and makes up its answers.
//!
//! It is the provider of runs without a key, the rehearsal of real ones, and the peer of the
//! integration tests. It has usage, prices, rate limits with the real headers, latency, and faults
//! on demand; `/simulator/bill` and `/simulator/journal` say what a provider would have billed.
//! Every output that it writes says that it is simulated.

mod batch;
mod bill;
mod cache;
mod desk;
mod embeddings;
mod faults;
mod in_process;
mod limits;
mod line;
mod random;
mod refusal;
mod reply;
mod server;
mod settings;
mod smooth;
mod wire;
mod writer;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use bill::Bill;
pub use faults::{FAULTS, Faults, FaultsError};
pub use in_process::InProcess;
pub use settings::{LimitsChange, SimulatorSettings};

use line::{Cutter, Lines};
use server::Server;

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
        let service = server.router().into_make_service_with_connect_info::<Cutter>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(Lines(listener), service).await {
                tracing::error!(%error, "the simulator ended");
            }
        });
        Ok(Self { addr, server, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL for a client of OpenAI or Anthropic, such as `http://127.0.0.1:8080/v1`. Those
    /// of Gemini end in `/v1beta`, and those of Azure behind the port.
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

#[cfg(test)]
mod tests;
