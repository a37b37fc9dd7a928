//! Fills a run directory with made-up tasks, through the same journal as a run but without requests:
//! a million of them in a minute, to measure what reads them.
//!
//! usage: `fill_run DIR TASKS [FILE]`, a directory that is not there yet; with a JSONL file, the
//! instructions of its records in their order, instead of made-up ones
//!
//! Ten tasks a response are accepted and two rejected. A task has about 400 bytes, of which 60 are the
//! instruction; two in five have an input.

use futures_util::future::try_join_all;
use instructmill::chat::TokenUsage;
use instructmill::event::{Fate, Nearest, Phase, Rejection, Stage, Verdict};
use instructmill::store::{AttemptEnd, Journal, NewAttempt, NewResponse, RunDir, VerdictBatch};
use instructmill::summary::StopReason;
use instructmill::task::{Candidate, TaskRef};
use instructmill::usd::Usd;

type Error = Box<dyn std::error::Error>;

const ACCEPTED: u64 = 10;
const REJECTED: u32 = 2;
/// Responses under way at once: they share a commit.
const AT_ONCE: u64 = 256;
const SETTINGS: &str = r#"{"provider":"simulated","model":"made-up","price_in":"0","price_out":"0",
    "similarity":"rouge-l","threshold":0.7,"compare":"instruction"}"#;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("usage: fill_run DIR TASKS [FILE]");
    let (dir, tasks): (String, u64) = (next()?, next()?.parse()?);
    let texts = args.next().map(read_instructions).transpose()?.unwrap_or_default();
    let run = RunDir::new(dir).open()?;
    run.journal.set_meta("settings", SETTINGS.to_owned()).await?;
    let responses = tasks.div_ceil(ACCEPTED);
    for first in (0..responses).step_by(usize::try_from(AT_ONCE)?) {
        let batch = first..responses.min(first + AT_ONCE);
        try_join_all(batch.clone().map(|index| begin(&run.journal, index))).await?;
        // One after the other, so that the same directory comes out each time.
        for index in batch {
            answer(&run.journal, index, tasks, &texts).await?;
        }
    }
    run.journal.close(StopReason::Target, None).await?;
    drop(run.journal);
    run.writer.join();
    Ok(())
}

async fn begin(journal: &Journal, index: u64) -> Result<(), Error> {
    let attempt = NewAttempt {
        id: index + 1,
        request_index: index,
        phase: Phase::Tasks,
        endpoint: None,
        examples: vec![TaskRef::Seed(index % 175), TaskRef::Seed((index + 7) % 175)],
        tasks: Vec::new(),
        prompt_bound: 2_000,
        max_output_tokens: 4_000,
        reserved: Usd::ZERO,
        at_ms: 1_700_000_000_000,
    };
    Ok(journal.begin(attempt).await?)
}

fn read_instructions(path: String) -> Result<Vec<String>, Error> {
    let file = std::fs::read_to_string(path)?;
    let records = file.lines().map(serde_json::from_str::<serde_json::Value>);
    let texts = records.map(|record| Ok(record?["instruction"].as_str().unwrap_or("").to_owned()));
    texts.collect()
}

async fn answer(journal: &Journal, index: u64, tasks: u64, texts: &[String]) -> Result<(), Error> {
    let first_task_id = index * ACCEPTED;
    let here = u32::try_from(ACCEPTED.min(tasks - first_task_id))?;
    let mut words = Words(fastrand::Rng::with_seed(index));
    let mut verdicts: Vec<Verdict> =
        (0..here + REJECTED).map(|item| verdict(&mut words, item, item < here)).collect();
    let own = texts.iter().skip(usize::try_from(first_task_id)?).take(usize::try_from(here)?);
    for (verdict, text) in verdicts.iter_mut().zip(own) {
        verdict.candidate.instruction.clone_from(text);
    }
    let body: String = verdicts.iter().map(|verdict| verdict.candidate.output.as_str()).collect();
    let response = NewResponse {
        attempt_id: index + 1,
        request_index: index,
        status: 200,
        body: body.into_bytes().into(),
        latency_ms: 900,
        at_ms: 1_700_000_001_000,
    };
    let response_seq = journal.answer(response).await?;
    let end =
        AttemptEnd::Answered { cost: Usd::from_pico(1_000_000), usage: TokenUsage::default() };
    journal.end(index + 1, end, 1_700_000_001_000).await?;
    let batch = VerdictBatch { response_seq, first_task_id, verdicts, complete: true };
    Ok(journal.judge(batch).await?)
}

fn verdict(words: &mut Words, item_index: u32, accepted: bool) -> Verdict {
    let input = if words.0.u8(..5) < 2 { words.text(8..30) } else { String::new() };
    let candidate = Candidate { instruction: words.text(6..16), input, output: words.text(20..70) };
    let detail = "like another".to_owned();
    let rejection = Rejection { stage: Stage::Novelty, rule: "rouge-l", detail };
    let nearest = Nearest { task: TaskRef::Seed(item_index.into()), score: words.0.f64() * 0.7 };
    let fate = if accepted { Fate::Accepted } else { Fate::Rejected(rejection) };
    Verdict { item_index, candidate, fate, answers: None, nearest: Some(nearest) }
}

/// Draws made-up words, a few of them often and most of them rarely.
struct Words(fastrand::Rng);

impl Words {
    fn text(&mut self, count: std::ops::Range<usize>) -> String {
        let count = self.0.usize(count);
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ") + "."
    }

    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] = [
            "ka", "lo", "mi", "ne", "ru", "sta", "ti", "vo", "be", "da", "fi", "go", "hu", "je",
            "pla", "so",
        ];
        // The smaller of two is rarely a large one.
        let mut rank = self.0.usize(..20_000).min(self.0.usize(..20_000));
        let mut word = SYLLABLES[rank % 16].to_owned();
        while rank >= 16 {
            rank /= 16;
            word.push_str(SYLLABLES[rank % 16]);
        }
        word
    }
}
