//! What the journal promises, tried on real files.

use tempfile::TempDir;

use super::*;
use crate::chat::TokenUsage;
use crate::embedding::Embedding;
use crate::event::{Fate, Nearest, Phase, Rejection, Stage, Verdict};
use crate::summary::{RunState, StopReason};
use crate::task::{AcceptedTask, Candidate, InstructionSource, OpenTask, TaskRef};
use crate::usd::Usd;

struct Run {
    parent: TempDir,
}

impl Run {
    fn new() -> Self {
        Self { parent: TempDir::new().unwrap() }
    }

    fn dir(&self) -> RunDir {
        RunDir::new(self.parent.path().join("run"))
    }

    fn open(&self) -> OpenRun {
        self.dir().open().unwrap()
    }
}

fn attempt(journal: &Journal, request_index: u64, pico: u64) -> NewAttempt {
    NewAttempt {
        id: journal.next_attempt_id(),
        request_index,
        phase: Phase::Tasks,
        endpoint: None,
        examples: vec![TaskRef::Seed(2), TaskRef::Accepted(0)],
        tasks: Vec::new(),
        prompt_bound: 100,
        max_output_tokens: 50,
        reserved: Usd::from_pico(pico),
        at_ms: 1,
    }
}

fn response(attempt_id: u64, request_index: u64, body: &str) -> NewResponse {
    NewResponse {
        attempt_id,
        request_index,
        status: 200,
        body: body.as_bytes().to_vec().into(),
        latency_ms: 12,
        at_ms: 1_700_000_000_000,
    }
}

fn verdict(item_index: u32, instruction: &str, rejection: Option<Rejection>) -> Verdict {
    Verdict {
        item_index,
        candidate: Candidate { instruction: instruction.into(), ..Candidate::default() },
        fate: rejection.map_or(Fate::Accepted, Fate::Rejected),
        answers: None,
        nearest: Some(Nearest { task: TaskRef::Seed(1), score: 0.25 }),
    }
}

fn too_short() -> Rejection {
    Rejection { stage: Stage::Filter, rule: "too_short", detail: "2 words".into() }
}

fn answered(pico: u64) -> AttemptEnd {
    let usage = TokenUsage { input: 10, output: 20, ..TokenUsage::default() };
    AttemptEnd::Answered { cost: Usd::from_pico(pico), usage }
}

/// Ends the process as far as the run can tell: nothing is closed in order.
async fn crash(run: OpenRun) {
    run.journal.flush().await.unwrap();
    drop(run.journal);
    run.writer.join();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let run = Run::new();
    let open = run.open();
    assert!(!open.recovered);
    let journal = open.journal.clone();
    for index in 0..4 {
        journal.begin(attempt(&journal, index, 1_000)).await.unwrap();
    }
    assert_eq!(journal.answer(response(1, 0, "first")).await.unwrap(), 1);
    journal.end(1, answered(300), 5).await.unwrap();
    assert_eq!(journal.answer(response(2, 1, "second")).await.unwrap(), 2);
    let refused = AttemptEnd::Refused { status: Some(429), message: "slow down".into() };
    journal.end(3, refused, 5).await.unwrap();
    drop(journal);
    crash(open).await;
    assert_eq!(run.dir().read().unwrap().state().unwrap().0, RunState::Crashed);

    let open = run.open();
    assert!(open.recovered);
    // Attempt 2 has its answer but no settlement; attempt 4 left and was never heard of.
    let late = open.reader.late_answers().unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].attempt_id, late[0].body.as_slice()), (2, b"second".as_slice()));
    let summary = open.reader.summary().unwrap();
    assert_eq!(summary.spent, Usd::from_pico(300));
    assert_eq!(summary.reserved, Usd::from_pico(1_000));
    assert_eq!(summary.unconfirmed, Usd::from_pico(1_000));
    assert_eq!((summary.requests, summary.attempts.sent, summary.attempts.answered), (4, 4, 2));
    assert_eq!((summary.attempts.rate_limited, summary.attempts.refused), (1, 0));
    assert_eq!(open.journal.next_attempt_id(), 5);
    assert_eq!(open.reader.next_request_index().unwrap(), 4);
    crash(open).await;
}

#[tokio::test]
async fn verdicts_come_back_as_accepted_tasks_with_their_provenance() {
    let run = Run::new();
    let open = run.open();
    let journal = open.journal.clone();
    journal.begin(attempt(&journal, 0, 1_000)).await.unwrap();
    journal.answer(response(1, 0, "body")).await.unwrap();
    journal.end(1, answered(301), 5).await.unwrap();
    let verdicts =
        vec![verdict(0, "Name a river in Asia.", None), verdict(1, "Too short", Some(too_short()))];
    let batch = VerdictBatch { response_seq: 1, first_task_id: 0, verdicts, complete: false };
    journal.judge(batch).await.unwrap();
    journal.flush().await.unwrap();
    let partly = JudgedUpTo { response_seq: 0, items_of_next: 2 };
    assert_eq!(open.reader.judged_up_to().unwrap(), partly);

    let verdicts = vec![verdict(2, "Explain tides to a child.", None)];
    let batch = VerdictBatch { response_seq: 1, first_task_id: 1, verdicts, complete: true };
    journal.judge(batch).await.unwrap();
    journal.close(StopReason::Target, None).await.unwrap();
    let whole = JudgedUpTo { response_seq: 1, items_of_next: 0 };
    assert_eq!(open.reader.judged_up_to().unwrap(), whole);

    let mut tasks: Vec<AcceptedTask> = Vec::new();
    let collected: Result<(), StoreError> = open.reader.for_each_accepted("m", |task| {
        tasks.push(task.clone());
        Ok(())
    });
    collected.unwrap();
    assert_eq!(tasks.iter().map(|t| t.id).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(tasks[1].task.instruction, "Explain tides to a child.");
    let provenance = &tasks[0].provenance;
    assert_eq!(provenance.cost_share, Usd::from_pico(150));
    assert_eq!(provenance.examples, [TaskRef::Seed(2), TaskRef::Accepted(0)]);
    assert_eq!(provenance.nearest, Some((TaskRef::Seed(1), 0.25)));

    let summary = open.reader.summary().unwrap();
    assert_eq!((summary.accepted, summary.rejected_at(Stage::Filter)), (2, 1));
    let samples = open.reader.rejected_samples(Stage::Filter, "too_short", 5).unwrap();
    assert_eq!(samples, [("Too short".to_owned(), "2 words".to_owned())]);
    drop(open.lock);
    let (state, reason, _) = open.reader.state().unwrap();
    assert_eq!((state, reason), (RunState::Stopped, Some(StopReason::Target)));
}

#[tokio::test]
async fn an_open_task_waits_for_its_output_and_both_requests_are_known() {
    let run = Run::new();
    let open = run.open();
    let journal = open.journal.clone();
    let batch = |response_seq, verdicts| VerdictBatch {
        response_seq,
        first_task_id: 0,
        verdicts,
        complete: true,
    };
    journal.begin(attempt(&journal, 0, 1_000)).await.unwrap();
    journal.answer(response(1, 0, "two instructions")).await.unwrap();
    journal.end(1, answered(300), 5).await.unwrap();
    let passed = [verdict(0, "Name a river in Asia.", None), verdict(1, "Explain tides.", None)];
    let passed = passed.map(|verdict| Verdict { fate: Fate::Open, ..verdict });
    journal.judge(batch(1, passed.to_vec())).await.unwrap();
    let second = OpenTask { response_seq: 1, item_index: 1 };
    let asks = NewAttempt {
        tasks: vec![second],
        phase: Phase::Responses,
        endpoint: None,
        examples: Vec::new(),
        ..attempt(&journal, 1, 1_000)
    };
    journal.begin(asks).await.unwrap();
    journal.answer(response(2, 1, "an output")).await.unwrap();
    journal.end(2, answered(40), 5).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(open.reader.response_after(1).unwrap().unwrap().tasks, [second]);
    assert_eq!(open.reader.summary().unwrap().open_tasks, 2);

    let output = Verdict { answers: Some(second), ..verdict(0, "Explain tides.", None) };
    journal.judge(batch(2, vec![output])).await.unwrap();
    journal.flush().await.unwrap();
    let mut waits = Vec::new();
    let collected: Result<(), StoreError> = open.reader.for_each_open_task(|open| {
        waits.push((open.place.item_index, open.waits));
        Ok(())
    });
    collected.unwrap();
    assert_eq!(waits, [(0, true), (1, false)]);
    let summary = open.reader.summary().unwrap();
    assert_eq!((summary.accepted, summary.open_tasks, summary.candidates()), (1, 1, 1));

    let mut tasks: Vec<AcceptedTask> = Vec::new();
    let collected: Result<(), StoreError> = open.reader.for_each_accepted("m", |task| {
        tasks.push(task.clone());
        Ok(())
    });
    collected.unwrap();
    let provenance = &tasks[0].provenance;
    let source = InstructionSource { request_index: 0, place: second };
    assert_eq!((provenance.request_index, provenance.instruction), (1, Some(source)));
    // The output alone, and half of the answer with two instructions.
    assert_eq!(provenance.cost_share, Usd::from_pico(40 + 150));
    assert_eq!(provenance.examples, [TaskRef::Seed(2), TaskRef::Accepted(0)]);
    drop(journal);
    crash(open).await;
}

#[tokio::test]
async fn a_batch_of_verdicts_is_written_whole_or_not_at_all() {
    let run = Run::new();
    let open = run.open();
    let journal = open.journal.clone();
    journal.begin(attempt(&journal, 0, 1)).await.unwrap();
    journal.answer(response(1, 0, "body")).await.unwrap();
    // The second verdict has the place of the first: SQLite refuses the transaction.
    let verdicts = vec![verdict(0, "one", None), verdict(0, "two", None)];
    let batch = VerdictBatch { response_seq: 1, first_task_id: 0, verdicts, complete: true };
    drop(journal.judge(batch).await);
    assert!(journal.flush().await.is_err());
    // Whoever comes later is told what closed the journal.
    let later = journal.begin(attempt(&journal, 1, 1)).await;
    assert!(matches!(later, Err(StoreError::Sqlite { .. })), "{later:?}");
    assert_eq!(open.reader.summary().unwrap().accepted, 0);
    assert_eq!(open.reader.judged_up_to().unwrap(), JudgedUpTo::default());
}

#[tokio::test]
async fn many_writers_share_commits_and_positions_have_no_gaps() {
    let run = Run::new();
    let open = run.open();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..200 {
        let journal = open.journal.clone();
        tasks.spawn(async move {
            let attempt = attempt(&journal, index, 1);
            let id = attempt.id;
            journal.begin(attempt).await.unwrap();
            journal.answer(response(id, index, "body")).await.unwrap()
        });
    }
    let mut positions = tasks.join_all().await;
    positions.sort_unstable();
    assert_eq!(positions, (1..=200).collect::<Vec<_>>());
    assert_eq!(open.reader.last_seq().unwrap(), 200);
}

#[tokio::test]
async fn one_process_works_on_a_run_and_others_may_read() {
    let run = Run::new();
    let open = run.open();
    assert!(matches!(run.dir().open(), Err(StoreError::Locked { .. })));
    let reader = run.dir().read().unwrap();
    assert_eq!(reader.state().unwrap().0, RunState::Running);
    crash(open).await;
}

#[test]
fn foreign_directories_and_files_are_left_alone() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(RunDir::new(&file).open(), Err(StoreError::Foreign { .. })));
    assert!(matches!(RunDir::new(parent.path()).open(), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    assert!(matches!(RunDir::new(parent.path()).read(), Err(StoreError::Missing { .. })));

    let other = parent.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let connection = rusqlite::Connection::open(other.join("run.db")).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(RunDir::new(&other).open(), Err(StoreError::Foreign { .. })));
    std::fs::write(other.join("run.db"), "not a database, but long enough to look").unwrap();
    assert!(matches!(RunDir::new(&other).open(), Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_newer_format_is_read_but_not_written() {
    let run = Run::new();
    crash(run.open()).await;
    let connection = rusqlite::Connection::open(run.dir().database()).unwrap();
    connection.pragma_update(None, "user_version", FORMAT_VERSION + 1).unwrap();
    assert!(matches!(run.dir().open(), Err(StoreError::Newer { .. })));
    assert_eq!(run.dir().read().unwrap().summary().unwrap().accepted, 0);
}

#[tokio::test]
async fn embeddings_outlive_a_crash_with_their_settlement() {
    let run = Run::new();
    let open = run.open();
    let key = |text| EmbeddingKey::new("e", None, text);
    let embedding = |x| Embedding::new(&[x, 1.0]).unwrap();
    let attempt = NewAttempt {
        phase: Phase::Embeddings,
        endpoint: None,
        examples: Vec::new(),
        ..attempt(&open.journal, 0, 500)
    };
    open.journal.begin(attempt.clone()).await.unwrap();
    let usage = TokenUsage { input: 7, ..TokenUsage::default() };
    let batch = EmbeddingBatch {
        attempt_id: attempt.id,
        end: AttemptEnd::Answered { cost: Usd::from_pico(90), usage },
        embeddings: vec![(key("a"), embedding(0.5)), (key("b"), embedding(-0.5))],
        at_ms: 2,
    };
    open.journal.embed(batch.clone()).await.unwrap();
    let again = EmbeddingBatch { embeddings: vec![(key("a"), embedding(9.0))], ..batch };
    open.journal.embed(again).await.unwrap();
    crash(open).await;
    let reader = run.dir().read().unwrap();
    assert_eq!(reader.embedding(key("a")).unwrap(), Some(embedding(0.5)));
    assert_eq!(reader.embedding(key("c")).unwrap(), None);
    assert_eq!(reader.embedding(EmbeddingKey::new("e", Some(2), "a")).unwrap(), None);
    assert_eq!(reader.embedding_dimensions().unwrap(), Some(2));
    assert_eq!(reader.completion_requests().unwrap(), 0);
    let summary = run.dir().open().unwrap().reader.summary().unwrap();
    assert_eq!((summary.spent, summary.unconfirmed), (Usd::from_pico(90), Usd::ZERO));
    assert_eq!((summary.attempts.sent, summary.attempts.answered), (1, 1));
    assert_eq!(summary.by_phase[&Phase::Embeddings].usage.input, 7);
}

#[cfg(unix)]
#[tokio::test]
async fn a_run_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let run = Run::new();
    let open = run.open();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(run.dir().path()), 0o700);
    assert_eq!(mode(&run.dir().database()), 0o600);
    crash(open).await;
}

#[tokio::test]
async fn requests_of_a_batch_stay_under_way_until_it_has_ended() {
    let run = Run::new();
    let open = run.open();
    let journal = &open.journal;
    let attempts: Vec<_> = (0..3).map(|index| attempt(journal, index, 100)).collect();
    let ids: Vec<u64> = attempts.iter().map(|attempt| attempt.id).collect();
    let batch = NewBatch { number: 1, phase: Phase::Tasks, attempts, at_ms: 5 };
    journal.begin_batch(batch).await.unwrap();
    journal.begin(attempt(journal, 3, 7)).await.unwrap();
    assert_eq!(open.reader.open_batches().unwrap()[0].state, BatchState::Begun);
    journal.change_batch(1, BatchChange::Creating).await.unwrap();
    crash(open).await;

    let open = run.open();
    let [batch] = &open.reader.open_batches().unwrap()[..] else { panic!("one batch") };
    assert_eq!((batch.number, &batch.state, batch.requests), (1, &BatchState::Creating, 3));
    assert_eq!(batch.open.iter().map(|attempt| attempt.id).collect::<Vec<_>>(), ids);
    assert_eq!((batch.open[2].request_index, batch.open[2].examples.len()), (2, 2));
    let summary = open.reader.summary().unwrap();
    assert_eq!((summary.reserved, summary.unconfirmed), (Usd::from_pico(300), Usd::from_pico(7)));

    let journal = &open.journal;
    journal.change_batch(1, BatchChange::Created("b-1".to_owned())).await.unwrap();
    let seen = BatchChange::Seen { label: "in_progress".to_owned(), completed: 1, failed: 1 };
    journal.change_batch(1, seen).await.unwrap();
    journal.answer(response(ids[0], 0, "{}")).await.unwrap();
    let refused = AttemptEnd::Refused { status: Some(500), message: "no".to_owned() };
    journal.end(ids[1], refused, 9).await.unwrap();
    // The same request again, in another batch.
    let again = vec![attempt(journal, 1, 50)];
    let batch = NewBatch { number: 2, phase: Phase::Tasks, attempts: again, at_ms: 6 };
    journal.begin_batch(batch).await.unwrap();
    journal.close(StopReason::Interrupted, None).await.unwrap();
    drop(open);

    let open = run.open();
    assert!(!open.recovered);
    let batches = open.reader.open_batches().unwrap();
    let open_ids = |at: usize| batches[at].open.iter().map(|it| it.id).collect::<Vec<_>>();
    // What has a response is settled from its body, as any answer is.
    assert_eq!((open_ids(0), batches[1].open[0].before), (vec![ids[0], ids[2]], 1));
    assert_eq!(open.reader.late_answers().unwrap().len(), 1);
    assert_eq!(open.reader.remote_batches().unwrap(), ["b-1"]);
    assert_eq!(open.reader.next_batch_number().unwrap(), 3);
    let totals = &open.reader.summary().unwrap().batches[0];
    assert_eq!((&*totals.state, totals.is_open, totals.completed), ("in_progress", true, 1));
    open.journal.change_batch(1, BatchChange::Ended("completed".to_owned())).await.unwrap();
    assert_eq!(open.reader.open_batches().unwrap().len(), 1);
}
