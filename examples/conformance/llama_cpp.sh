#!/usr/bin/env bash
# Runs `generate` against llama.cpp's own server with a small real model, over each API that it
# speaks: chat completions, legacy completions, Responses and Anthropic Messages, with JSON schema.
# examples/local-llm sets server and model up; takes minutes on one core. SERVER names one that runs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly LOCAL=examples/local-llm VENV=${VENV:-$TOOLS/xllamacpp}
readonly XLLAMACPP_VERSION=2026.10.11549

if [[ -z ${SERVER:-} ]]; then
  [[ -x $VENV/bin/python ]] || python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: "xllamacpp==$XLLAMACPP_VERSION"
  MODEL=${MODEL:-$("$VENV/bin/python" "$LOCAL/fetch_model.py" "$VENV/model")}
  PORT=$(free_port)
  SERVER=http://127.0.0.1:$PORT
  serve "$SERVER/health" "$VENV/bin/python" "$LOCAL/serve.py" "$MODEL" --port "$PORT" --alias smollm2 --threads 1
fi

readonly SMALL=(--max-requests 3 --concurrency 2 --num-examples 3 --tasks-per-request 3 --max-output-tokens 400)
generate chat llamacpp "$SERVER/v1" smollm2 "${SMALL[@]}"
generate completions openai-completions "$SERVER/v1" smollm2 "${SMALL[@]}"
generate responses openai-responses "$SERVER/v1" smollm2 "${SMALL[@]}"
generate messages anthropic "$SERVER/v1" smollm2 "${SMALL[@]}"
done_with "llama.cpp"
