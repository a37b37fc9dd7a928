#!/usr/bin/env python3
"""Whole tasks in one request against instructions first and outputs for those that passed.

usage: bench_phases.py [TARGET ...]        default: 5000 20000 52000
Needs: cargo build --release --locked --bins

Both ways run against the simulator at the same prices, with the same seed tasks, rules and random
seed, until the same number of tasks is accepted. Printed: US dollars per 1,000 accepted pairs and
what they went for. Then, from the tokens that were counted, what both ways would have cost had the
outputs been two, four and eight times as long: the simulator's are about 60 tokens, real models'
are often several hundred.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MILL = BUILT / "instructmill"
# Prices a million tokens: a model whose output costs four times its input, as most do, and one
# of a single price, as Alpaca's was.
PRICES = [("gpt-4o-mini", 0.15, 0.60), ("one price", 20.0, 20.0)]
WAYS = [
    ("one phase", ["--phases", "tasks"]),
    ("two phases", ["--phases", "instructions+responses"]),
    ("two phases, 5 outputs a request",
     ["--phases", "instructions+responses", "--responses-tasks-per-request", "5"]),
]
LONGER = [2, 4, 8]


def run(folder, target, prices, flags):
    """The summary of a run to the target, as `status --json` has it, and its folder."""
    run_dir = pathlib.Path(folder) / "run"
    command = [MILL, "generate", "--run", run_dir, "--provider", "simulated", "--yes",
               "--price-in", prices[0], "--price-out", prices[1], "--budget", "100000",
               "--target", target, "--simulated-latency-ms", "0", "--concurrency", "64", *flags]
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
    return json.loads((run_dir / "summary.json").read_text()), run_dir


def output_tokens(run_dir):
    """Tokens of the outputs that were paid for, rejected ones included: four bytes a token, as
    the simulator counts."""
    import sqlite3
    database = sqlite3.connect(run_dir / "run.db")
    (size,) = database.execute(
        "SELECT sum(length(CAST(output AS BLOB))) FROM candidates WHERE open IS NULL").fetchone()
    database.close()
    return size / 4


def main():
    targets = [int(text) for text in sys.argv[1:]] or [5000, 20000, 52000]
    longer = "".join(f" | outputs x{times}" for times in LONGER)
    print(f"| target | price | way | duplicates | requests | USD per 1,000{longer} |")
    print("|--:|---|---|--:|--:|--:" + "|--:" * len(LONGER) + "|")
    for target in targets:
        for name, *prices in PRICES:
            for way, flags in WAYS:
                with tempfile.TemporaryDirectory() as folder:
                    summary, run_dir = run(folder, target, prices, flags)
                    outputs = output_tokens(run_dir)
                accepted = summary["accepted"]
                spent = float(summary["spent_usd"])
                duplicates = sum(summary["rejections"]["novelty"].values())
                share = duplicates / summary["candidates"]
                cells = [spent / accepted * 1000]
                for times in LONGER:
                    more = outputs * (times - 1) * prices[1] / 1e6
                    cells.append((spent + more) / accepted * 1000)
                costs = " | ".join(f"{cost:.4f}" for cost in cells)
                print(f"| {target:,} | {name} | {way} | {share:.0%} | {summary['requests']:,} | "
                      f"{costs} |", flush=True)


if __name__ == "__main__":
    main()
