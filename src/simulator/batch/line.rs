//! One request of a batch, answered as a request of its own would be, at another price.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::BatchRequest;
use super::results::Turn;
use crate::simulator::bill::Entry;
use crate::simulator::desk::{Desk, lock};
use crate::simulator::faults::Fault;
use crate::simulator::refusal::Refusal;
use crate::simulator::wire::{self, Answer, Api, Call, Counts};
use crate::usd::Usd;

impl Desk {
    /// Answers a request of a batch, and bills it by its name.
    pub(super) fn take_turn(&self, api: &dyn Api, number: u64, request: &BatchRequest) -> Turn {
        let fault = self.fault(number);
        let fault = fault.filter(|(kind, _)| !kind.is_of_batches());
        let (kind, name) = (fault.map(|(kind, _)| kind), fault.map_or("", |(_, name)| name));
        let entry = Entry {
            number,
            path: "batch",
            idempotency_key: request.custom_id.clone(),
            fault: name,
            ..Entry::default()
        };
        // The one that the call had which created the batch.
        let version = HeaderName::from_static("anthropic-version");
        let headers = HeaderMap::from_iter([(version, HeaderValue::from_static("2023-06-01"))]);
        let call = Call { model: None, headers: &headers, query: "", body: &request.body };
        let by_fault = kind.and_then(|kind| Refusal::by_fault(kind, name));
        let read = api.read(&call).map_err(Refusal::unreadable);
        let checked = read.and_then(|read| self.check_request(&read).map(|()| read));
        let read = match (checked, by_fault) {
            (Err(refusal), _) | (Ok(_), Some(refusal)) => {
                let (status, body) = api.refusal(&refusal);
                lock(&self.books).enter(Entry { status: status.as_u16(), ..entry }, true);
                return match status.as_u16() {
                    200 => Turn::Answered(body),
                    status => Turn::Refused(status, body),
                };
            }
            (Ok(read), None) => read,
        };
        if kind == Some(Fault::DropBefore) {
            lock(&self.books).enter(entry, true);
            return Turn::Silent;
        }
        let (text, finish) = self.text(&read, kind, number);
        let counts = self.count(&read, kind, &text);
        let booked = Entry {
            status: 200,
            billed: true,
            prompt_tokens: counts.prompt,
            completion_tokens: counts.output,
            cost: self.batch_cost(&counts),
            ..entry
        };
        lock(&self.books).enter(booked, kind.is_none_or(Fault::is_whole));
        let usage = match kind {
            Some(Fault::NoUsage) => serde_json::Value::Null,
            Some(Fault::NegativeUsage) => wire::negative(api.usage(&counts)),
            _ => api.usage(&counts),
        };
        let model = &read.model;
        let answer =
            api.answer(&Answer { number, model, text: &text, finish, request: &read }, usage);
        match kind {
            Some(Fault::Timeout | Fault::Drop) => Turn::Silent,
            Some(Fault::Cut | Fault::Garbage | Fault::Html) => Turn::Broken(answer),
            _ => Turn::Answered(answer),
        }
    }

    fn batch_cost(&self, counts: &Counts) -> Usd {
        let half = |price: Usd| price.share(2);
        let price_in = self.settings.price_batch_in.unwrap_or(half(self.settings.price_in));
        let price_out = self.settings.price_batch_out.unwrap_or(half(self.settings.price_out));
        let prompt = price_in.saturating_mul(counts.prompt);
        prompt.saturating_add(price_out.saturating_mul(counts.output))
    }
}
