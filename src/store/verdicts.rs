//! How verdicts are written: each item of a response as a row, and the counts of a group.

use std::collections::BTreeMap;

use rusqlite::{Statement, Transaction, params};

use super::records::VerdictBatch;
use super::schema::{ACCEPTED, to_sql};
use crate::event::{Fate, Verdict};
use crate::task::OpenTask;

/// Candidates by stage and rule, counted over a group.
pub(super) type Tally = BTreeMap<(&'static str, &'static str), i64>;

/// Writes the verdicts of a batch and counts them.
pub(super) fn judge(
    transaction: &Transaction<'_>,
    batch: &VerdictBatch,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut task_id = batch.first_task_id;
    let mut passed = 0_i64;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO candidates VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    for verdict in &batch.verdicts {
        let id = verdict.accepted().then_some(task_id);
        insert_candidate(&mut insert, batch.response_seq, verdict, id)?;
        if let Some(open) = verdict.answers {
            close_open_task(transaction, open)?;
        }
        task_id += u64::from(verdict.accepted());
        passed += i64::from(verdict.fate.rejection().is_none());
        match &verdict.fate {
            Fate::Accepted => *tally.entry((ACCEPTED, "")).or_default() += 1,
            Fate::Open => {}
            Fate::Rejected(no) => *tally.entry((no.stage.as_str(), no.rule)).or_default() += 1,
        }
    }
    transaction
        .prepare_cached(
            "UPDATE responses SET accepted = accepted + ?2, judged = ?3 WHERE seq = ?1",
        )?
        .execute(params![to_sql(batch.response_seq), passed, batch.complete])?;
    Ok(())
}

fn insert_candidate(
    insert: &mut Statement<'_>,
    response_seq: u64,
    verdict: &Verdict,
    task_id: Option<u64>,
) -> rusqlite::Result<()> {
    let rejection = verdict.fate.rejection();
    insert.execute(params![
        to_sql(response_seq),
        verdict.item_index,
        task_id.map(to_sql),
        rejection.map(|no| no.stage.as_str()),
        rejection.map(|no| no.rule),
        rejection.map(|no| no.detail.as_str()),
        verdict.candidate.instruction,
        verdict.candidate.input,
        verdict.candidate.output,
        verdict.nearest.map(|nearest| nearest.task.to_string()),
        verdict.nearest.map(|nearest| nearest.score),
        (verdict.fate == Fate::Open).then_some(1),
        verdict.answers.map(|open| to_sql(open.response_seq)),
        verdict.answers.map(|open| open.item_index),
    ])?;
    Ok(())
}

/// The output of an open task has come: it waits no longer.
fn close_open_task(transaction: &Transaction<'_>, open: OpenTask) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE candidates SET open = 0 WHERE response_seq = ?1 AND item_index = ?2",
        )?
        .execute(params![to_sql(open.response_seq), open.item_index])?;
    Ok(())
}

/// One statement for each rule of a group: a run has thousands of verdicts and a dozen rules.
pub(super) fn add_up(transaction: &Transaction<'_>, tally: &Tally) -> rusqlite::Result<()> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO tallies VALUES (?1, ?2, ?3)
         ON CONFLICT (stage, rule) DO UPDATE SET count = count + excluded.count",
    )?;
    for ((stage, rule), count) in tally {
        add.execute(params![stage, rule, count])?;
    }
    Ok(())
}
