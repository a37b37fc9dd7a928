#!/usr/bin/env bash
# Runs `generate` against aimock (npm, MIT), which speaks chat completions, Responses, Anthropic and
# Gemini, answers from fixtures, and breaks answers on demand. Needs node with npm.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly VERSION=1.43.0
readonly HOME_DIR=$TOOLS/aimock-$VERSION
readonly AIMOCK=$HOME_DIR/node_modules/.bin/llmock

if [[ ! -x $AIMOCK ]]; then
  mkdir -p "$HOME_DIR"
  npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$HOME_DIR" "@copilotkit/aimock@$VERSION"
fi

# Three tasks, one of them twice, with a usage that the ledger has to find in each API's names.
python3 - >"$WORK/fixtures.json" <<'PYTHON'
import json
tasks = [
    {"instruction": "Explain how tides follow the moon.", "input": "", "output": "Its pull raises the sea."},
    {"instruction": "List three uses of baking soda.", "input": "", "output": "Cleaning, baking, odours."},
    {"instruction": "List three uses of baking soda.", "input": "", "output": "Cleaning, baking, odours."},
]
response = {
    "content": json.dumps({"tasks": tasks}),
    "usage": {"prompt_tokens": 123, "completion_tokens": 45, "total_tokens": 168},
}
print(json.dumps({"fixtures": [{"match": {"userMessage": "task"}, "response": response}]}))
PYTHON

# Six answers with the usage above.
readonly TOKENS="738 270"

# against NAME [FLAG...]: a run for each API on a server with these flags.
against() {
  local name=$1 port
  shift
  port=$(free_port)
  serve "http://127.0.0.1:$port/health" "$AIMOCK" -p "$port" -f "$WORK/fixtures.json" "$@"
  local root=http://127.0.0.1:$port few=(--max-requests 6 --concurrency 3)
  generate "$name-openai" openai "$root/v1" gpt-4o-mini "${few[@]}"
  generate "$name-openai-responses" openai-responses "$root/v1" gpt-4o-mini "${few[@]}"
  generate "$name-anthropic" anthropic "$root/v1" claude-haiku-4-5 "${few[@]}"
  generate "$name-gemini" gemini "$root/v1beta" gemini-2.5-flash "${few[@]}"
  generate "$name-azure" azure "$root" gpt-4o-mini "${few[@]}"
}

against plain
against ratelimit --chaos-ratelimit 0.3
against drop --chaos-drop 0.2
against disconnect --chaos-disconnect 0.2
done_with "aimock $VERSION"
