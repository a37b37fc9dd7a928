//! Judging: responses in the order of the journal, each whole or up to the target.

use super::{Collector, Owed, Stop, Waiting};
use crate::event::{Fate, Phase, Verdict};
use crate::failpoint::{Point, reached};
use crate::pipeline::failure::RunError;
use crate::pipeline::judge::{Judged, Reading};
use crate::pipeline::worker::Purpose;
use crate::store::VerdictBatch;
use crate::summary::StopReason;
use crate::task::OpenTask;
use crate::usd::Usd;

impl Collector {
    /// Judges the responses whose turn it is. Verdicts follow the order of the journal, so that
    /// they can be derived again; at the target they stop in the middle of a response, and go on
    /// from there if the target is raised.
    pub(super) async fn judge_waiting(&mut self) {
        while self.accepted() < self.target {
            let seq = self.judged.response_seq + 1;
            if !self.waiting.get(&seq).is_some_and(|response| self.is_ready(response)) {
                return;
            }
            let Some(Waiting { reading, earmark, .. }) = self.waiting.remove(&seq) else { return };
            let (phase, tasks) = (reading.phase, reading.tasks.len());
            reached(Point::JudgeBefore);
            let batch = match self.judge_response(reading) {
                Ok(batch) => batch,
                Err(error) => return self.stop_with(Stop::failed(error)),
            };
            self.is_over(phase, tasks);
            self.note_verdicts(phase, &batch);
            self.owe(earmark, &batch);
            reached(Point::JudgeAfter);
            if let Err(error) = self.shared.journal.judge(batch).await {
                self.stop_with(Stop::failed(error.into()));
                return;
            }
            reached(Point::JudgeTold);
        }
        self.stop_with(Stop::by_design(StopReason::Target));
    }

    fn judge_response(&mut self, reading: Reading) -> Result<VerdictBatch, RunError> {
        let (response_seq, first_task_id) = (reading.seq, self.accepted());
        let done = std::mem::take(&mut self.judged.items_of_next);
        let most = self.target - first_task_id;
        let embedder = self.embedder.as_ref();
        let bought = |text: &str| embedder.map_or(Ok(None), |embedder| embedder.get(text));
        let Judged { verdicts, complete } = self.judge.judge(reading, done, most, &bought)?;
        if complete {
            self.judged.response_seq = response_seq;
        } else {
            self.judged.items_of_next = done + u32::try_from(verdicts.len()).unwrap_or(u32::MAX);
        }
        Ok(VerdictBatch { response_seq, first_task_id, verdicts, complete })
    }

    fn note_verdicts(&mut self, phase: Phase, batch: &VerdictBatch) {
        self.responses_judged += u64::from(batch.complete);
        let mut passed = 0;
        for verdict in &batch.verdicts {
            match verdict.fate.rejection() {
                None => passed += 1,
                Some(no) => {
                    let key = (no.stage, no.rule.to_owned());
                    *self.summary.rejections.entry(key).or_default() += 1;
                }
            }
        }
        if let Some(two) = &mut self.two_phases {
            match phase {
                Phase::Responses => two.kept.add(batch.verdicts.len() as u64, passed),
                _ => two.brought.add(1, passed),
            }
        }
        let streak = &mut self.streaks.nothing_passed[usize::from(phase == Phase::Responses)];
        *streak = if passed > 0 { 0 } else { *streak + 1 };
        if *streak < self.max_stalled_responses {
            return;
        }
        match &mut self.two_phases {
            // The outputs that are owed are bought all the same.
            Some(two) if phase == Phase::Instructions => two.exhausted = true,
            _ => self.stop_with(Stop::by_design(StopReason::NoProgress)),
        }
    }

    /// A request began.
    pub(super) fn is_coming(&mut self, purpose: &Purpose) {
        let Some(two) = &mut self.two_phases else { return };
        match purpose.phase {
            Phase::Responses => two.outputs_coming += purpose.tasks.len() as u64,
            _ => two.instructions_coming += 1,
        }
    }

    /// A request that began is judged, or came to nothing. One of an earlier session began there.
    pub(super) fn is_over(&mut self, phase: Phase, tasks: usize) {
        let Some(two) = &mut self.two_phases else { return };
        let coming = match phase {
            Phase::Responses => (&mut two.outputs_coming, tasks as u64),
            _ => (&mut two.instructions_coming, 1),
        };
        *coming.0 = coming.0.saturating_sub(coming.1);
    }

    /// Takes up the outputs that a response with instructions calls for.
    fn owe(&mut self, earmark: Usd, batch: &VerdictBatch) {
        // Before that all open tasks are taken up together, with money of their own.
        let Some(two) = self.two_phases.as_mut().filter(|_| self.begun) else {
            return self.shared.ledger.release_earmark(earmark);
        };
        let is_open = |verdict: &&Verdict| verdict.fate == Fate::Open;
        let owed = batch.verdicts.iter().filter(is_open).map(|verdict| Owed {
            task: OpenTask { response_seq: batch.response_seq, item_index: verdict.item_index },
            worst_case: two.worst_cases.of_task(&verdict.candidate),
        });
        two.backlog.add(&self.shared.ledger, earmark, owed.collect());
    }

    /// Takes up the outputs that earlier sessions left to buy, once all that they bought is judged:
    /// before, the output of an open task may be among what still waits for its turn.
    pub(super) fn owe_open_tasks(&mut self) {
        if self.begun || self.judged.response_seq < self.stored_up_to {
            return;
        }
        self.begun = true;
        let Some(two) = &mut self.two_phases else { return };
        let asked = &self.batches.asked;
        let owed = self
            .judge
            .open_tasks()
            // Batches of earlier sessions have asked for some.
            .filter(|(task, _)| !asked.contains(task))
            .map(|(task, open)| Owed { task, worst_case: two.worst_cases.of_task(open) });
        two.backlog.add(&self.shared.ledger, Usd::ZERO, owed.collect());
    }
}
