//! Calls about batches on their way: to the same server, through the same weather.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use instructmill::chat::SIMULATED_HEADER;
use instructmill::provider::{Failure, FailureKind};
use reqwest::{Method, Request, Response};
use tokio::time::Instant;

use crate::answer::{self, Script};
use crate::faults::Fault;
use crate::network::{Network, Play, lost, play, script_of};
use crate::world::Met;

/// Whether a request is a call about batches or their files.
pub fn is_of_batches(request: &Request) -> bool {
    let path = request.url().path();
    ["/v1/files", "/v1/batches", "/v1/messages/batches"].iter().any(|it| path.starts_with(it))
}

/// What a call does, as far as it costs money.
enum Act {
    /// Requests are handed over, for a batch to be.
    Upload,
    /// A batch is created.
    Create,
    Other,
}

fn act(request: &Request) -> Act {
    match (request.method(), request.url().path()) {
        (&Method::POST, "/v1/files") => Act::Upload,
        (&Method::POST, "/v1/batches" | "/v1/messages/batches") => Act::Create,
        _ => Act::Other,
    }
}

impl Network {
    pub async fn carry_call(&self, request: Request) -> Result<Response, Failure> {
        let left_at = Instant::now();
        let name = format!("{} {}", request.method(), request.url().path());
        self.world.state().maybe_jump(self.world.weather.clock_jumps);
        self.check_call(&request);
        let fault = self.fault();
        self.world.event(format_args!("{name} leaves, fault {fault:?}"));
        if self.world.is_frozen() {
            return std::future::pending().await;
        }
        let longest = request.timeout().copied().unwrap_or(self.timing.total);
        let answer = self.answer_call(request, fault, longest).await;
        if self.world.is_frozen() {
            return std::future::pending().await;
        }
        match answer {
            Ok(mut script) => {
                // Nobody hurries because a simulator says that it is one.
                script.headers.remove(SIMULATED_HEADER);
                if !script.status.is_success() {
                    self.world.state().meet(Met::Refusal);
                }
                self.world.event(format_args!("the head of {name} comes: {}", script.status));
                let (world, deadline) = (Arc::clone(&self.world), left_at + longest);
                let read = self.timing.read;
                Ok(play(Play { world, name, script, under_way: None, deadline, read }))
            }
            Err(failure) => {
                self.world.state().meet(Met::NoAnswer);
                self.world.event(format_args!("{name} is lost: {:?}", failure.kind));
                Err(failure)
            }
        }
    }

    /// What must be durable before a call may leave, and when none may leave any more.
    fn check_call(&self, request: &Request) {
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
        let number = key.and_then(|key| key.split('-').nth(2)).and_then(|it| it.parse().ok());
        let act = act(request);
        if matches!(act, Act::Other) {
            return;
        }
        let number: u64 = number.expect("what hands over requests has a name");
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        for (batch, attempt) in lines(body) {
            if batch != number {
                self.world.violate(format!("a request of batch {batch} leaves with {number}"));
            }
            self.books().check_line(batch, attempt);
        }
        if matches!(act, Act::Create) {
            self.books().check_creation(number);
            let (now, signal) = (self.world.now(), self.world.state().signalled_at);
            if signal.is_some_and(|signal| now > signal + Duration::from_secs(1)) {
                self.world.violate(format!("batch {number} is created after the signal"));
            }
        }
    }

    async fn answer_call(
        &self,
        request: Request,
        fault: Option<Fault>,
        longest: Duration,
    ) -> Result<Script, Failure> {
        let latency = self.within(self.timing.read.min(longest));
        match fault {
            Some(Fault::Unreachable) => {
                tokio::time::sleep(self.within(self.timing.connect)).await;
                return Err(lost(FailureKind::Connect, false));
            }
            Some(Fault::LostBefore) => {
                tokio::time::sleep(latency).await;
                return Err(lost(FailureKind::Connection, true));
            }
            Some(Fault::RateLimited | Fault::ServerError | Fault::Objection) => {
                tokio::time::sleep(latency).await;
                let now = self.world.time_of_day();
                let mut state = self.world.state();
                return Ok(answer::refusal(fault, &mut state.rng, now).0);
            }
            _ => {}
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default().to_vec();
        let mut received = axum::http::Request::new(Body::from(body));
        *received.method_mut() = request.method().clone();
        *received.uri_mut() = request.url().as_str().parse().expect("an address");
        *received.headers_mut() = request.headers().clone();
        let Some(answer) = self.world.server().call(received).await else {
            return Err(lost(FailureKind::Connection, true));
        };
        tokio::time::sleep(latency).await;
        match fault {
            Some(Fault::Silent) => {
                tokio::time::sleep(self.timing.read.min(longest)).await;
                return Err(lost(FailureKind::Timeout, true));
            }
            Some(Fault::LostAfter) => return Err(lost(FailureKind::Connection, true)),
            _ => {}
        }
        let mut script = script_of(answer).await;
        // Broken answers are cut here: other bytes in place of some could be another's usage or name.
        let fault = match fault {
            Some(Fault::Garbage | Fault::Lie) => Some(Fault::Cut),
            fault => fault,
        };
        script.spoil(fault, &mut self.world.state().rng, self.timing.read);
        Ok(script)
    }
}

/// The requests of a body by batch and attempt, as their names have them.
fn lines(body: &[u8]) -> Vec<(u64, u64)> {
    let text = String::from_utf8_lossy(body);
    let names = text.split("\"custom_id\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let parts = names.map(|name| name.split('-').collect::<Vec<_>>());
    let numbers = |parts: Vec<&str>| match parts.as_slice() {
        [_run, batch, attempt] => Some((batch.parse().ok()?, attempt.parse().ok()?)),
        _ => None,
    };
    parts.map(|parts| numbers(parts).expect("RUN-BATCH-ATTEMPT")).collect()
}
