//! Which request is sent next, and whether one is wanted at all.

use std::sync::Arc;

use bytes::Bytes;

use super::two_phases::TwoPhases;
use super::{Collector, Embedder, Stop};
use crate::chat::CompletionRequest;
use crate::config::RequestConfig;
use crate::event::Phase;
use crate::ledger::Reservation;
use crate::pipeline::failure::RunError;
use crate::pipeline::lane::Lane;
use crate::pipeline::request::render;
use crate::pipeline::worker::{Job, Purpose};
use crate::provider::Quirks;
use crate::summary::StopReason;
use crate::task::TaskRef;
use crate::usd::Usd;

/// Of a thousand tasks asked for in batches, so many are expected to be accepted before any response has
/// told: more than usual. What the first wave lacks the second brings; what it has too much is paid for.
const FIRST_YIELD_PER_THOUSAND: u64 = 950;
/// Fewer output tokens would hold no task.
const LEAST_OUTPUT: u32 = 100;

impl Collector {
    pub(super) fn start_requests(&mut self) {
        let mut needed = self.start_embeddings();
        let is_short = needed.is_some();
        if self.stop.is_some() {
            self.drop_unsent();
        }
        while !is_short && self.stop.is_none() && self.completion_requests < self.max_requests {
            match self.next_job() {
                Some(Ok(job)) => self.start(job),
                // What is under way may cost less than reserved and leave room again.
                Some(Err(too_much)) => {
                    needed = Some(too_much);
                    break;
                }
                None => break,
            }
        }
        self.send_batches(is_short);
        if self.in_flight > 0 || self.stop.is_some() {
            return;
        }
        let mut smaller = || if is_short { None } else { self.last_job() };
        match needed.map(|needed| smaller().ok_or(needed)) {
            Some(Ok(job)) => {
                self.start(job);
                self.send_batches(is_short);
            }
            Some(Err(needed)) => self.stop_for_budget(needed),
            None if self.completion_requests >= self.max_requests => {
                self.stop_with(Stop::by_design(StopReason::MaxRequests));
            }
            None => self.stop_with(Stop::by_design(StopReason::NoProgress)),
        }
    }

    /// The next request, if one is wanted now: ready to leave, or the money it would have needed.
    fn next_job(&mut self) -> Option<Result<Job, Usd>> {
        if !self.may_ask() {
            return None;
        }
        let (accepted, target) = (self.accepted(), self.target);
        let Some(two) = &self.two_phases else {
            let job = || self.first_phase_job(&self.request, Phase::Tasks, Usd::ZERO);
            return self.wants_another().then(job);
        };
        if let Some(count) = two.outputs_wanted(accepted, target) {
            return Some(self.outputs_job(count));
        }
        if two.instructions_wanted(accepted, target) && self.lane.has_room() {
            return Some(self.instructions_job(two, &self.request));
        }
        None
    }

    /// A smaller request for instructions, when nothing is under way and the budget does not hold
    /// the usual one and the outputs that it would call for.
    ///
    /// The rest of the run is estimated by what a pilot's requests take, so all of these have the size
    /// of the first.
    fn last_job(&mut self) -> Option<Job> {
        let two = self.two_phases.as_ref().filter(|two| two.backlog.is_empty())?;
        let is_allowed = |tasks: u32| match two.smaller {
            _ if !self.shared.is_pilot => true,
            Some(first) => tasks == first,
            None => self.completion_requests == 0,
        };
        let usual = &self.request;
        let fewer = (1..32).map(|halvings| usual.tasks_per_request >> halvings);
        let mut sizes = fewer.take_while(|tasks| *tasks > 0).filter(|tasks| is_allowed(*tasks));
        let (size, job) = sizes.find_map(|tasks_per_request| {
            let share = usual.max_output_tokens / usual.tasks_per_request;
            let max_output_tokens = share.saturating_mul(tasks_per_request).max(LEAST_OUTPUT);
            let request = RequestConfig { tasks_per_request, max_output_tokens, ..usual.clone() };
            Some((tasks_per_request, self.instructions_job(two, &request).ok()?))
        })?;
        self.two_phases.as_mut()?.smaller = Some(size);
        Some(job)
    }

    fn instructions_job(&self, two: &TwoPhases, request: &RequestConfig) -> Result<Job, Usd> {
        let RequestConfig { tasks_per_request, max_output_tokens, .. } = *request;
        let earmark = two.worst_cases.of_instructions(tasks_per_request, max_output_tokens);
        self.first_phase_job(request, Phase::Instructions, earmark)
    }

    /// Near the target no more requests leave than it should take to reach it.
    fn wants_another(&self) -> bool {
        self.lane.has_room() && (self.in_flight == 0 || self.expected() < self.target)
    }

    /// Accepted tasks once everything under way has come, if it goes on as it went. Responses that
    /// wait for their embeddings count like those under way; as long as none is judged, all tasks that
    /// are asked for count.
    fn expected(&self) -> u64 {
        let seen = (self.accepted() * 1_000).checked_div(self.responses_judged);
        let asked = || u64::from(self.request.tasks_per_request) * 1_000;
        let yield_per_thousand = match self.lane.batches {
            None => seen.unwrap_or_else(asked),
            // A wave takes long: the first is guessed at, and each a little larger than needed.
            Some(_) => seen.map_or_else(|| self.first_yield(), |seen| seen * 9 / 10),
        };
        let coming = self.completions_in_flight() + self.waiting.len();
        let coming = u64::try_from(coming).unwrap_or(u64::MAX);
        self.accepted().saturating_add(coming.saturating_mul(yield_per_thousand) / 1_000)
    }

    /// Requests under way, without the one for embeddings: it brings no tasks.
    fn completions_in_flight(&self) -> usize {
        let asks = self.embedder.as_ref().is_some_and(Embedder::is_asking);
        self.in_flight.saturating_sub(usize::from(asks))
    }

    /// Accepted tasks from a thousand requests in batches, before any response has told.
    fn first_yield(&self) -> u64 {
        u64::from(self.request.tasks_per_request) * FIRST_YIELD_PER_THOUSAND
    }

    fn stop_for_budget(&mut self, needed: Usd) {
        let money = self.shared.ledger.totals();
        let left = money.free();
        tracing::info!(%needed, %left, "the budget does not hold another request");
        // Requests that were refused cost nothing.
        let nothing_bought = money.committed().is_zero();
        let reason = if self.shared.is_pilot { StopReason::Pilot } else { StopReason::Budget };
        self.stop_with(if nothing_bought {
            Stop::failed(RunError::RequestOverBudget { needed, left })
        } else {
            Stop::by_design(reason)
        });
    }

    /// Samples, renders and reserves: a request for tasks or instructions ready to leave, or the
    /// money it would have needed. `earmark` is kept back for what its answer will call for.
    fn first_phase_job(
        &self,
        config: &RequestConfig,
        phase: Phase,
        earmark: Usd,
    ) -> Result<Job, Usd> {
        let lane = &self.lane;
        let pool = self.judge.pool();
        let (examples, request) = render(config, &lane.model, pool, self.next_request);
        let sealed = Sealed::new(lane, &request);
        let embeddings = self.embeddings_earmark(config.max_output_tokens);
        let reservation = self
            .shared
            .ledger
            .reserve_and_earmark(sealed.worst_case, earmark.saturating_add(embeddings))
            .map_err(|reached| reached.needed)?;
        let purpose = Purpose { earmark, embeddings, ..Purpose::of(phase) };
        Ok(self.job(lane, purpose, examples, request, sealed, reservation))
    }

    /// A request for the outputs of the oldest open tasks.
    fn outputs_job(&mut self, count: usize) -> Result<Job, Usd> {
        let two = self.two_phases.as_mut().expect("outputs are asked for in two phases only");
        let group = two.backlog.oldest(count);
        let tasks: Vec<_> = group.tasks.iter().filter_map(|t| self.judge.open_task(*t)).collect();
        let request = two.requests.render(&two.lane.model, &tasks);
        let sealed = Sealed::new(&two.lane, &request);
        let reservation = self
            .shared
            .ledger
            .reserve_earmarked(sealed.worst_case, group.earmark)
            .map_err(|reached| reached.needed)?;
        two.backlog.remove(&group);
        let lane = Arc::clone(&two.lane);
        let purpose = Purpose { tasks: group.tasks, ..Purpose::of(Phase::Responses) };
        Ok(self.job(&lane, purpose, Vec::new(), request, sealed, reservation))
    }

    pub(super) fn job(
        &self,
        lane: &Arc<Lane>,
        purpose: Purpose,
        examples: Vec<TaskRef>,
        request: CompletionRequest,
        sealed: Sealed,
        reservation: Reservation,
    ) -> Job {
        let Sealed { body, quirks, prompt_bound, .. } = sealed;
        Job {
            request_index: self.next_request,
            lane: Arc::clone(lane),
            purpose,
            examples,
            request,
            body,
            quirks,
            prompt_bound,
            reservation,
        }
    }
}

/// A request as it will leave, with its bounds.
pub(super) struct Sealed {
    body: Bytes,
    quirks: Quirks,
    prompt_bound: u64,
    pub(super) worst_case: Usd,
}

impl Sealed {
    pub(super) fn new(lane: &Lane, request: &CompletionRequest) -> Self {
        let quirks = lane.quirks();
        let body = Bytes::from(lane.provider.encode(request, &quirks));
        let prompt_bound = lane.prompt_bound.of(request, body.len());
        let max_output_tokens = u64::from(request.max_output_tokens);
        let worst_case = lane.price.worst_case(prompt_bound, max_output_tokens);
        Self { body, quirks, prompt_bound, worst_case }
    }
}
