#!/usr/bin/env python3
"""The whole pipeline beside a bare reqwest loop with the same bodies and the same server, in one run.

usage: bench_pipeline.py [REQUESTS] [CONCURRENCY]     pipeline and bare loop, server at 0 ms
       bench_pipeline.py in-flight [REQUESTS]         1,000 requests under way, server at 500 ms
Needs: cargo build --release --locked --bins --example bare_loop

Ratios within one run mean something, seconds do not carry over. "of the CPU" is the ratio of
client and server together, CPU a request: what the ratio of the rates is where nothing else runs
and every core is busy; a busy machine disturbs it less.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MILL = BUILT / "instructmill"
BARE = BUILT / "examples/bare_loop"
PORT = 8123
RECORDER_PORT = 8124
RECORDED = 300
ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


def base_url(port):
    return f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def simulator(*options):
    """A simulator of its own process, answering when the block begins."""
    command = [MILL, "simulate", "--port", str(PORT), *options]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield server
    finally:
        server.terminate()
        server.wait()


class Recorder(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the simulator and keeps their bodies."""

    protocol_version = "HTTP/1.1"
    bodies = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(body)
        server = http.client.HTTPConnection("127.0.0.1", PORT)
        server.request("POST", self.path, body, {"content-type": "application/json"})
        answer = server.getresponse()
        text = answer.read()
        server.close()
        self.send_response(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args):
        pass


def generate(port, folder, requests, concurrency, tasks):
    """The command of a run that ends after so many requests."""
    return [MILL, "generate", "--run", f"{folder}/run", "--base-url", base_url(port),
            "--model", "m", "--price-in", "1", "--price-out", "1", "--budget", "10000",
            "--target", "10000000", "--max-requests", requests, "--concurrency", concurrency,
            "--tasks-per-request", tasks, "--phases", "tasks"]


def record_bodies(path, tasks):
    """Writes the bodies of a short run to a file, one a line."""
    Recorder.bodies.clear()
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", RECORDER_PORT), Recorder)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        timed(generate(RECORDER_PORT, folder, RECORDED, 8, tasks))
    proxy.shutdown()
    proxy.server_close()
    pathlib.Path(path).write_bytes(b"\n".join(Recorder.bodies))


def timed(command):
    """Wall seconds, CPU seconds and peak MB of a command."""
    started = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([str(part) for part in command], **quiet)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status != 0:
        sys.exit(f"this failed: {' '.join(map(str, command))}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def cpu_of(server):
    """CPU seconds of a running process, on Linux."""
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(server, command, requests):
    """Rate, ms of CPU a request, peak MB, and the server's ms of CPU a request."""
    before = cpu_of(server)
    wall, cpu, peak = timed(command)
    return requests / wall, cpu / requests * 1000, peak, (cpu_of(server) - before) / requests * 1000


def beside_the_bare_loop(server, requests, concurrency, tasks):
    print(f"tasks a request: {tasks}")
    with tempfile.TemporaryDirectory() as folder:
        bodies = f"{folder}/bodies"
        record_bodies(bodies, tasks)
        for number in range(ROUNDS):
            bare_command = [BARE, base_url(PORT), requests, concurrency, bodies]
            bare = measured(server, bare_command, requests)
            command = generate(PORT, f"{folder}/{number}", requests, concurrency, tasks)
            ours = measured(server, command, requests)
            of_cpu = (bare[1] + bare[3]) / (ours[1] + ours[3])
            print(f"  bare loop: {bare[0]:.0f} requests/s, {bare[1]:.3f} ms CPU a request "
                  f"(server {bare[3]:.3f}), {bare[2]:.0f} MB")
            print(f"  pipeline:  {ours[0]:.0f} requests/s ({ours[0] / bare[0]:.0%}; {of_cpu:.0%} "
                  f"of the CPU), {ours[1]:.3f} ms CPU a request (server {ours[3]:.3f}), "
                  f"{ours[2]:.0f} MB")


def in_flight(requests, concurrency, latency_ms):
    """How near a run comes to the rate that its concurrency and the latency allow."""
    ideal = concurrency / latency_ms * 1000
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu, peak = timed(generate(PORT, folder, requests, concurrency, 1))
        database = sqlite3.connect(f"{folder}/run/run.db")
        sent = [row[0] for row in
                database.execute("SELECT sent_at_ms FROM attempts ORDER BY sent_at_ms")]
        received = [row[0] for row in database.execute("SELECT received_at_ms FROM responses")]
        database.close()
    bill = http.client.HTTPConnection("127.0.0.1", PORT)
    bill.request("GET", "/simulator/bill")
    most_in_flight = json.loads(bill.getresponse().read()).get("max_in_flight")

    def share(count, milliseconds):
        rate = count / milliseconds * 1000
        return f"{rate:.0f} requests/s, {rate / ideal:.0%} of {ideal:.0f}"

    print(f"process: {share(requests, wall * 1000)}; {wall:.2f} s, "
          f"{cpu / requests * 1000:.3f} ms CPU a request, {peak:.0f} MB")
    print(f"without the first request: {share(requests - 1, max(received) - sent[1])}")
    # From two latencies after the start of the pool to the last request that took a free place.
    begin, end = sent[1] + 2 * latency_ms, sent[-1]
    steady = sum(begin <= moment < end for moment in received)
    print(f"while all places are taken: {share(steady, end - begin)}")
    print(f"most under way, as the server saw it: {most_in_flight}")


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["in-flight"]:
        requests = int(arguments[1]) if len(arguments) > 1 else 20000
        with simulator("--latency-ms", "500"):
            in_flight(requests, 1000, 500)
        return
    requests = int(arguments[0]) if arguments else 5000
    concurrency = int(arguments[1]) if len(arguments) > 1 else 64
    start_up = timed([MILL, "--version"])
    print(f"start-up: {start_up[1] * 1000:.0f} ms CPU")
    with simulator() as server:
        for tasks in (1, 10):
            beside_the_bare_loop(server, requests, concurrency, tasks)


if __name__ == "__main__":
    main()
