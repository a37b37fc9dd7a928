#!/usr/bin/env python3
"""Breaks a promise on purpose, one after the other, and asks the simulation which seed notices.

    python3 examples/mutations.py [NAME ...]

Each mutation is a replacement in a copy of the source; the copy is built, the seeds of
`tests/simulation` run until one fails, and the copy is mended again. A mutation that no seed
notices is a gap of the simulation, and the script fails.

SEEDS (default 0..3000) names the seeds that are tried. The builds go to target/mutations, or to
MUTATIONS_TARGET_DIR, and not to where other builds of the same package are: to cargo both would be
one.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = os.environ.get("SEEDS", "0..3000")
TARGET = os.environ.get("MUTATIONS_TARGET_DIR", str(ROOT / "target" / "mutations"))

# Name, what it breaks, and of each edit the file, the text before and the text after.
MUTATIONS = [
    (
        "retry-unreserved",
        "a retry after a lost answer leaves without money of its own",
        "src/pipeline/worker/refused.rs",
        """    if !reserve_again(shared, job, worst_case) {
        return Next::Done(Report::OutOfBudget);
    }
    let retry =""",
        """    let _ = worst_case;
    let retry =""",
    ),
    (
        "settled-before-durable",
        "an attempt is settled before its answer is in the journal",
        "src/pipeline/worker/answered.rs",
        """    // Durable, raw, before anything reads it.
""",
        """    let early = AttemptEnd::Answered { cost: Default::default(), usage: TokenUsage::default() };
    shared.end(attempt_id, early).await;
""",
    ),
    (
        "money-freed-first",
        "money is free before the journal knows what the attempt cost",
        "src/pipeline/worker/answered.rs",
        """    shared.end(attempt_id, end.clone()).await;
    let reservation = job.reservation.take();
    match &end {
        AttemptEnd::Answered { cost, usage } => {
            reservation.settle(*cost);""",
        """    if let AttemptEnd::Answered { cost, .. } = &end {
        job.reservation.take().settle(*cost);
    }
    shared.end(attempt_id, end.clone()).await;
    let reservation = job.reservation.take();
    match &end {
        AttemptEnd::Answered { usage, .. } => {""",
    ),
    (
        "counted-as-permitted",
        "a request counts in the minute of its permit, however late it leaves",
        "src/pipeline/worker/mod.rs",
        "    pass.leave();\n",
        "    let _ = &mut pass;\n",
    ),
    (
        "timeout-free",
        "an attempt without an answer counts as free",
        "src/pipeline/worker/mod.rs",
        "shared.end_unconfirmed(attempt_id, message.clone()).await;",
        "shared.end_refused(attempt_id, None, message.clone()).await;",
    ),
    (
        "arrival-order",
        "responses are judged in the order of their arrival",
        "src/pipeline/collector/verdicts.rs",
        "            let seq = self.judged.response_seq + 1;\n",
        "            let Some(seq) = self.waiting.keys().next().copied() else { return };\n",
    ),
    (
        "window-without-tokens",
        "the window of the last minute does not count tokens",
        "src/limit/window.rs",
        "let wanted = u128::from(tokens.min(limit));",
        "let wanted = u128::from(tokens.min(limit)) * 0;\n            if wanted == 0 {\n                return 0;\n            }",
    ),
    (
        "window-without-requests",
        "the window of the last minute allows a third more requests",
        "src/limit/window.rs",
        ".map_or(0, |limit| self.total.requests.saturating_add(1).saturating_sub(limit));",
        ".map_or(0, |limit| self.total.requests.saturating_add(1).saturating_sub(limit + limit / 3));",
    ),
    (
        "begin-not-awaited",
        "a request leaves before its reservation is durable",
        "src/store/journal.rs",
        "self.ask(|ack| Command::Begin(attempt, ack)).await",
        "self.tell(Command::Begin(attempt, oneshot::channel().0)).await",
    ),
    (
        "index-used-again",
        "a session that goes on numbers its first request as the last one was",
        "src/pipeline/prepare.rs",
        "let next_request = run.reader.next_request_index()?;",
        "let next_request = run.reader.next_request_index()?.saturating_sub(1);",
    ),
    (
        "no-earmark",
        "nothing is kept back for the outputs that instructions call for",
        "src/pipeline/collector/demand.rs",
        ".reserve_and_earmark(sealed.worst_case, earmark.saturating_add(embeddings))",
        ".reserve(sealed.worst_case)",
    ),
    (
        "full-disk-goes-on",
        "new attempts begin although the disk is full",
        "src/store/writer.rs",
        "if let Some(error) = &self.refuse_new {",
        "if let (Some(error), false) = (&self.refuse_new, group.len() < 1_000) {",
    ),
    (
        "crash-forgets-attempts",
        "attempts that a crash cut off are not counted",
        "src/store/run_dir.rs",
        "         WHERE state = 'reserved' AND batch_id IS NULL\n",
        "         WHERE state = 'nothing' AND batch_id IS NULL\n",
    ),
    (
        "resume-forgets-unconfirmed",
        "a session that goes on forgets what is unconfirmed",
        "src/pipeline/prepare.rs",
        "Ledger::open(config.budget, summary.spent, summary.unconfirmed)",
        "Ledger::open(config.budget, summary.spent, crate::usd::Usd::ZERO)",
    ),
    (
        "late-answers-open",
        "answers that a crash kept from being settled stay open",
        "src/pipeline/prepare.rs",
        "        run.journal.end(late.attempt_id, end, unix_ms()).await?;\n",
        "        drop(end);\n",
    ),
    (
        "no-pause",
        "a 429 pauses nobody",
        "src/pipeline/worker/refused.rs",
        "pass.refused(Instant::now() + pause);",
        "pass.refused(Instant::now() + pause.mul_f64(0.001));",
    ),
    (
        "429-is-an-attempt",
        "a 429 counts as a failure of the request that met it",
        "src/pipeline/worker/refused.rs",
        "    pass.refused(Instant::now() + pause);\n    Next::Again",
        "    pass.refused(Instant::now() + pause);\n    Next::Retry { pause, failure: RunError::RateLimited { wait: pause } }",
    ),
    (
        "first-not-alone",
        "the first request of a session does not go alone",
        "src/pipeline/site.rs",
        "            places,\n",
        "            places: {\n                places.open();\n                places\n            },\n",
    ),
    (
        "one-too-many",
        "one request more is under way than allowed",
        "src/pipeline/site.rs",
        "Places::fixed(settings.concurrency)",
        "Places::fixed(settings.concurrency + 1)",
        "src/pipeline/lane.rs",
        "self.in_flight() < places.min(self.concurrency)",
        "self.in_flight() < places.min(self.concurrency + 1)",
    ),
    (
        "beyond-the-target",
        "judging does not stop at the target",
        "src/pipeline/collector/verdicts.rs",
        "let most = self.target - first_task_id;",
        "let most = self.target + 1 - first_task_id;",
    ),
    (
        "signal-ignored",
        "the first signal does not stop the sending",
        "src/pipeline/collector/mod.rs",
        "if level != Shutdown::No {",
        "if level == Shutdown::Abort {",
    ),
    (
        "one-attempt-more",
        "a request is tried once more than allowed",
        "src/pipeline/worker/mod.rs",
        "if failures >= shared.max_attempts {",
        "if failures > shared.max_attempts {",
    ),
    (
        "lies-believed",
        "a usage of one token is believed",
        "src/ledger/bound.rs",
        "        && usage.output.saturating_mul(LONGEST_TOKEN_BYTES) >= text_bytes",
        "        || text_bytes > 0",
    ),
    (
        "large-bodies-free",
        "an answer that is too long counts as never sent",
        "src/provider/failure.rs",
        'let message = format!("the body is longer than {limit} bytes; the connection was closed");\n'
        "        Self { kind: FailureKind::TooLarge, message, may_have_been_sent: true }",
        'let message = format!("the body is longer than {limit} bytes; the connection was closed");\n'
        "        Self { kind: FailureKind::TooLarge, message, may_have_been_sent: false }",
    ),
    (
        "gaps",
        "the journal's numbers have gaps",
        "src/store/writer.rs",
        "                    seq += 1;\n                    let body",
        "                    seq += 1 + u64::from(seq == 7);\n                    let body",
    ),
    (
        "announced-ignored",
        "limits that the server announces are passed over",
        "src/pipeline/site.rs",
        "            requests: lowest(Counted::Requests),",
        "            requests: lowest(Counted::Requests).filter(|_| false),",
    ),
    (
        "asked-twice",
        "open tasks stay in the backlog when their outputs are asked for",
        "src/pipeline/backlog.rs",
        "drop(queue.drain(..group.tasks.len().min(queue.len())));",
        "drop(queue.drain(..group.tasks.len().min(queue.len()) / 2));",
    ),
    (
        "owed-too-early",
        "outputs are owed before all that was bought is judged",
        "src/pipeline/collector/verdicts.rs",
        "if self.begun || self.judged.response_seq < self.stored_up_to {",
        "if self.begun {",
    ),
    (
        "report-lost",
        "a worker that is cancelled sends no report",
        "src/pipeline/collector/mod.rs",
        "            // The collector outlives its workers;",
        "            if matches!(report, Report::Cancelled) {\n                return;\n            }\n"
        "            // The collector outlives its workers;",
    ),
    (
        "earmark-kept",
        "what was kept back for a request that came to nothing stays kept back",
        "src/pipeline/collector/mod.rs",
        "        self.shared.ledger.release_earmark(earmark);\n",
        "        let _ = earmark;\n",
    ),
    (
        "money-of-refused",
        "an attempt that was refused stays charged in the journal",
        "src/store/writer.rs",
        "UPDATE attempts SET state = 'refused'",
        "UPDATE attempts SET state = 'unconfirmed'",
    ),
    (
        "batch-created-again",
        "a batch whose creation was not answered is created again, and not looked for",
        "src/pipeline/batch/submit.rs",
        "            if may_exist(&error) {",
        "            if may_exist(&error) && failures > 1_000 {",
    ),
    (
        "batch-not-announced",
        "a batch is created before the journal knows that it may exist",
        "src/pipeline/batch/submit.rs",
        "        self.shared.journal.change_batch(number, BatchChange::Creating).await?;\n",
        "        let _ = (number, BatchChange::Creating);\n",
    ),
    (
        "batches-forgotten",
        "a session does not take up the batches of the one before",
        "src/pipeline/prepare.rs",
        "let batches = run.reader.open_batches()?;",
        "let batches: Vec<StoredBatch> = Vec::new();",
    ),
    (
        "silence-is-free",
        "requests that no line of a batch's results tells of count as free",
        "src/pipeline/batch/settle.rs",
        "remote.is_cut_short && remote.completed <= answered;",
        "remote.completed <= answered || answered < u64::MAX;",
    ),
    (
        "lost-batch-free",
        "a batch of which nobody knows any more counts as free",
        "src/pipeline/batch/carrier.rs",
        """            self.unconfirmed(line, message).await;
        }
        self.end(message).await?;""",
        """            let failure = RunError::Batch { message: message.to_owned() };
            self.free(line, None, failure, true).await;
        }
        self.end(message).await?;""",
    ),
]


def copy_of_the_source() -> Path:
    copy = Path(tempfile.mkdtemp(prefix="mutations-")) / "source"
    ignore = shutil.ignore_patterns(".git", "target", "output")
    shutil.copytree(ROOT, copy, ignore=ignore)
    return copy


def cargo(copy: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = ["cargo", "test", "--quiet", "--test", "simulation", *arguments]
    variables = {**os.environ, "CARGO_TARGET_DIR": TARGET, **environment}
    return subprocess.run(
        command, cwd=copy, env=variables, capture_output=True, text=True, timeout=3_600
    )


def mutate(copy: Path, edits: tuple[str, ...]) -> dict[Path, str]:
    """Makes the edits; gives the files as they were."""
    originals = {}
    for file, before, after in zip(edits[::3], edits[1::3], edits[2::3]):
        path = copy / file
        text = path.read_text()
        if text.count(before) != 1:
            raise SystemExit(f"{file}: the text to replace is there {text.count(before)} times")
        originals[path] = text
        path.write_text(text.replace(before, after))
    return originals


def noticed_by(copy: Path) -> tuple[str, str]:
    built = cargo(copy, "--no-run")
    if built.returncode != 0:
        return "does not build", built.stderr[-3_000:]
    run = cargo(copy, "seeds_break_no_promise", INSTRUCTMILL_SEEDS=SEEDS)
    found = re.search(r"^seed (\d+): (.*)$", run.stdout + run.stderr, re.MULTILINE)
    if run.returncode == 0:
        return "NOT NOTICED", ""
    return (f"seed {found[1]}", found[2]) if found else ("fails otherwise", run.stdout[-2_000:])


def main() -> None:
    chosen = [m for m in MUTATIONS if not sys.argv[1:] or m[0] in sys.argv[1:]]
    copy = copy_of_the_source()
    missed = []
    try:
        for name, promise, *edits in chosen:
            originals = mutate(copy, tuple(edits))
            began = time.monotonic()
            seed, what = noticed_by(copy)
            for path, text in originals.items():
                path.write_text(text)
            print(f"| {name} | {promise} | {seed} | {what} |", flush=True)
            print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            if not seed.startswith("seed"):
                missed.append(name)
    finally:
        shutil.rmtree(copy.parent)
    if missed:
        raise SystemExit(f"not noticed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
