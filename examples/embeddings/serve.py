#!/usr/bin/env python3
"""Serve all-MiniLM-L6-v2 at /v1/embeddings, as OpenAI's API does, on 127.0.0.1."""

import argparse
import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from minilm import MiniLM

NAME = "all-MiniLM-L6-v2"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: MiniLM
    lock = Lock()

    def do_GET(self) -> None:
        self.answer(200, {"object": "list", "data": [{"id": NAME, "object": "model"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v1/embeddings":
            return self.refuse(404, "unknown path")
        try:
            request = json.loads(body)
            texts = request["input"]
            texts = [texts] if isinstance(texts, str) else list(texts)
        except (ValueError, KeyError, TypeError):
            return self.refuse(400, "expected a JSON object with `input`")
        if not texts or not all(isinstance(text, str) and text for text in texts):
            return self.refuse(400, "`input` must be a text or a list of texts, none empty")
        with self.lock:
            vectors, tokens = self.model.embed(texts)
        if request.get("encoding_format") == "base64":
            written = [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
        else:
            written = [vector.tolist() for vector in vectors]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(written)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.answer(200, {"object": "list", "data": data, "model": NAME, "usage": usage})

    def refuse(self, status: int, message: str) -> None:
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the folder with model.safetensors and tokenizer.json")
    parser.add_argument("--port", type=int, default=8094)
    arguments = parser.parse_args()
    Handler.model = MiniLM(arguments.model)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    print(f"{NAME} at http://127.0.0.1:{server.server_port}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
