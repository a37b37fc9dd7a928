//! The viewer: a run's candidates in a browser, on this machine alone.
//!
//! It listens on loopback, answers only to its own name ([`guard`]), changes nothing without a token of
//! this process, and its pages run no script but their own. Pages are written here, on the server,
//! and read without a script; the script keeps the figures up to date. The run is only read: the index
//! of words and the marks have files of their own.

mod desk;
mod export;
mod guard;
mod live;
mod models;
mod pages;
mod query;
mod server;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::store::{RunDir, StoreError};
use crate::task::Compared;

pub use models::Models;

/// What is to be viewed.
#[derive(Debug, Clone)]
pub struct ViewedRun {
    /// Where the run is.
    pub dir: RunDir,
    /// The models that it asks.
    pub models: Models,
    /// Whether the completions are made up.
    pub simulated: bool,
    /// The similarities of its novelty check, such as `rouge-l`.
    pub similarity: String,
    /// Which part of a task is compared.
    pub compare: Compared,
    /// The compared texts of the seed tasks in their order, or why they are not known any more.
    pub seeds: Result<Vec<String>, String>,
}

/// Why there is nothing to view.
#[derive(Debug, thiserror::Error)]
pub enum ViewerError {
    /// The run, or its index, cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port cannot be had.
    #[error("cannot listen on 127.0.0.1:{port}: {error}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// The system gives no random numbers, without which nothing is safe.
    #[error("the system gives no random numbers")]
    Random,
}

/// A running viewer. It ends when it is dropped.
#[derive(Debug)]
pub struct Viewer {
    addr: SocketAddr,
    // Dropped first: the server uses what the thread fills.
    _tasks: JoinSet<()>,
    _follower: live::Follower,
}

impl Viewer {
    /// Starts serving on 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ViewerError`] when the run cannot be read or the port not be had.
    pub async fn start(run: ViewedRun, port: u16) -> Result<Self, ViewerError> {
        let listen = |error| ViewerError::Listen { port, error };
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
        let listener = listener.await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let token = guard::token().ok_or(ViewerError::Random)?;
        let (desk, follower) = desk::open(run)?;
        let router = server::router(desk, guard::Guard { port: addr.port(), token });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the viewer ended");
            }
        });
        Ok(Self { addr, _tasks: tasks, _follower: follower })
    }

    /// Its address for a browser.
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }
}
