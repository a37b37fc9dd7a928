//! Judging: responses in the order of the journal, each whole or up to the target.

use super::{Collector, Stop};
use crate::store::{StoreError, VerdictBatch};
use crate::summary::StopReason;
use crate::template::Item;

impl Collector {
    /// Judges the responses whose turn it is. Verdicts follow the order of the journal, so that
    /// they can be derived again; at the target they stop in the middle of a response, and go on
    /// from there if the target is raised.
    pub(super) async fn judge_waiting(&mut self) {
        while self.accepted() < self.target {
            let seq = self.judged.response_seq + 1;
            let Some(items) = self.waiting.remove(&seq) else { return };
            let batch = self.judge_response(seq, items);
            self.note_verdicts(&batch);
            if self.shared.journal.judge(batch).await.is_err() {
                // The journal's own error is on its way from the worker that waits for it.
                self.stop_with(Stop::failed(StoreError::Closed.into()));
                return;
            }
        }
        self.stop_with(Stop::by_design(StopReason::Target));
    }

    fn judge_response(&mut self, seq: u64, items: Vec<Item>) -> VerdictBatch {
        let first_task_id = self.accepted();
        let done = std::mem::take(&mut self.judged.items_of_next);
        let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let items = items.into_iter().skip(done as usize).collect();
        let verdicts = self.judge.judge(done, items, self.target - first_task_id);
        let judged = done + u32::try_from(verdicts.len()).unwrap_or(u32::MAX);
        let complete = judged >= total;
        if complete {
            self.judged.response_seq = seq;
        } else {
            self.judged.items_of_next = judged;
        }
        VerdictBatch { response_seq: seq, first_task_id, verdicts, complete }
    }

    fn note_verdicts(&mut self, batch: &VerdictBatch) {
        self.responses_judged += u64::from(batch.complete);
        let mut any_accepted = false;
        for verdict in &batch.verdicts {
            match &verdict.rejection {
                None => any_accepted = true,
                Some(no) => {
                    let key = (no.stage, no.rule.to_owned());
                    *self.summary.rejections.entry(key).or_default() += 1;
                }
            }
        }
        self.streaks.without_accepted =
            if any_accepted { 0 } else { self.streaks.without_accepted + 1 };
        if self.streaks.without_accepted >= self.max_stalled_responses {
            self.stop_with(Stop::by_design(StopReason::NoProgress));
        }
    }
}
