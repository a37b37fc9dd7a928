//! The network: carries requests to the simulator, and lets them meet what the weather brings.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use instructmill::provider::{Delivery, Failure, FailureKind, Transport};
use reqwest::{Request, Response};
use tokio::time::Instant;

use crate::answer::{self, Script};
use crate::books::Books;
use crate::calls::is_of_batches;
use crate::disk::Platter;
use crate::faults::Fault;
use crate::lanes::Seen;
use crate::world::{Met, World};

/// The network of one session.
#[derive(Debug)]
pub struct Network {
    pub world: Arc<World>,
    pub disk: Arc<Platter>,
    pub timing: Timing,
    pub outputs_have_own_lane: bool,
}

/// The time limits of a client.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub connect: Duration,
    pub read: Duration,
    pub total: Duration,
}

/// A request under way; over when it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    world: Arc<World>,
    session: usize,
    seen: usize,
    request: u64,
    lane: &'static str,
    left_at: Instant,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if state.session_number == self.session
            && let Some(seen) = state.lanes.get(self.seen)
        {
            seen.under_way = false;
        }
    }
}

impl Transport for Network {
    fn deliver(&self, request: Request) -> Delivery<'_> {
        Box::pin(self.carry(request))
    }
}

pub fn lost(kind: FailureKind, may_have_been_sent: bool) -> Failure {
    Failure { kind, message: "simulated fault".to_owned(), may_have_been_sent }
}

/// The request's index, from the name that the pipeline gives each request.
fn index_of(request: &Request) -> u64 {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let index = key.and_then(|key| key.rsplit_once('-')).and_then(|(_, index)| index.parse().ok());
    index.expect("every request has a name")
}

impl Network {
    pub fn books(&self) -> &Books {
        self.disk.books.get().expect("the books are opened before the run")
    }

    async fn carry(&self, request: Request) -> Result<Response, Failure> {
        if self.world.is_frozen() {
            return std::future::pending().await;
        }
        if is_of_batches(&request) {
            return self.carry_call(request).await;
        }
        let index = index_of(&request);
        let times = {
            let mut state = self.world.state();
            state.maybe_jump(self.world.weather.clock_jumps);
            let times = state.handed_over.entry(index).or_default();
            *times += 1;
            *times
        };
        let Some(departing) = self.books().check_departure(index, times) else {
            return std::future::pending().await;
        };
        let fault = self.fault();
        let lane = match departing.phase.as_str() {
            "embeddings" => "embeddings",
            "responses" if self.outputs_have_own_lane => "outputs",
            _ => "first",
        };
        self.world
            .event(format_args!("request {index} leaves by {lane}, time {times}, fault {fault:?}"));
        if self.world.is_frozen() {
            return std::future::pending().await;
        }
        if fault == Some(Fault::Unreachable) {
            let wait = self.within(self.timing.connect);
            tokio::time::sleep(wait).await;
            self.failed(index, Met::NoAnswer);
            return Err(lost(FailureKind::Connect, false));
        }
        let under_way = self.arrive(&request, index, lane, departing.tasks);
        let answer = self.answer(&request, &under_way, fault).await;
        if self.world.is_frozen() {
            return std::future::pending().await;
        }
        match answer {
            Ok(script) => Ok(self.play(script, under_way)),
            Err(failure) => {
                self.failed(index, Met::NoAnswer);
                self.world.event(format_args!("request {index} is lost: {:?}", failure.kind));
                Err(failure)
            }
        }
    }

    pub fn fault(&self) -> Option<Fault> {
        let now = self.world.now();
        let mut state = self.world.state();
        if state.session.healed {
            return None;
        }
        let fault = self.world.weather.draw(&mut state.rng, now);
        if let Some(fault) = fault {
            state.meet(Met::Fault(fault));
        }
        fault
    }

    /// A time up to the weather's latency, and within a limit.
    pub fn within(&self, limit: Duration) -> Duration {
        let latency = self.world.weather.latency_ms;
        self.world.state().up_to(latency).min(limit)
    }

    /// A failure of one of the request's attempts.
    fn failed(&self, index: u64, met: Met) {
        let mut state = self.world.state();
        state.meet(met);
        *state.failures.entry(index).or_default() += 1;
    }

    /// The request leaves: from here on the server counts it.
    fn arrive(
        &self,
        request: &Request,
        index: u64,
        lane: &'static str,
        tasks: Vec<String>,
    ) -> UnderWay {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let at = self.world.now();
        let reserved = answer::least_tokens(body);
        let seen = Seen { lane, at, under_way: true, tasks, reserved, used: None };
        let (seen, broken, session) = {
            let mut state = self.world.state();
            let (seen, broken) = state.lanes.arrive(seen);
            let late =
                state.signalled_at.is_some_and(|signal| at > signal + Duration::from_secs(1));
            let broken =
                broken.or(late.then(|| format!("request {index} leaves after the signal")));
            (seen, broken, state.session_number)
        };
        if let Some(broken) = broken {
            self.world.violate(broken);
        }
        let world = Arc::clone(&self.world);
        UnderWay { world, session, seen, request: index, lane, left_at: Instant::now() }
    }

    /// The answer of the server as it will come, with the fault of its way.
    async fn answer(
        &self,
        request: &Request,
        under_way: &UnderWay,
        fault: Option<Fault>,
    ) -> Result<Script, Failure> {
        let latency = self.within(self.timing.read);
        match fault {
            Some(Fault::LostBefore) => {
                tokio::time::sleep(latency).await;
                return Err(lost(FailureKind::Connection, true));
            }
            Some(Fault::RateLimited | Fault::ServerError | Fault::Objection) => {
                tokio::time::sleep(latency).await;
                return Ok(self.refusal(fault, under_way));
            }
            _ => {}
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let answering = self.world.server().answer(request.url().path(), request.headers(), body);
        let patience = self.timing.read.min(self.timing.total);
        let Ok(answer) = tokio::time::timeout(patience, answering).await else {
            return Err(lost(FailureKind::Timeout, true));
        };
        self.world.event(format_args!("the server answers request {}", under_way.request));
        let Some(answer) = answer else {
            return Err(lost(FailureKind::Connection, true));
        };
        match fault {
            Some(Fault::Silent) => {
                tokio::time::sleep_until(under_way.left_at + patience).await;
                return Err(lost(FailureKind::Timeout, true));
            }
            Some(Fault::LostAfter) => {
                tokio::time::sleep(latency).await;
                return Err(lost(FailureKind::Connection, true));
            }
            _ => tokio::time::sleep(latency).await,
        }
        let mut script = script_of(answer).await;
        self.announce(&mut script);
        let mut state = self.world.state();
        script.spoil(fault, &mut state.rng, self.timing.read);
        Ok(script)
    }

    /// From some request on the server tells a limit.
    fn announce(&self, script: &mut Script) {
        let Some(rpm) = self.world.weather.announces else { return };
        if self.world.now() > Duration::from_secs(20) {
            script.header("x-ratelimit-limit-requests", &rpm.to_string());
        }
    }

    fn refusal(&self, fault: Option<Fault>, under_way: &UnderWay) -> Script {
        let now = self.world.time_of_day();
        let mut state = self.world.state();
        let (script, wait) = answer::refusal(fault, &mut state.rng, now);
        drop(state);
        if let Some(wait) = wait {
            let at = self.world.now();
            self.world.state().lanes.pause(under_way.lane, at, wait);
        }
        script
    }

    /// Turns a script into a response whose body comes as the script says.
    fn play(&self, script: Script, under_way: UnderWay) -> Response {
        self.note(&script, &under_way);
        let deadline = under_way.left_at + self.timing.total;
        let name = format!("request {}", under_way.request);
        let (world, under_way) = (Arc::clone(&self.world), Some(under_way));
        play(Play { world, name, script, under_way, deadline, read: self.timing.read })
    }

    /// Takes note of what the client is about to learn from the head.
    fn note(&self, script: &Script, under_way: &UnderWay) {
        let status = script.status.as_u16();
        let mut state = self.world.state();
        if status == 429 {
            state.meet(Met::Fault(Fault::RateLimited));
        } else if !script.status.is_success() {
            *state.failures.entry(under_way.request).or_default() += 1;
        }
        if !script.status.is_success() {
            state.meet(Met::Refusal);
        }
        drop(state);
        self.world.event(format_args!("the head of {} comes: {status}", under_way.request));
    }
}

/// The server's answer, as a script.
pub async fn script_of(answer: axum::response::Response) -> Script {
    let (parts, body) = answer.into_parts();
    let mut script = Script { status: parts.status, headers: parts.headers, ..Script::default() };
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => script.pieces.push_back((Duration::ZERO, piece)),
            Err(_) => {
                script.breaks_off = true;
                break;
            }
        }
    }
    script
}

/// Turns a script into a response whose body comes as the script says.
pub fn play(play: Play) -> Response {
    let (status, headers) = (play.script.status, play.script.headers.clone());
    let pieces = stream::unfold(Some(play), |play| async {
        let mut play = play?;
        match play.next().await {
            Some(Ok(piece)) => Some((Ok(piece), Some(play))),
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    });
    let mut response = axum::http::Response::new(reqwest::Body::wrap_stream(pieces));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.into()
}

/// A body on its way.
pub struct Play {
    pub world: Arc<World>,
    pub name: String,
    pub script: Script,
    /// The request that it answers; `None`: a call about batches.
    pub under_way: Option<UnderWay>,
    pub deadline: Instant,
    pub read: Duration,
}

impl Play {
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        let world = Arc::clone(&self.world);
        let failure = |what: &str| Some(Err(std::io::Error::other(what.to_owned())));
        let name = self.name.clone();
        if world.is_frozen() {
            return std::future::pending().await;
        }
        let Some((pause, piece)) = self.script.pieces.pop_front() else {
            if self.script.breaks_off {
                self.broke(&world);
                world.event(format_args!("the body of {name} breaks off"));
                return failure("simulated fault");
            }
            self.arrived(&world);
            if world.is_frozen() {
                return std::future::pending().await;
            }
            return None;
        };
        let until = Instant::now() + pause.min(self.read);
        tokio::time::sleep_until(until.min(self.deadline)).await;
        if pause >= self.read || Instant::now() >= self.deadline {
            self.broke(&world);
            world.event(format_args!("the body of {name} takes too long"));
            return failure("timed out");
        }
        Some(Ok(piece))
    }

    fn broke(&self, world: &World) {
        if self.script.status.is_success() {
            let mut state = world.state();
            state.meet(Met::NoAnswer);
            if let Some(under_way) = &self.under_way {
                *state.failures.entry(under_way.request).or_default() += 1;
            }
        }
    }

    /// The whole body has reached the client.
    fn arrived(&mut self, world: &World) {
        let Some(under_way) = &self.under_way else {
            return world.event(format_args!("the answer to {} has come", self.name));
        };
        let request = under_way.request;
        let limit = self.script.headers.get("x-ratelimit-limit-requests");
        let limit = limit.and_then(|rpm| rpm.to_str().ok()?.parse().ok());
        if let Some(rpm) = limit.filter(|_| !self.script.is_huge) {
            // What a head says counts for the client once it has the whole answer.
            let now = world.now();
            let mut state = world.state();
            state.lanes.announce(under_way.lane, now, rpm);
            state.meet(Met::Announcement);
        }
        if !self.script.status.is_success() {
            return;
        }
        if self.script.is_huge {
            // The client has hung up.
            return;
        }
        let now = world.now();
        let mut state = world.state();
        if self.script.is_completion {
            state.lanes.prove(under_way.lane);
        } else {
            state.meet(Met::OddBody);
        }
        if let (Some(used), Some(seen)) = (self.script.used, state.lanes.get(under_way.seen)) {
            seen.used = Some((now, used));
        }
        state.delivered.push(request);
        drop(state);
        world.event(format_args!("the answer to request {request} has come"));
    }
}

/// Sets a header; names and values are our own.
pub fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name: HeaderName = name.parse().expect("a name");
    headers.insert(name, HeaderValue::from_str(value).expect("a value"));
}

impl Default for Script {
    fn default() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            pieces: VecDeque::new(),
            breaks_off: false,
            is_huge: false,
            is_completion: false,
            used: None,
        }
    }
}
