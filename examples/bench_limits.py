#!/usr/bin/env python3
"""How much of a rate limit is used, and how often the server refuses, at servers of several kinds.

Runs the simulator as a server and `instructmill generate` against it, for each case at once, and prints
a line a case. Needs nothing but the binary:

    cargo build --release --locked
    python3 examples/bench_limits.py target/release/instructmill [seconds]

The used share is of what the server would have admitted from the first request to the end, and from
the sixtieth second where the limits are not known; a refusal is an answer with status 429.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/release/instructmill"
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 480
CHANGE = SECONDS // 2
# Every request counts its output limit and its prompt against the tokens, as at OpenAI.
MAX_OUTPUT = "1000"


def limit_between(limits, start, end):
    """What a limit per minute that changes at some seconds allows between two of them."""
    total = 0.0
    for at, (begins, limit) in enumerate(limits):
        ends = limits[at + 1][0] if at + 1 < len(limits) else end
        span = min(ends, end) - max(begins, start)
        if span > 0:
            total += limit * span / 60
    return total


def run(server_args, client_args, seconds):
    """The simulator's journal after a run of so many seconds, and the answers that had come by then."""
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [BINARY, "simulate", "--port", "0", *server_args],
            stderr=subprocess.PIPE,
            text=True,
        )
        address = None
        while address is None:
            line = server.stderr.readline()
            if "provider at " in line:
                address = line.split("provider at ")[1].split(". ")[0]
        client = subprocess.Popen(
            [BINARY, "generate", "--yes", "--run", folder + "/run", "--provider", "vllm", "--model", "m"]
            + ["--base-url", address, "--price-in", "0", "--price-out", "0", "--target", "1000000"]
            + ["--phases", "tasks", "--max-stalled-responses", "1000000"]
            + ["--max-output-tokens", MAX_OUTPUT, *client_args],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        status = [BINARY, "status", "--json", "--run", folder + "/run"]
        answers = json.loads(subprocess.check_output(status))["responses"]
        client.terminate()
        client.wait()
        root = address.rsplit("/v1", 1)[0]
        with urllib.request.urlopen(root + "/simulator/journal") as reply:
            journal = json.load(reply)
        server.terminate()
        server.wait()
        return journal, answers


def measure(case):
    """The used share of requests or tokens, and the refusals, as a line."""
    name, server_args, client_args, counts, limits = case
    client_args = ["--concurrency", "64", "--tpm-counts-max-tokens", "true", *client_args]
    journal, _ = run(["--latency-ms", "1000", *server_args], client_args, SECONDS)
    # A limit that nobody told has to be found first.
    since = 60 if len(limits) > 1 else 0
    end = max(entry["at_ms"] for entry in journal) / 1000
    within = [entry for entry in journal if since <= entry["at_ms"] / 1000]
    answered = [entry for entry in within if entry["status"] == 200]
    refused = sum(entry["status"] == 429 for entry in within)
    used = sum(entry["admitted_tokens"] if counts == "tokens" else 1 for entry in answered)
    share = used / limit_between(limits, since, end)
    rate = refused / len(within)
    return f"{name:<58} {share:6.1%} of {counts}, {refused} of {len(within)} refused ({rate:.2%})"


CASES = [
    ("smoothing server, 600 rpm announced", ["--smooth", "--rpm", "600"], [], "requests", [(0, 600)]),
    ("smoothing server, 60 rpm given", ["--smooth", "--rpm", "60"], ["--rpm", "60"], "requests", [(0, 60)]),
    ("smoothing server, 1,000,000 tpm given", ["--smooth", "--tpm", "1000000"], ["--tpm", "1000000"], "tokens", [(0, 1_000_000)]),
    ("smoothing server, 200,000 tpm given", ["--smooth", "--tpm", "200000"], ["--tpm", "200000"], "tokens", [(0, 200_000)]),
]
for kind, flags in [("counts minutes", []), ("smooths", ["--smooth"])]:
    for first, then in [(600, 300), (300, 600)]:
        name = f"server that {kind}, unknown, {first} then {then} rpm after {CHANGE} s"
        limits = ["--hide-limits", "--rpm", str(first), "--limits-change", f"{CHANGE}s:rpm={then}"]
        CASES.append((name, [*flags, *limits], [], "requests", [(0, first), (CHANGE, then)]))

# They wait most of the time, so all run at once.
with ThreadPoolExecutor(len(CASES)) as pool:
    for line in pool.map(measure, CASES):
        print(line, flush=True)


def throughput(slots, client_args):
    """Answers within three minutes from a server that serves so many at once."""
    return run(["--slots", str(slots), "--latency-ms", "1000"], client_args, min(SECONDS, 180))[1]


def compare(slots):
    """What is found by trying beside a fixed number that is more than enough, as a line."""
    with ThreadPoolExecutor(2) as pair:
        jobs = [pair.submit(throughput, slots, args) for args in ([], ["--concurrency", "256"])]
        found, fixed = [job.result() for job in jobs]
    return f"server of {slots} slots: {found} answers with what is found, {fixed} with 256 at once ({found / fixed:.1%})"


with ThreadPoolExecutor(2) as pool:
    for line in pool.map(compare, (4, 64)):
        print(line, flush=True)
