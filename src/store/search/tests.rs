use super::super::{NewAttempt, NewResponse, OpenRun, RunDir, VerdictBatch};
use super::*;
use crate::event::{Fate, Nearest, Phase, Rejection, Stage, Verdict};
use crate::task::{Candidate, TaskRef};
use crate::usd::Usd;

const ON: Step = Step { backwards: false, from: None };
const BACK: Step = Step { backwards: true, from: None };

/// Journals a response whose items have these instructions; every second is turned away.
async fn respond(run: &OpenRun, texts: &[&str], first_task_id: u64) {
    respond_in(run, Phase::Tasks, texts, first_task_id).await;
}

async fn respond_in(run: &OpenRun, phase: Phase, texts: &[&str], first_task_id: u64) {
    let id = run.journal.next_attempt_id();
    let attempt = NewAttempt {
        id,
        request_index: id - 1,
        phase,
        endpoint: None,
        examples: vec![],
        tasks: vec![],
        prompt_bound: 1,
        max_output_tokens: 1,
        reserved: Usd::ZERO,
        at_ms: 1,
    };
    run.journal.begin(attempt).await.unwrap();
    let response = NewResponse {
        attempt_id: id,
        request_index: id - 1,
        status: 200,
        body: "{}".into(),
        latency_ms: 1,
        at_ms: 2,
    };
    let response_seq = run.journal.answer(response).await.unwrap();
    let verdicts = (0..).zip(texts).map(|(item_index, text)| {
        let duplicate = Rejection { stage: Stage::Novelty, rule: "rouge-l", detail: String::new() };
        let fate = if item_index % 2 == 1 { Fate::Rejected(duplicate) } else { Fate::Accepted };
        Verdict {
            item_index,
            candidate: Candidate { instruction: (*text).to_owned(), ..Candidate::default() },
            fate,
            answers: None,
            nearest: Some(Nearest { task: TaskRef::Seed(0), score: 0.7 }),
        }
    });
    let verdicts = verdicts.collect();
    let batch = VerdictBatch { response_seq, first_task_id, verdicts, complete: true };
    run.journal.judge(batch).await.unwrap();
    run.journal.flush().await.unwrap();
}

fn found(index: &SearchIndex, filter: &RowFilter, step: Step) -> Vec<String> {
    index.places(filter, step, 10).unwrap().iter().map(ToString::to_string).collect()
}

fn asks(text: &str) -> RowFilter {
    RowFilter { text: text.to_owned(), ..RowFilter::default() }
}

#[tokio::test]
async fn the_index_follows_the_journal_and_finds_parts_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let run = dir.open().unwrap();
    respond(&run, &["Bake an apple pie", "Bake apples", "给出三个保持健康的提示"], 0).await;
    let reader = dir.read().unwrap();
    let mut index = SearchIndex::open(&dir, &reader).unwrap();
    assert_eq!(index.extend(&reader, 2).unwrap(), 2);
    assert_eq!(index.extend(&reader, 2).unwrap(), 1);
    respond(&run, &["Écris un café", "bake"], 2).await;
    assert_eq!(index.extend(&reader, 100).unwrap(), 2);
    assert_eq!(index.extend(&reader, 100).unwrap(), 0);
    assert_eq!(index.rows().unwrap(), 5);
    for (question, places) in [
        ("bake", &["1.0", "1.1", "2.1"][..]),
        ("健康", &["1.2"]),
        ("三个保", &["1.2"]),
        ("康健", &[]),
        ("cafe", &["2.0"]),
        ("appl*", &[]),
        ("\"pie apple\"", &[]),
        ("rouge accepted q0", &[]),
    ] {
        assert_eq!(found(&index, &asks(question), ON), places, "{question}");
    }
    assert_eq!(found(&index, &asks("bake"), BACK), ["2.1", "1.1", "1.0"]);
    let after = Step { backwards: false, from: Some(RowId { response_seq: 1, item_index: 0 }) };
    assert_eq!(found(&index, &asks("bake"), after), ["1.1", "2.1"]);
    let rule = Wanted::Rule(Stage::Novelty, "rouge-l".to_owned());
    let filter = RowFilter { fate: rule, ..asks("bake") };
    assert_eq!(found(&index, &filter, ON), ["1.1", "2.1"]);
    assert_eq!(index.count(&filter, 1).unwrap(), 1);
    let filter = RowFilter { request_index: Some(1), ..asks("") };
    assert_eq!(found(&index, &filter, ON), ["2.0", "2.1"]);
    let similar = |least_tenths| RowFilter { least_tenths: Some(least_tenths), ..asks("") };
    assert_eq!(found(&index, &similar(7), ON).len(), 5);
    assert_eq!(found(&index, &similar(8), ON).len(), 0);
    assert_eq!(index.place_of(TaskRef::Accepted(2)).unwrap().unwrap().to_string(), "2.0");
    assert_eq!(index.place_of(TaskRef::Accepted(9)).unwrap(), None);
}

#[tokio::test]
async fn rows_are_found_by_what_their_request_was_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let run = dir.open().unwrap();
    respond_in(&run, Phase::Instructions, &["Bake", "phaseresponses"], 0).await;
    respond_in(&run, Phase::Responses, &["Bake"], 1).await;
    let reader = dir.read().unwrap();
    let mut index = SearchIndex::open(&dir, &reader).unwrap();
    index.extend(&reader, 10).unwrap();
    let of = |phases: &[Phase], text| RowFilter { phases: phases.to_vec(), ..asks(text) };
    for (phases, text, places) in [
        (&[Phase::Instructions][..], "", &["1.0", "1.1"][..]),
        (&[Phase::Responses], "", &["2.0"]),
        (&[Phase::Responses], "bake", &["2.0"]),
        (&[Phase::Instructions, Phase::Responses], "", &["1.0", "1.1", "2.0"]),
        (&[Phase::Tasks], "", &[]),
        (&[], "phaseresponses", &["1.1"]),
    ] {
        assert_eq!(found(&index, &of(phases, text), ON), places, "{phases:?} {text}");
    }
    let fate = Wanted::Accepted;
    assert_eq!(index.count(&RowFilter { fate, ..of(&[Phase::Instructions], "") }, 9).unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_an_index_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let run = dir.open().unwrap();
    respond(&run, &["Bake"], 0).await;
    let reader = dir.read().unwrap();
    std::fs::write(dir.path().join("view.db"), "mine").unwrap();
    let mut index = SearchIndex::open(&dir, &reader).unwrap();
    index.extend(&reader, 10).unwrap();
    assert_eq!(found(&index, &asks("bake"), ON), ["1.0"]);
    assert_eq!(std::fs::read(dir.path().join("view.db")).unwrap(), b"mine");
}

#[tokio::test]
async fn marks_are_kept_beside_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let run = dir.open().unwrap();
    respond(&run, &["Bake", "Cook"], 0).await;
    let row = RowId { response_seq: 1, item_index: 1 };
    let mut marks = dir.read().unwrap().marks().unwrap();
    assert!(marks.rows().is_empty() && !dir.path().join("marks.db").exists());
    marks.set(row, true).unwrap();
    marks.set(row, true).unwrap();
    assert_eq!(dir.read().unwrap().marks().unwrap().rows().iter().collect::<Vec<_>>(), [&row]);
    marks.set(row, false).unwrap();
    assert!(dir.read().unwrap().marks().unwrap().rows().is_empty());
}
