#!/usr/bin/env python3
"""Runs that are killed, interrupted and robbed of their last writes, and must lose nothing.

usage: crash_campaign.py [--rounds N] [--modes one-phase,two-phase,embeddings,batches] [--seed N] [--binary FILE]
Needs: cargo build --release --locked --features failpoints --bins (or a debug build: cargo build)

A round is a run of its own against the built-in simulator: one to three sessions end badly, each by one
of the ways below, then the same command finishes the run.

  each fail point       the process dies at that step (src/failpoint.rs), the n-th time it comes there
  SIGKILL               from outside, at a random time
  SIGTERM, SIGHUP,      once: it must drain and end with exit code 130
  SIGINT
  SIGINT twice          it must end at once with exit code 130
  power loss            the process dies when a commit is durable and nobody knows of it; then a random
                        part of that commit's frames is cut off the write-ahead log, or filled with zeros or noise

The last is what a power cut during the commit leaves: none of these bytes was promised to anybody, and
everything before them was synced. Writes that the disk itself has acknowledged and then loses are not simulated.

After each bad end a copy of the run is opened: SQLite's integrity check, the responses that it holds, and
the simulator's bill, which the ledger must cover. At the end of the round: every response is still there,
nothing is bought twice (no idempotency key, and no open task, is billed twice), bill <= spent + unconfirmed
<= budget, `replay --check` passes, and the export equals what a replay writes.

Exit code 1 when anything of this is violated.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MODES = {
    "one-phase": ["--phases", "tasks"],
    "two-phase": ["--phases", "instructions+responses"],
    "embeddings": ["--phases", "tasks", "--similarity", "rouge-l+embedding",
                   "--embedding-model", "e", "--embedding-price", "0.02"],
    # Small batches, so that a run takes several: a session dies while some are at the provider.
    "batches": ["--phases", "tasks", "--batch", "--batch-requests", "4"],
}
BUDGET = "5"
TASKS = 160
PRICES = ["--price-in", "0.15", "--price-out", "0.60"]
# With --batch a given price is that of batches; the simulator takes half for them.
BATCH_PRICES = ["--price-in", "0.075", "--price-out", "0.30"]
POWER_LOSS = "power loss in a commit"
SIGNALS = {
    "SIGKILL at a random time": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGHUP": [signal.SIGHUP],
    "SIGINT": [signal.SIGINT],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
}
# Steps that a session comes to once or twice; it comes to the others again and again.
RARE = {"open.journal": 1, "open.tables": 1, "open.recovered": 1, "open.session": 1, "close.before": 1,
        "close.committed": 1, "close.after": 1, "file.written": 2, "file.placed": 2,
        "embeddings.received": 3, "embeddings.stored": 3, "batch.begun": 2, "batch.uploaded": 2,
        "batch.creating": 2, "batch.created": 2, "batch.named": 2, "batch.read": 2, "batch.stored": 2,
        "batch.told": 2}
# Steps of requests that go alone: one in a batch comes to none of them, but to the steps of its batch.
ALONE = ["attempt.before", "attempt.begun", "answer.received", "answer.stored", "answer.settled"]


def fail_points():
    source = (ROOT / "src/failpoint.rs").read_text()
    return re.findall(r'Self::\w+ => "([\w.]+)"', source)


class Violation(Exception):
    """A promise that was not kept."""


def check(holds, message):
    if not holds:
        raise Violation(message)


class Simulator:
    """The provider, in a process of its own that outlives all runs."""

    def __init__(self, binary):
        command = [binary, "simulate", "--port", "0", "--latency-ms", "12", "--batch-latency-ms", "50",
                   "--embedding-price", "0.02"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = ""
        while not (found := re.search(r"(http://[\d.]+:\d+)/v1", said)):
            line = self.process.stderr.readline()
            if not line:
                sys.exit(f"the simulator does not start: {said}")
            said += line
        self.url = found[1]

    def billed(self, run_id):
        """What was billed of one run: (idempotency key, cost in USD) for each request."""
        with urllib.request.urlopen(f"{self.url}/simulator/journal") as answer:
            journal = json.load(answer)
        entries = (entry for entry in journal if entry["billed"])
        entries = ((entry["idempotency_key"], Decimal(entry["cost_usd"])) for entry in entries)
        return [entry for entry in entries if entry[0].startswith(f"{run_id}-")]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Run:
    """A run directory, with what was seen of it."""

    def __init__(self, binary, simulator, mode, folder):
        self.binary, self.simulator, self.folder = binary, simulator, folder
        self.path = folder / "run"
        self.output = folder / "out.json"
        prices = BATCH_PRICES if "--batch" in MODES[mode] else PRICES
        self.command = [binary, "generate", "--run", self.path, "--model", "m", *prices, *MODES[mode],
                        "--base-url", f"{simulator.url}/v1", "--budget", BUDGET, "--target", str(TASKS),
                        "--concurrency", "8", "--output", self.output, "--yes"]
        # By the attempt that brought them: responses that were on the disk after a bad end.
        self.responses = {}
        # How far batches were when a session ended badly.
        self.batches = collections.Counter()

    def start(self, fail_point=None):
        environment = {"INSTRUCTMILL_FAILPOINT": fail_point} if fail_point else {}
        # Under `nohup` it would ignore the signal, as it should.
        heeds = lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)
        return subprocess.Popen([str(part) for part in self.command], env=environment, preexec_fn=heeds,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def mill(self, *arguments):
        ended = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, env={})
        check(ended.returncode == 0, f"{arguments[0]} ended with {ended.returncode}: {ended.stderr.decode()}")
        return ended.stdout

    def read(self):
        """What a copy of the journal holds: run id, responses by attempt, spent, held."""
        if not (self.path / "run.db").exists():
            return None, {}, Decimal(0), Decimal(0)
        with tempfile.TemporaryDirectory() as copy:
            for name in ["run.db", "run.db-wal"]:
                if (self.path / name).exists():
                    shutil.copy(self.path / name, copy)
            database = sqlite3.connect(pathlib.Path(copy) / "run.db")
            try:
                found = self.read_from(database)
                if found[0]:
                    self.note_batches(database)
                return found
            finally:
                database.close()

    def note_batches(self, database):
        rows = database.execute(
            "SELECT state, requests, (SELECT count(*) FROM responses JOIN attempts a ON a.id = attempt_id"
            " WHERE a.batch_id = b.id) FROM batches b WHERE ended_at_ms IS NULL")
        for state, requests, stored in rows:
            read = "none" if stored == 0 else "all" if stored == requests else "some"
            self.batches[f"{state}, {read} of its results stored"] += 1

    @staticmethod
    def read_from(database):
        (state,) = database.execute("PRAGMA integrity_check").fetchone()
        check(state == "ok", f"the journal is damaged: {state}")
        if not database.execute("SELECT 1 FROM sqlite_schema").fetchone():
            return None, {}, Decimal(0), Decimal(0)
        row = database.execute("SELECT value FROM meta WHERE key = 'run_id'").fetchone()
        rows = database.execute("SELECT attempt_id, body_zstd FROM responses")
        responses = {attempt: hashlib.sha256(body).hexdigest() for attempt, body in rows}
        # An answer that is not settled yet is held at what was reserved for it.
        spent, open_ = database.execute(
            "SELECT coalesce(sum(cost_pico) FILTER (WHERE state = 'answered'), 0),"
            " coalesce(sum(reserved_pico) FILTER (WHERE state IN ('reserved', 'unconfirmed')), 0)"
            " FROM attempts").fetchone()
        pico = Decimal(10) ** 12
        return row and row[0], responses, spent / pico, (spent + open_) / pico

    def look(self):
        """After a bad end: what is there is sound, all there that was, and covers the bill."""
        run_id, responses, _, held = self.read()
        for attempt, body in self.responses.items():
            check(responses.get(attempt) == body, f"the response of attempt {attempt} is lost")
        self.responses = responses
        billed = sum(cost for _, cost in self.simulator.billed(run_id)) if run_id else 0
        check(billed <= held <= Decimal(BUDGET), f"billed {billed}, held {held}")

    def finish(self):
        """Finishes the run and holds it to every promise; gives bill, spent and unconfirmed."""
        process = self.start()
        _, said = process.communicate(timeout=60)
        check(process.returncode == 0, f"it does not go on: {said.decode()}")
        self.look()
        status = json.loads(self.mill("status", "--run", self.path, "--json"))
        check(status["accepted"] == TASKS, f"{status['accepted']} tasks")
        run_id, responses, _, _ = self.read()
        billed = self.simulator.billed(run_id)
        keys = collections.Counter(key for key, _ in billed)
        twice = [key for key, count in keys.items() if count > 1]
        check(not twice, f"bought twice: {twice}")
        self.check_outputs()
        bill = sum(cost for _, cost in billed)
        spent, unconfirmed = Decimal(status["spent_usd"]), Decimal(status["unconfirmed_usd"])
        check(spent <= bill <= spent + unconfirmed <= Decimal(BUDGET),
              f"billed {bill}, spent {spent}, unconfirmed {unconfirmed}")
        replayed = self.folder / "replayed.json"
        self.mill("replay", "--run", self.path, "--check", "--output", replayed)
        check(self.output.read_bytes() == replayed.read_bytes(), "the export is not what a replay gives")
        return len(responses), bill, spent, unconfirmed

    def check_outputs(self):
        """No output of an open task was answered twice."""
        database = sqlite3.connect(f"file:{self.path / 'run.db'}?mode=ro", uri=True)
        rows = database.execute(
            "SELECT q.tasks FROM responses r JOIN requests q USING (request_index) WHERE q.phase = 'responses'")
        tasks = collections.Counter(task for (tasks,) in rows for task in tasks.split())
        database.close()
        twice = [task for task, count in tasks.items() if count > 1]
        check(not twice, f"outputs bought twice: {twice}")


def frames(log):
    """Offsets of the valid frames of a write-ahead log, each with whether it ends a commit; and the
    size of a frame. See https://www.sqlite.org/fileformat2.html#walformat."""
    if len(log) < 32:
        return [], 0
    magic, _, page, _, salt1, salt2 = struct.unpack(">6I", log[:24])
    size = 24 + page
    found, sums, order = [], (0, 0), ">" if magic & 1 else "<"
    sums = checksum(log[:24], sums, order)
    for start in range(32, len(log) - size + 1, size):
        header = log[start:start + 24]
        _, commit, one, two, sum1, sum2 = struct.unpack(">6I", header)
        sums = checksum(header[:8], sums, order)
        sums = checksum(log[start + 24:start + size], sums, order)
        if (one, two) != (salt1, salt2) or sums != (sum1, sum2):
            break
        found.append((start, commit > 0))
    return found, size


def checksum(data, sums, order):
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2]):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def lose_power(path, rng):
    """Takes from the log a part of the last commit, which was durable and acknowledged to nobody. Gives
    whether there was such a commit that is in the log alone."""
    wal, index = path / "run.db-wal", path / "run.db-shm"
    if not wal.exists() or not index.exists():
        return False
    log = bytearray(wal.read_bytes())
    valid, size = frames(log)
    commits = [number for number, (_, ends) in enumerate(valid) if ends]
    if not commits or commits[-1] != len(valid) - 1:
        return False
    first = commits[-2] + 1 if len(commits) > 1 else 0
    # The number of frames that were copied into the database: a commit that is among them is past
    # the moment that is simulated.
    (copied,) = struct.unpack("=I", index.read_bytes()[96:100])
    if copied > first:
        return False
    begin, end = valid[first][0], valid[-1][0] + size
    hit = rng.randrange(begin, end)
    way = rng.choice(["cut at a frame", "cut anywhere", "zeros", "noise", "one sector"])
    if way == "cut at a frame":
        del log[valid[rng.randrange(first, len(valid))][0]:]
    elif way == "cut anywhere":
        del log[hit:]
    elif way == "zeros":
        log[hit:end] = bytes(end - hit)
    elif way == "noise":
        log[hit:end] = rng.randbytes(end - hit)
    else:
        sector = hit - hit % 512
        begin, end = max(begin, sector), min(end, sector + 512)
        log[begin:end] = bytes(end - begin)
    wal.write_bytes(log)
    # The index is shared memory: it does not outlive a power cut.
    index.unlink()
    return True


def end_badly(run, kind, rng):
    """One session that ends by this kind; gives whether it did."""
    if kind in SIGNALS:
        return interrupt(run, SIGNALS[kind], rng)
    point = "commit.after" if kind == POWER_LOSS else kind
    time_ = rng.randint(1, RARE.get(point, 14))
    # Begun, and a few milliseconds later under way.
    delay = f":{rng.randint(1, 20)}" if point == "attempt.begun" and rng.random() < 0.5 else ""
    process = run.start(f"{point}:{time_}{delay}")
    _, said = process.communicate(timeout=60)
    if process.returncode != -signal.SIGABRT:
        check(process.returncode == 0, f"{point} ended with {process.returncode}: {said.decode()}")
        return False
    return kind != POWER_LOSS or lose_power(run.path, rng)


def interrupt(run, signals, rng):
    process = run.start()
    time.sleep(rng.uniform(0.01, 0.25))
    for number in signals:
        if process.poll() is None:
            process.send_signal(number)
            time.sleep(rng.uniform(0, 0.01))
    _, said = process.communicate(timeout=60)
    if process.returncode == 0:
        return False
    if signals == [signal.SIGKILL]:
        check(process.returncode == -signal.SIGKILL, f"ended with {process.returncode}")
        return True
    # Before it listens, a signal ends it as any program.
    if process.returncode != -signals[0]:
        check(process.returncode == 130, f"ended with {process.returncode}: {said.decode()}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", default=TARGET / "release" / "instructmill")
    args = parser.parse_args()
    binary = str(args.binary)
    if b"INSTRUCTMILL_FAILPOINT" not in pathlib.Path(binary).read_bytes():
        sys.exit(f"{binary} knows no fail points: build it with --features failpoints, or a debug build")
    modes, rng = args.modes.split(","), random.Random(args.seed)
    points = [point for point in fail_points() if point != "open.directory"]
    rows = collections.defaultdict(collections.Counter)
    totals, batches, failures, began = collections.Counter(), collections.Counter(), [], time.time()
    simulator = Simulator(binary)
    try:
        for number in range(args.rounds):
            mode = modes[number % len(modes)]
            kinds = [*points, *SIGNALS, POWER_LOSS, POWER_LOSS]
            kinds = [k for k in kinds if mode == "embeddings" or not k.startswith("embeddings.")]
            others = ALONE if mode == "batches" else [k for k in kinds if k.startswith("batch.")]
            kinds = [k for k in kinds if k not in others]
            # Every kind has its turn as the first; what follows is by chance.
            turn = [kinds[number // len(modes) % len(kinds)]]
            turn += rng.choices(kinds, k=rng.randint(0, 2))
            with tempfile.TemporaryDirectory(prefix="crash-") as folder:
                run = Run(binary, simulator, mode, pathlib.Path(folder))
                try:
                    for kind in turn:
                        rows[kind]["sessions"] += 1
                        happened = end_badly(run, kind, rng)
                        rows[kind]["ended so"] += happened
                        rows[kind][mode] += happened
                        run.look()
                    responses, bill, spent, unconfirmed = run.finish()
                    totals.update(responses=responses, bill=bill, spent=spent, unconfirmed=unconfirmed)
                    batches.update(run.batches)
                except (Violation, subprocess.TimeoutExpired) as violation:
                    failures.append(f"round {number}, {mode}, {turn}: {violation}")
                    print(failures[-1], file=sys.stderr)
                    for kind in turn:
                        rows[kind]["violations"] += 1
    finally:
        simulator.stop()
    report(rows, modes)
    print(f"\n{args.rounds} rounds in {time.time() - began:.0f} s: {totals['responses']} responses, billed"
          f" {totals['bill']} USD, spent {totals['spent']}, unconfirmed {totals['unconfirmed']},"
          f" violations {len(failures)}")
    for step, count in sorted(batches.items()):
        print(f"batches when a session ended: {step}: {count}")
    sys.exit(1 if failures else 0)


def report(rows, modes):
    heads = ["sessions", "ended so", *modes, "violations"]
    print("| how a session ends | " + " | ".join(heads) + " |")
    print("|---|" + "--:|" * len(heads))
    for kind in [*fail_points(), *SIGNALS, POWER_LOSS]:
        if kind in rows:
            print(f"| {kind} | " + " | ".join(str(rows[kind][head]) for head in heads) + " |")


if __name__ == "__main__":
    main()
