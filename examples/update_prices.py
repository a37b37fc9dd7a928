#!/usr/bin/env python3
"""Makes src/ledger/model_prices.json from LiteLLM's price table.

    pip download --no-deps litellm && unzip -j litellm-*.whl '*model_prices_and_context_window_backup.json'
    examples/update_prices.py model_prices_and_context_window_backup.json src/ledger/model_prices.json

Kept are models that write text, of providers that instructmill knows, with both prices, and the
embedding models of the same providers; and of each the facts that instructmill reads. Then set
BUNDLED_SOURCE in src/ledger/table.rs, and look at `instructmill models --check` on the old and new table.
"""

import json
import re
import sys

PROVIDERS = {
    "openai", "text-completion-openai", "anthropic", "gemini", "azure", "openrouter",
    "together_ai", "groq", "deepseek", "mistral", "xai", "dashscope", "moonshot", "cerebras",
}
MODES = {"chat", "responses", "completion", "embedding"}
FACTS = {
    "litellm_provider", "mode", "source", "deprecation_date",
    "max_input_tokens", "max_output_tokens", "prompt_cache_min_tokens",
    "default_reasoning_effort", "supported_endpoints",
    "supports_reasoning", "supports_response_schema", "supports_system_messages",
    "supports_sampling_params", "supports_prompt_caching",
}
PRICE = re.compile(
    r"(input_cost_per_token|output_cost_per_token|output_cost_per_reasoning_token"
    r"|cache_read_input_token_cost|cache_creation_input_token_cost)"
    r"(_above_\d+k_tokens)?(_batches)?"
)
# Text in, text out: what is priced by image, second or search besides is left out.
OTHER_OUTPUT = re.compile(r"audio|realtime|image|tts|transcribe|search|live|computer")


def wanted(name, entry):
    if not isinstance(entry, dict) or entry.get("litellm_provider") not in PROVIDERS:
        return False
    if entry.get("mode") not in MODES or OTHER_OUTPUT.search(name):
        return False
    embedding = entry["mode"] == "embedding"
    prices = [entry.get("input_cost_per_token"), 0 if embedding else entry.get("output_cost_per_token")]
    return all(price is not None for price in prices)


def facts(entry):
    kept = {key: value for key, value in entry.items() if key in FACTS or PRICE.fullmatch(key)}
    return {key: value for key, value in sorted(kept.items()) if value is not None}


def main(source, target):
    with open(source, encoding="utf-8") as file:
        table = json.load(file)
    bundle = {name: facts(entry) for name, entry in sorted(table.items()) if wanted(name, entry)}
    with open(target, "w", encoding="utf-8") as file:
        json.dump(bundle, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(f"{len(bundle)} models")


if __name__ == "__main__":
    main(*sys.argv[1:])
