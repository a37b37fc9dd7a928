# What the conformance scripts share; sourced by them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

TARGET_DIR=${CARGO_TARGET_DIR:-target}
[[ $TARGET_DIR == /* ]] || TARGET_DIR=$PWD/$TARGET_DIR
INSTRUCTMILL=${INSTRUCTMILL:-$TARGET_DIR/debug/instructmill}
TOOLS=$TARGET_DIR/conformance
WORK=$(mktemp -d)
SERVERS=()
FAILED=0

mkdir -p "$TOOLS"
[[ -x $INSTRUCTMILL ]] || cargo build --locked

# Only what this script started is ended.
finish() {
  local pid
  for pid in "${SERVERS[@]:-}"; do [[ -z $pid ]] || kill "$pid" 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap finish EXIT

# free_port: prints a port that nobody listens on.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve URL COMMAND...: starts a server and waits until URL answers.
serve() {
  local url=$1 attempt
  shift
  "$@" >"$WORK/server.log" 2>&1 &
  SERVERS+=($!)
  for attempt in $(seq 300); do
    if curl -sf -o /dev/null "$url"; then return; fi
    kill -0 "${SERVERS[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$WORK/server.log" >&2
  echo "no server at $url" >&2
  exit 1
}

# generate NAME PROVIDER BASE_URL MODEL [FLAG...]: a free run that must end well and replay to the same
# tasks; with TOKENS="INPUT OUTPUT" the ledger must have counted just so many.
generate() {
  local name=$1 provider=$2 base_url=$3 model=$4 run=$WORK/$1
  shift 4
  if CONFORMANCE_KEY=sk-conformance-0123456789 "$INSTRUCTMILL" generate --yes --run "$run" \
    --provider "$provider" --base-url "$base_url" --model "$model" --api-key-env CONFORMANCE_KEY \
    --price-in 0 --price-out 0 "$@" >"$WORK/$name.out" 2>&1 &&
    "$INSTRUCTMILL" replay --run "$run" --check >>"$WORK/$name.out" 2>&1; then
    "$INSTRUCTMILL" status --run "$run" --json | python3 -c "
import json, sys
s = json.load(sys.stdin)
t = s['tokens']
counted = [t['input'] + t['cached_input'], t['output']]
if '${TOKENS:-}' and counted != [int(n) for n in '${TOKENS:-}'.split()]:
    sys.exit('FAILED  $name: counted %s tokens, expected ${TOKENS:-}' % counted)
print('ok      $name:', s['accepted'], 'accepted,', s['attempts'], 'attempts,', s['rate_limited'],
      'rate limited,', s['refused'], 'refused,', s['unconfirmed_attempts'], 'unconfirmed,',
      counted[0], 'input and', counted[1], 'output tokens')" || FAILED=$((FAILED + 1))
  else
    FAILED=$((FAILED + 1))
    echo "FAILED  $name"
    tail -20 "$WORK/$name.out"
  fi
}

# done_with NAME: the verdict.
done_with() {
  echo "$1: $FAILED failed"
  ((FAILED == 0))
}
