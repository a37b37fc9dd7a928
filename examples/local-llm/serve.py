#!/usr/bin/env python3
"""Serve one GGUF model over an OpenAI-compatible HTTP API on 127.0.0.1.

The server is llama.cpp's own, inside this process (package xllamacpp). It
answers /v1/chat/completions, /v1/completions, /v1/models and /health, and runs
until SIGINT or SIGTERM.
"""

import argparse
import signal
from pathlib import Path

import xllamacpp


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--alias", default="local", help="the model name in replies")
    parser.add_argument("--parallel", type=int, default=4, help="requests worked on at once")
    parser.add_argument("--context", type=int, default=4096, help="tokens for each request, prompt and answer")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="more than the idle cores is slower than one: the threads wait for each other by spinning",
    )
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        parser.error(f"no such file: {arguments.model} (fetch_model.py gets one)")
    return arguments


def server_parameters(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(arguments.model)
    parameters.model_alias = {arguments.alias}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = arguments.port
    parameters.n_parallel = arguments.parallel
    parameters.n_ctx = arguments.context * arguments.parallel  # the server divides it among the slots
    parameters.cpuparams.n_threads = arguments.threads
    parameters.cpuparams_batch.n_threads = arguments.threads
    return parameters


def main() -> None:
    arguments = parse_arguments()
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the server starts its threads, which inherit the mask: only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    server = xllamacpp.Server(server_parameters(arguments))
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(stop_signals)


if __name__ == "__main__":
    main()
