//! One request from admission to answer.
//!
//! What a request costs is booked before its answer leaves and before any latency: a client that
//! goes away is billed all the same, as real providers bill it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::batch::Batches;
use super::bill::{Bill, Books, Entry};
use super::cache::{Cache, Found};
use super::faults::Fault;
use super::limits::{Limit, Minute, Standing};
use super::random::{Salt, stream};
use super::refusal::Refusal;
use super::reply::{self, text_header};
use super::settings::SimulatorSettings;
use super::smooth::Smooth;
use super::wire::{self, Answer, Api, Call, Counts, Finish, Request};
use super::writer::{Ask, Writer};
use crate::usd::Usd;

/// How often an answer that no schema binds comes in a code fence or after polite words.
const LOOSE_SHARE: f64 = 0.2;
/// The longest that a request with the fault `timeout` is held.
const HELD: Duration = Duration::from_secs(600);

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) settings: SimulatorSettings,
    writer: Writer,
    pub(super) books: Mutex<Books>,
    minute: Mutex<Minute>,
    smooth: Mutex<Smooth>,
    cache: Mutex<Cache>,
    /// Where answers are written, when that is done a few at a time.
    slots: Option<Semaphore>,
    pub(super) batches: Mutex<Batches>,
    /// Set when its faults are over.
    mended: AtomicBool,
}

/// The connection closes without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

/// A request as it came in.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    /// The model that the path names.
    pub(super) model: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

impl Incoming<'_> {
    fn call<'a>(&'a self, body: &'a Map<String, Value>) -> Call<'a> {
        Call { model: self.model, headers: self.headers, query: self.query, body }
    }
}

/// Why there is no answer.
enum NoAnswer {
    Refused(Box<Refusal>),
    Dropped,
}

/// A request that is let in, with the fault that it meets and its name.
type Admitted = (Request, Option<(Fault, &'static str)>);

/// Counts a request as under way until it is dropped.
struct UnderWay<'a>(&'a Desk);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.books).leave();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub(super) fn new(settings: SimulatorSettings) -> Self {
        let (books, minute, smooth) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (cache, batches) = (Mutex::default(), Mutex::default());
        let slots = settings.slots.map(Semaphore::new);
        let mended = AtomicBool::new(false);
        Self {
            settings,
            writer: Writer::new(),
            books,
            minute,
            smooth,
            cache,
            batches,
            slots,
            mended,
        }
    }

    /// Its faults are over.
    pub(super) fn mend(&self) {
        self.mended.store(true, Ordering::Relaxed);
    }

    /// The fault that this request or call meets.
    pub(super) fn fault(&self, number: u64) -> Option<(Fault, &'static str)> {
        let mended = self.mended.load(Ordering::Relaxed);
        if mended { None } else { self.settings.faults.draw(self.settings.seed, number) }
    }

    pub(super) fn bill(&self) -> Bill {
        lock(&self.books).bill.clone()
    }

    pub(super) fn journal(&self) -> Value {
        lock(&self.books).journal()
    }

    /// The name of the model that exists, or one that stands for any.
    pub(super) fn model(&self) -> &str {
        self.settings.model.as_deref().unwrap_or("simulated")
    }

    /// Answers a request for a completion.
    pub(super) async fn serve(
        &self,
        api: &dyn Api,
        incoming: Incoming<'_>,
    ) -> Result<Response, Dropped> {
        let (number, at) = lock(&self.books).open();
        let _under_way = UnderWay(self);
        let key = incoming.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let entry = Entry {
            number,
            at,
            path: api.path(),
            idempotency_key: key.unwrap_or_default().to_owned(),
            ..Entry::default()
        };
        let answer = match self.admit(api, number, &incoming) {
            Ok((request, fault)) => self.answer(api, &request, fault, entry.clone()).await,
            Err(refusal) => Err(NoAnswer::Refused(Box::new(refusal))),
        };
        match answer {
            Ok(response) => Ok(response),
            Err(NoAnswer::Dropped) => Err(Dropped),
            Err(NoAnswer::Refused(refusal)) => {
                let status = api.refusal(&refusal).0.as_u16();
                lock(&self.books).enter(Entry { status, fault: refusal.fault, ..entry }, true);
                Ok(reply::refused(api, *refusal))
            }
        }
    }

    /// Everything that can refuse a request before the model, in the order of a real API.
    fn admit(
        &self,
        api: &dyn Api,
        number: u64,
        incoming: &Incoming<'_>,
    ) -> Result<Admitted, Refusal> {
        let request = wire::object(incoming.body).and_then(|body| api.read(&incoming.call(&body)));
        let tokens = request.as_ref().map_or(0, Request::tokens_at_admission);
        if api.is_limited() {
            lock(&self.books).offer(Instant::now(), tokens);
        }
        self.check_key(api, incoming.headers)?;
        let request = request.map_err(Refusal::unreadable)?;
        self.check_request(&request)?;
        let fault = self.fault(number);
        let fault = fault.filter(|(kind, _)| !kind.is_of_batches());
        if let Some(refusal) = fault.and_then(|(kind, name)| Refusal::by_fault(kind, name)) {
            return Err(refusal);
        }
        if api.is_limited() {
            self.check_limits(api, &request)?;
        }
        Ok((request, fault))
    }

    /// Refuses a request without the right key.
    pub(super) fn check_key(&self, api: &dyn Api, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.settings.api_key {
            Some(key) if api.key(headers) != Some(key) => Err(Refusal::wrong_key()),
            _ => Ok(()),
        }
    }

    pub(super) fn check_request(&self, request: &Request) -> Result<(), Refusal> {
        if self.settings.model.as_ref().is_some_and(|model| *model != request.model) {
            return Err(Refusal::no_model(&request.model));
        }
        let unsupported = |name: &&String| request.parameters.contains(name);
        match self.settings.reject_params.iter().find(unsupported) {
            Some(name) => Err(Refusal::unsupported(name)),
            None => Ok(()),
        }
    }

    fn check_limits(&self, api: &dyn Api, request: &Request) -> Result<(), Refusal> {
        let (rpm, tpm) = self.limits_now();
        let (now, tokens) = (Instant::now(), request.tokens_at_admission());
        let mut minute = lock(&self.minute);
        let admitted = if self.settings.smooth {
            let admitted = lock(&self.smooth).admit(now, tokens, rpm, tpm);
            admitted.inspect(|()| minute.count(now, tokens))
        } else {
            minute.admit(now, tokens, rpm, tpm)
        };
        let (requests, counted) = (minute.requests(), minute.tokens());
        drop(minute);
        admitted.map_err(|reason| {
            let headers = self.limit_headers(api, now);
            Refusal::over_limit(&request.model, tokens, reason, headers)
        })?;
        lock(&self.books).admitted(requests, counted);
        Ok(())
    }

    fn limits_now(&self) -> (Option<u64>, Option<u64>) {
        self.settings.limits(lock(&self.books).age())
    }

    fn limit_headers(&self, api: &dyn Api, now: Instant) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.settings.hides_limits {
            return headers;
        }
        let (rpm, tpm) = self.limits_now();
        let mut minute = lock(&self.minute);
        let limits = [
            ("requests", rpm, Limit::Requests as fn(u64) -> Limit),
            ("tokens", tpm, Limit::Tokens),
        ];
        for (what, most, limit) in limits {
            let Some(most) = most else { continue };
            let Standing { remaining, reset } = minute.standing(now, limit(most));
            let parts = [
                ("limit", most.to_string()),
                ("remaining", remaining.to_string()),
                ("reset", api.reset(reset)),
            ];
            for (part, value) in parts {
                if let Some(name) = api.limit_header(what, part) {
                    text_header(&mut headers, &name, &value);
                }
            }
        }
        headers
    }

    async fn answer(
        &self,
        api: &dyn Api,
        request: &Request,
        fault: Option<(Fault, &'static str)>,
        entry: Entry,
    ) -> Result<Response, NoAnswer> {
        let number = entry.number;
        let (kind, fault) = (fault.map(|(kind, _)| kind), fault.map_or("", |(_, name)| name));
        if kind == Some(Fault::DropBefore) {
            lock(&self.books).enter(Entry { fault, ..entry }, true);
            return Err(NoAnswer::Dropped);
        }
        let (text, finish) = self.text(request, kind, number);
        let counts = self.count(request, kind, &text);
        let booked = Entry {
            status: if kind.is_some_and(Fault::is_silent) { 0 } else { 200 },
            billed: true,
            prompt_tokens: counts.prompt,
            completion_tokens: counts.output,
            admitted_tokens: request.tokens_at_admission(),
            cost: self.cost(request, &counts),
            fault,
            ..entry
        };
        self.charge(booked, kind.is_none_or(Fault::is_whole))
            .map_err(|it| NoAnswer::Refused(Box::new(it)))?;
        self.wait(number, kind).await;
        if kind.is_some_and(Fault::is_silent) {
            return Err(NoAnswer::Dropped);
        }
        let usage = match kind {
            Some(Fault::NoUsage) => Value::Null,
            Some(Fault::NegativeUsage) => wire::negative(api.usage(&counts)),
            _ => api.usage(&counts),
        };
        let model = &request.model;
        let answer = api.answer(&Answer { number, model, text: &text, finish, request }, usage);
        let mut headers = self.limit_headers(api, Instant::now());
        text_header(&mut headers, "x-request-id", &format!("simulated-{number}"));
        Ok(reply::answer(kind, headers, answer.to_string().into_bytes()))
    }

    /// The tokens of an answer. Hidden reasoning comes before the text and out of the same limit.
    pub(super) fn count(&self, request: &Request, kind: Option<Fault>, text: &str) -> Counts {
        let prompt = request.prompt_tokens();
        let written = wire::tokens(text.len());
        let reasoning = match kind {
            Some(Fault::Reasoning) => request.max_tokens,
            _ => self.settings.reasoning_tokens.min(request.max_tokens.saturating_sub(written)),
        };
        let by_percent = prompt * self.settings.cached_percent.min(100) / 100;
        let found = match by_percent {
            0 => lock(&self.cache).look_up(Instant::now(), request),
            cached => Found { cached, written: 0 },
        };
        Counts {
            prompt,
            cached: found.cached.min(prompt),
            written: found.written.min(prompt),
            output: reasoning + written,
            reasoning,
        }
    }

    /// Bills an answer, unless the bill would pass the account's credit.
    fn charge(&self, entry: Entry, whole: bool) -> Result<(), Refusal> {
        let mut books = lock(&self.books);
        if !books.affords(entry.cost, self.settings.quota) {
            return Err(Refusal::no_credit());
        }
        books.enter(entry, whole);
        Ok(())
    }

    pub(super) fn text(
        &self,
        request: &Request,
        kind: Option<Fault>,
        number: u64,
    ) -> (String, Finish) {
        let written = match kind {
            _ if request.vectors.is_some() => return (String::new(), Finish::Stop),
            Some(Fault::Reasoning) => return (String::new(), Finish::Length),
            Some(Fault::Empty) => String::new(),
            Some(Fault::Refusal) => "I'm sorry, but I can't help with that. (simulated)".to_owned(),
            _ => {
                let texts: Vec<&str> = request.texts.iter().map(String::as_str).collect();
                let ask = Ask::read(&texts, request.strict);
                self.writer.write(ask, self.settings.seed, number, LOOSE_SHARE)
            }
        };
        let (mut text, reason) = wire::limit_text(written, &request.stop, request.max_tokens);
        if kind == Some(Fault::Length) {
            let half = text.len() / 2;
            wire::cut(&mut text, half);
            return (text, Finish::Length);
        }
        (text, reason)
    }

    pub(super) fn cost(&self, request: &Request, counts: &Counts) -> Usd {
        if request.vectors.is_some() {
            return self.settings.price_embedding.saturating_mul(counts.prompt);
        }
        let SimulatorSettings { price_in, price_out, .. } = self.settings;
        let price_cached = self.settings.price_cached.unwrap_or(price_in);
        let price_written = self.settings.price_cache_write.unwrap_or(price_in);
        [
            price_in.saturating_mul(counts.prompt - counts.cached - counts.written),
            price_cached.saturating_mul(counts.cached),
            price_written.saturating_mul(counts.written),
            price_out.saturating_mul(counts.output),
        ]
        .into_iter()
        .sum()
    }

    async fn wait(&self, number: u64, kind: Option<Fault>) {
        if kind == Some(Fault::Timeout) {
            tokio::time::sleep(HELD).await;
        }
        if self.settings.latency_ms > 0 {
            let _slot = match &self.slots {
                Some(slots) => slots.acquire().await.ok(),
                None => None,
            };
            let spread = 0.7 + 0.6 * stream(self.settings.seed, Salt::Latency, number).f64();
            let mean = Duration::from_millis(self.settings.latency_ms);
            tokio::time::sleep(mean.mul_f64(spread)).await;
        }
    }
}
