#!/usr/bin/env python3
"""The whole pipeline beside a bare reqwest loop, against the same server, in one run.

usage: bench_pipeline.py [REQUESTS] [CONCURRENCY]
Needs: cargo build --release --locked --bins --example bare_loop
Prints requests/s (ratio), and CPU a request of each client process. Ratios hold on any machine,
seconds do not.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MILL = ROOT / "target/release/instructmill"
BARE = ROOT / "target/release/examples/bare_loop"
REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
CONCURRENCY = int(sys.argv[2]) if len(sys.argv) > 2 else 64
PORT = 8123
BASE = f"http://127.0.0.1:{PORT}/v1"


def timed(command, **options):
    """Wall seconds, CPU seconds and peak MB of a command."""
    started = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], **options)
    _, _, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    server = subprocess.Popen([MILL, "simulate", "--port", str(PORT)], stderr=subprocess.DEVNULL)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        time.sleep(0.5)
        start = timed([MILL, "status", "--run", "none"], **quiet)
        print(f"start-up: {start[1] * 1000:.0f} ms CPU")
        for _ in range(3):
            bare = timed([BARE, BASE, REQUESTS, CONCURRENCY], **quiet)
            with tempfile.TemporaryDirectory() as folder:
                command = [MILL, "generate", "--run", f"{folder}/run", "--base-url", BASE,
                           "--model", "m", "--price-in", "1", "--price-out", "1", "--budget", "1000",
                           "--target", "10000000", "--max-requests", REQUESTS,
                           "--concurrency", CONCURRENCY]
                ours = timed(command, **quiet)
                status = subprocess.run([MILL, "status", "--json", "--run", f"{folder}/run"],
                                        capture_output=True, check=True)
                totals = json.loads(status.stdout)
            print(f"bare loop: {REQUESTS / bare[0]:.0f} requests/s, "
                  f"{bare[1] / REQUESTS * 1000:.3f} ms CPU a request, {bare[2]:.0f} MB")
            print(f"pipeline:  {REQUESTS / ours[0]:.0f} requests/s ({bare[0] / ours[0]:.0%}), "
                  f"{ours[1] / REQUESTS * 1000:.3f} ms CPU a request, {ours[2]:.0f} MB, "
                  f"{totals['accepted']} tasks accepted")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
