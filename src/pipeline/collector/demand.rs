//! Which request is sent next, and whether one is wanted at all.

use std::sync::Arc;

use bytes::Bytes;

use super::{Collector, Stop};
use crate::event::Phase;
use crate::ledger::prompt_token_bound;
use crate::pipeline::failure::RunError;
use crate::pipeline::request::render;
use crate::pipeline::worker::Job;
use crate::summary::StopReason;
use crate::usd::Usd;

impl Collector {
    pub(super) fn start_requests(&mut self) {
        while self.stop.is_none() && self.wants_another() {
            if self.next_request >= self.max_requests {
                if self.in_flight == 0 {
                    self.stop_with(Stop::by_design(StopReason::MaxRequests));
                }
                return;
            }
            match self.next_job() {
                Ok(job) => self.start(job),
                Err(needed) => {
                    // What is under way may cost less than reserved and leave room again.
                    if self.in_flight == 0 {
                        self.stop_for_budget(needed);
                    }
                    return;
                }
            }
        }
    }

    /// Near the target no more requests leave than it should take to reach it.
    fn wants_another(&self) -> bool {
        self.lane.has_room() && (self.in_flight == 0 || self.expected() < self.target)
    }

    /// Accepted tasks once everything under way has come, if it goes on as it went.
    fn expected(&self) -> u64 {
        let yield_per_thousand =
            (self.accepted() * 1_000).checked_div(self.responses_judged).unwrap_or(0);
        let coming = u64::try_from(self.in_flight + self.waiting.len()).unwrap_or(u64::MAX);
        self.accepted().saturating_add(coming.saturating_mul(yield_per_thousand) / 1_000)
    }

    fn stop_for_budget(&mut self, needed: Usd) {
        let left = self.shared.ledger.totals().left();
        tracing::info!(%needed, %left, "the budget does not hold another request");
        let nothing_bought = self.shared.tally().0.sent == 0;
        self.stop_with(if nothing_bought {
            Stop::failed(RunError::RequestOverBudget { needed, left })
        } else {
            Stop::by_design(StopReason::Budget)
        });
    }

    /// Samples, renders and reserves: a request ready to leave, or the money it would have needed.
    fn next_job(&mut self) -> Result<Job, Usd> {
        let request_index = self.next_request;
        let pool = self.judge.pool();
        let (examples, request) = render(&self.request, &self.lane.model, pool, request_index);
        let quirks = self.lane.quirks();
        let body = Bytes::from(self.lane.provider.encode(&request, &quirks));
        let prompt_bound = prompt_token_bound(body.len());
        let max_output_tokens = u64::from(request.max_output_tokens);
        let worst_case = self.lane.price.worst_case(prompt_bound, max_output_tokens);
        let reservation =
            self.shared.ledger.reserve(worst_case).map_err(|reached| reached.needed)?;
        Ok(Job {
            request_index,
            lane: Arc::clone(&self.lane),
            phase: Phase::Tasks,
            examples,
            request,
            body,
            quirks,
            prompt_bound,
            reservation,
        })
    }
}
