//! What must be true when a session is over.

use std::collections::BTreeMap;

use instructmill::pipeline::{Outcome, PrepareError, RunError, replay};
use instructmill::store::RunReader;
use instructmill::summary::StopReason;
use instructmill::task::AcceptedTask;
use instructmill::usd::Usd;

use crate::faults::Fault;
use crate::plan::Session;
use crate::session::{End, Simulation};
use crate::world::Met;

/// Whether the run is at an end of its own design.
pub fn is_done(end: &End) -> bool {
    use StopReason::{Budget, MaxRequests, NoProgress, Target};
    match end {
        End::Outcome(outcome) => match &outcome.error {
            None => matches!(outcome.reason, Budget | MaxRequests | NoProgress | Target),
            Some(error) => matches!(error, RunError::RequestOverBudget { .. }),
        },
        End::Error(_) | End::Killed => false,
    }
}

/// Checks everything that can be checked between sessions.
pub fn check(simulation: &Simulation, session: &Session, number: usize, end: &End) {
    let checks = Checks { simulation, session, number };
    if let End::Outcome(outcome) = end {
        let mut state = simulation.world.state();
        state.meet(Met::Stopped(outcome.reason.as_str()));
        drop(state);
        let error = &outcome.error;
        simulation.world.event(format_args!("the session ends: {:?} {error:?}", outcome.reason));
    }
    if let End::Error(error) = end {
        simulation.world.event(format_args!("the session fails: {error:?}"));
    }
    if !simulation.dir.exists() {
        return;
    }
    simulation.books().check_commit();
    checks.bill();
    checks.replay();
    match end {
        End::Outcome(outcome) => checks.outcome(outcome),
        End::Error(error) => checks.error(error),
        End::Killed => {}
    }
}

struct Checks<'a> {
    simulation: &'a Simulation,
    session: &'a Session,
    number: usize,
}

impl Checks<'_> {
    fn fail(&self, what: impl Into<String>) {
        self.simulation.world.violate(what);
    }

    fn met(&self, met: Met) -> bool {
        self.simulation.world.state().met.contains(&met)
    }

    /// No request was billed more than it is charged with.
    fn bill(&self) {
        let books = self.simulation.books();
        let charged = [books.charged(), books.charged_by_attempt()];
        let mut billed: [BTreeMap<u64, u64>; 2] = Default::default();
        for entry in self.simulation.world.requests() {
            // `RUN-REQUEST`, or `RUN-BATCH-ATTEMPT`.
            let key = entry["idempotency_key"].as_str().unwrap_or_default();
            let is_batched = key.split('-').count() == 3;
            let index = key.rsplit_once('-').and_then(|(_, index)| index.parse().ok());
            let cost: Usd = entry["cost_usd"].as_str().unwrap_or("0").parse().expect("an amount");
            let billed = &mut billed[usize::from(is_batched)];
            *billed.entry(index.expect("every request has a name")).or_default() += cost.pico();
        }
        for (what, (billed, charged)) in
            ["request", "attempt"].into_iter().zip(billed.into_iter().zip(&charged))
        {
            for (index, cost) in billed {
                let charge = charged.get(&index).copied().unwrap_or_default();
                if cost > charge {
                    self.fail(format!("{what} {index} is billed {cost} and charged {charge}"));
                }
            }
        }
        let again = self.simulation.world.handed_in_again();
        if again > 0 {
            self.fail(format!("{again} requests were handed in twice in batches"));
        }
    }

    fn reader(&self) -> RunReader {
        self.simulation.dir.read().expect("the journal can be read")
    }

    /// The accepted tasks follow from configuration, seeds and journal.
    fn replay(&self) {
        let reader = self.reader();
        let mut live: Vec<AcceptedTask> = Vec::new();
        let config = self.simulation.config(self.session);
        let read = reader.for_each_accepted::<RunError>(config.output_model(), |task| {
            live.push(task.clone());
            Ok(())
        });
        if let Err(error) = read {
            return self.fail(format!("the accepted tasks cannot be read: {error}"));
        }
        let ids = live.iter().map(|task| task.id);
        if !ids.eq(0..live.len() as u64) {
            return self.fail("the accepted tasks are not numbered without gaps");
        }
        let mut again: Vec<AcceptedTask> = Vec::new();
        let replayed = replay::<RunError>(&config, &reader, |task| {
            again.push(task.clone());
            Ok(())
        });
        if let Err(RunError::NoEmbedding { .. }) = replayed {
            return; // Not all that it bought is judged yet.
        }
        let unjudged =
            self.simulation.books().number("SELECT count(*) FROM responses WHERE judged = 0");
        let is_prefix =
            again.len() >= live.len() && live.iter().zip(&again).all(|(a, b)| same(a, b));
        if !is_prefix || (unjudged == 0 && live.len() != again.len()) {
            self.fail(format!(
                "a replay gives other tasks: {} instead of {}, {unjudged} responses are unjudged",
                again.len(),
                live.len()
            ));
        }
    }

    fn error(&self, error: &PrepareError) {
        let disk = self.met(Met::DiskFull) || self.met(Met::DiskFailed);
        match error {
            PrepareError::Run(RunError::Store(_)) if disk => {}
            _ => self.fail(format!("nothing explains this error: {error:?}")),
        }
    }

    fn outcome(&self, outcome: &Outcome) {
        self.totals(outcome);
        self.reason(outcome);
        if let Some(error) = &outcome.error {
            self.failure(error);
        }
        if !self.met(Met::Abort) && !self.journal_failed(outcome) {
            self.delivered();
        }
        self.attempts();
    }

    /// Whether the journal could not be written to the end. Another failure may have come first, and
    /// stands then.
    fn journal_failed(&self, outcome: &Outcome) -> bool {
        let disk = self.met(Met::DiskFull) || self.met(Met::DiskFailed);
        disk && outcome.error.is_some()
    }

    /// The totals are those of the rows, and nothing is left open.
    fn totals(&self, outcome: &Outcome) {
        let money = self.simulation.books().money();
        let told = &outcome.summary;
        let rows = (told.spent.pico(), told.reserved.pico(), told.unconfirmed.pico());
        if rows != (money.spent, money.reserved, money.unconfirmed) {
            self.fail(format!("the totals {rows:?} are not those of the rows, {money:?}"));
        }
        let open = "SELECT count(*) FROM attempts a LEFT JOIN batches b ON b.id = a.batch_id
            WHERE a.state = 'reserved' AND (b.id IS NULL OR b.state = 'ended')";
        if self.simulation.books().number(open) > 0 && !self.journal_failed(outcome) {
            self.fail("attempts are still open after the end");
        }
        let may_leave = matches!(outcome.reason, StopReason::Interrupted | StopReason::Failed);
        if !may_leave && self.simulation.books().open_batches() > 0 {
            self.fail(format!("batches are left open, and the run says {:?}", outcome.reason));
        }
        let ended = "SELECT count(*) FROM sessions WHERE stop_reason IS NULL";
        if self.simulation.books().number(ended) > 0 && !self.journal_failed(outcome) {
            self.fail("the session has no end");
        }
    }

    /// Every whole answer that came is in the journal.
    fn delivered(&self) {
        let answered = self.simulation.books().answered();
        let delivered = self.simulation.world.state().delivered.clone();
        if let Some(lost) = delivered.iter().find(|request| !answered.contains(request)) {
            self.fail(format!("the answer to request {lost} is lost"));
        }
    }

    /// No request fails more often than it may.
    fn attempts(&self) {
        let most = self.simulation.plan.settings.max_attempts.unwrap_or(5);
        let failures = self.simulation.world.state().failures.clone();
        if let Some((request, times)) = failures.iter().find(|(_, times)| **times > most) {
            self.fail(format!("request {request} failed {times} times, of {most} allowed"));
        }
    }

    fn reason(&self, outcome: &Outcome) {
        let (accepted, target) = (outcome.summary.accepted, self.session.target);
        if accepted > target {
            self.fail(format!("{accepted} tasks are accepted, more than the target of {target}"));
        }
        let reached = accepted == target;
        let reason = outcome.reason;
        let right = match reason {
            StopReason::Target => reached,
            StopReason::Budget => self.budget_is_used(outcome) && self.owed_outputs_are_bought(),
            // No session of a simulation is one.
            StopReason::Pilot => false,
            StopReason::MaxRequests => self.requests_are_used(),
            StopReason::NoProgress => self.brought_nothing(),
            StopReason::Interrupted => self.met(Met::Drain),
            StopReason::Failed => outcome.error.is_some(),
        };
        if !right || (reason == StopReason::Failed) != outcome.error.is_some() {
            self.fail(format!(
                "`{}` is not why the run stopped, with {accepted} of {target}",
                reason.as_str()
            ));
        }
        if reached
            && !matches!(reason, StopReason::Target | StopReason::Failed | StopReason::Interrupted)
        {
            self.fail(format!("the target is reached, and the run says `{}`", reason.as_str()));
        }
    }

    /// What is left holds no request like those before, with the outputs that it calls for.
    fn budget_is_used(&self, outcome: &Outcome) -> bool {
        let told = &outcome.summary;
        let left = self.session.budget.saturating_sub(told.spent.saturating_add(told.unconfirmed));
        let books = self.simulation.books();
        let asked = books.number("SELECT count(*) FROM requests WHERE phase != 'embeddings'");
        asked == 0 || left < books.largest_reservation().saturating_mul(4)
    }

    /// At the end of the budget nothing is left half done: each open task has been asked for, unless
    /// an earlier session left it behind.
    fn owed_outputs_are_bought(&self) -> bool {
        let open = "SELECT count(*) FROM candidates c WHERE c.open = 1 AND NOT EXISTS (
            SELECT 1 FROM requests q WHERE ' ' || q.tasks || ' '
                LIKE '% ' || c.response_seq || '.' || c.item_index || ' %')";
        self.number > 0 || self.simulation.books().number(open) == 0
    }

    fn requests_are_used(&self) -> bool {
        let sql = "SELECT count(*) FROM requests WHERE phase != 'embeddings'";
        Some(self.simulation.books().number(sql)) == self.simulation.plan.settings.max_requests
    }

    /// The last responses brought nothing; in two phases instructions that bring nothing are enough.
    fn brought_nothing(&self) -> bool {
        let stalled = self.simulation.plan.settings.max_stalled_responses.unwrap_or(100);
        let brought = |which: &str| {
            let sql = format!(
                "SELECT coalesce(sum(accepted), 0) FROM (SELECT r.accepted FROM responses r
                 JOIN requests q USING (request_index) WHERE {which} ORDER BY r.seq DESC LIMIT {stalled})"
            );
            self.simulation.books().number(&sql)
        };
        let tasks = brought("q.phase IN ('tasks', 'instructions')");
        tasks == 0 || brought("q.phase = 'responses'") == 0
    }

    /// Something that was met explains the failure.
    fn failure(&self, error: &RunError) {
        let disk = self.met(Met::DiskFull) || self.met(Met::DiskFailed);
        let explained = match error {
            RunError::Store(_) => disk,
            RunError::RequestOverBudget { needed, left } => needed > left,
            // The faults of a server that has batches are in their results, which nobody reads here.
            RunError::Refused { .. } | RunError::Batch { .. } if self.met(Met::Batches) => true,
            RunError::Refused { .. } => self.met(Met::Refusal) || self.met(Met::OddBody),
            RunError::Unreachable { .. } => {
                self.met(Met::NoAnswer) || self.met(Met::Fault(Fault::Huge))
            }
            RunError::Unreadable { .. } | RunError::Embeddings { .. } => {
                self.met(Met::OddBody) || self.met(Met::Fault(Fault::Garbage))
            }
            // No server here asks for an hour, or refuses for one: a 429 ends no run.
            _ => false,
        };
        if !explained {
            self.fail(format!("nothing that was met explains this failure: {error:?}"));
        }
    }
}

fn same(one: &AcceptedTask, other: &AcceptedTask) -> bool {
    one.id == other.id
        && one.task == other.task
        && one.provenance.response_seq == other.provenance.response_seq
        && one.provenance.item_index == other.provenance.item_index
}
