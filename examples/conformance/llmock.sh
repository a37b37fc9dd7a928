#!/usr/bin/env bash
# Runs `generate` against llmock (PyPI, MIT), a server that grades its clients: whether they wait as
# long as Retry-After says, do not retry what cannot succeed, and do not storm. Its report must be
# clean. Needs python3 with venv and pip; takes seconds.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly VERSION=0.2.2
readonly VENV=$TOOLS/llmock-$VERSION

if ! "$VENV/bin/llmock" --help >/dev/null 2>&1; then
  rm -rf "$VENV"
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check "llmock==$VERSION"
fi

readonly PORT=$(free_port) URL=http://127.0.0.1
readonly ROOT=$URL:$PORT
serve "$ROOT/health" "$VENV/bin/llmock" serve --port "$PORT" --rpm 6000 --tpm 60000000

# fail STATUS TIMES [SECONDS]: the next requests are refused.
fail() {
  local wait=${3:+, \"retry_after\": $3}
  curl -sf -o /dev/null -X POST "$ROOT/_llmock/scenario" -H 'content-type: application/json' \
    -d "{\"behaviors\": [{\"type\": \"fail\", \"status\": $1, \"times\": $2$wait}]}"
}

readonly FEW=(--max-requests 6 --concurrency 3)
generate openai openai "$ROOT/v1" gpt-4o-mini "${FEW[@]}"
generate openai-responses openai-responses "$ROOT/v1" gpt-4o-mini "${FEW[@]}"
generate anthropic anthropic "$ROOT/anthropic/v1" claude-haiku-4-5 "${FEW[@]}"
generate gemini gemini "$ROOT/gemini/v1beta" gemini-2.5-flash "${FEW[@]}"
generate mistral mistral "$ROOT/mistral/v1" mistral-small-latest "${FEW[@]}"
generate groq groq "$ROOT/groq/openai/v1" llama-3.3-70b-versatile "${FEW[@]}"
generate together together "$ROOT/together/v1" some-model "${FEW[@]}"
generate xai xai "$ROOT/xai/v1" grok-4.3 "${FEW[@]}"

generate openai-batch openai "$ROOT/v1" gpt-4o-mini --batch "${FEW[@]}"
generate anthropic-batch anthropic "$ROOT/anthropic/v1" claude-haiku-4-5 --batch "${FEW[@]}"

fail 429 3 1
generate openai-429 openai "$ROOT/v1" gpt-4o-mini "${FEW[@]}"
fail 429 3 1
generate anthropic-429 anthropic "$ROOT/anthropic/v1" claude-haiku-4-5 "${FEW[@]}"
fail 429 3 1
generate gemini-429 gemini "$ROOT/gemini/v1beta" gemini-2.5-flash "${FEW[@]}"
fail 503 2
generate openai-503 openai "$ROOT/v1" gpt-4o-mini "${FEW[@]}"
fail 529 2
generate anthropic-529 anthropic "$ROOT/anthropic/v1" claude-haiku-4-5 "${FEW[@]}"

"$VENV/bin/llmock" report --strict --url "$ROOT" || FAILED=$((FAILED + 1))
done_with "llmock $VERSION"
