//! The simulator without a socket.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use axum::response::Response;
use serde_json::Value;
use tower_service::Service as _;

use super::bill::Bill;
use super::desk::Incoming;
use super::line::Cutter;
use super::server::Server;
use super::settings::SimulatorSettings;
use super::wire::{Api, Chat, Completions, Embeddings, Messages, Responses};

/// The APIs that are always at the same path.
const APIS: [&dyn Api; 5] = [&Chat, &Completions, &Responses, &Messages, &Embeddings];

/// A simulator without a socket: the same answers, faults, limits and bill, by a function call.
/// Clones are the same simulator.
#[derive(Debug, Clone)]
pub struct InProcess(Server);

impl InProcess {
    /// A simulator that has served nothing.
    pub fn new(settings: SimulatorSettings) -> Self {
        Self(Server::new(settings))
    }

    /// Answers a `POST`; `None`: the connection closes without an answer, or nothing is there.
    pub async fn answer(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
        let api = APIS.into_iter().find(|api| api.path() == path)?;
        let incoming = Incoming { model: None, headers, query: "", body };
        self.0.desk().serve(api, incoming).await.ok()
    }

    /// Answers any call, by its route; `None`: the connection closes without an answer.
    pub async fn call(&self, mut request: Request<Body>) -> Option<Response> {
        let cutter = Cutter::default();
        request.extensions_mut().insert(ConnectInfo(cutter.clone()));
        let Ok(answer) = self.0.router().call(request).await;
        (!cutter.is_cut()).then_some(answer)
    }

    /// From now on it has no faults. What it has promised or forgotten stays as it is.
    pub fn mend(&self) {
        self.0.desk().mend();
    }

    /// What it has served and would bill.
    pub fn bill(&self) -> Bill {
        self.0.bill()
    }

    /// Each request with what it would be billed, as `/simulator/journal` shows it.
    pub fn journal(&self) -> Value {
        self.0.desk().journal()
    }
}
