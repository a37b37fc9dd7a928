#!/usr/bin/env python3
"""Compares instructmill's ROUGE-L with PyPI's rouge-score, to the last bit and verdict by verdict.

    pip install rouge-score
    cargo build --release --bins --example rouge_l_pairs
    python3 examples/compare_rouge_score.py INSTRUCTIONS.jsonl[.gz] [--run 5000]

INSTRUCTIONS has a JSON object a line with "instruction" and perhaps "input", such as Alpaca's data. Two parts:
pairs of these texts that share many words, each scored by both, and an ordered run, each text against
all that were kept before it, as in Alpaca's generate_instruction.py. Exits with 1 at the first difference.
"""

import argparse
import collections
import gzip
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from rouge_score import rouge_scorer, scoring  # noqa: F401
from rouge_score.tokenizers import DefaultTokenizer

THRESHOLD = 0.7
TARGET = pathlib.Path("target/release")


def read(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row["instruction"]
            if row.get("input"):
                yield row["instruction"] + "\n" + row["input"]


def score(a, b):
    return rouge_scorer._score_lcs(a, b).fmeasure


def likely_pairs(tokens, wanted):
    """Pairs that share a rare token and at least half of all tokens, the most similar by far."""
    holders = collections.defaultdict(list)
    for number, text in enumerate(tokens):
        for token in set(text):
            holders[token].append(number)
    pairs = set()
    for numbers in holders.values():
        if len(numbers) > 60:
            continue
        for a, b in itertools.combinations(numbers, 2):
            m, n = len(tokens[a]), len(tokens[b])
            shared = sum((collections.Counter(tokens[a]) & collections.Counter(tokens[b])).values())
            if 2 * shared >= (m + n) * 0.5:
                pairs.add((a, b))
        if len(pairs) >= wanted:
            break
    return sorted(pairs)


def altered(texts, count, rng):
    """Real texts beside themselves with words left out or taken from another: scores around 0.7."""
    for _ in range(count):
        text, other = rng.choice(texts).split(), rng.choice(texts).split()
        share = rng.uniform(0.1, 0.5)
        kept = [rng.choice(other) if rng.random() < share and other else word for word in text]
        cut = [word for word in kept if rng.random() > share / 2]
        yield " ".join(text), " ".join(cut)


def compare_pairs(texts, rng):
    tokenizer = DefaultTokenizer(use_stemmer=False)
    tokens = [tokenizer.tokenize(text) for text in texts]
    pairs = [(texts[a], texts[b]) for a, b in likely_pairs(tokens, 20_000)]
    pairs += list(altered(texts, 20_000, rng))
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    command = [TARGET / "examples/rouge_l_pairs", "rouge-l"]
    output = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    ours = [float(line) for line in output.splitlines()]
    assert len(ours) == len(pairs)
    ties = {True: 0, False: 0}
    for (a, b), mine in zip(pairs, ours):
        x, y = tokenizer.tokenize(a), tokenizer.tokenize(b)
        theirs = score(y, x)
        if mine != theirs:
            sys.exit(f"{mine!r} is not {theirs!r} for\n{a}\n{b}")
        if abs(theirs - THRESHOLD) < 1e-12:
            ties[theirs > THRESHOLD] += 1
    above = sum(mine > THRESHOLD for mine in ours)
    print(
        f"{len(pairs):,} pairs: every score equal to the last bit; {above:,} above {THRESHOLD}; "
        f"{sum(ties.values()):,} exactly at it, of which rounding puts {ties[True]:,} above"
    )


def compare_run(texts):
    tokenizer = DefaultTokenizer(use_stemmer=False)
    kept, tokens = [], []
    for number, text in enumerate(texts):
        new = tokenizer.tokenize(text)
        best = max((score(new, old) for old in tokens), default=0.0)
        if best <= THRESHOLD:
            kept.append(number)
            tokens.append(new)
    with tempfile.TemporaryDirectory() as folder:
        source, output = pathlib.Path(folder, "in.jsonl"), pathlib.Path(folder, "out.jsonl")
        rows = (json.dumps({"instruction": text, "row": i}) for i, text in enumerate(texts))
        source.write_text("".join(row + "\n" for row in rows))
        command = [TARGET / "instructmill", "dedup", source, "--output", output, "--similarity", "rouge-l"]
        subprocess.run(command, check=True, capture_output=True)
        ours = [json.loads(line)["row"] for line in output.read_text().splitlines()]
    if ours != kept:
        sys.exit(f"the runs differ: {sorted(set(ours) ^ set(kept))[:10]}")
    print(f"ordered run of {len(texts):,}: the same {len(kept):,} are kept")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("instructions")
    parser.add_argument("--run", type=int, default=5_000)
    arguments = parser.parse_args()
    rng = random.Random(1)
    texts = list(read(arguments.instructions))
    compare_pairs(texts, rng)
    # Near-duplicates among them, so that the run has verdicts of both kinds.
    run = rng.sample(texts, arguments.run * 3 // 4)
    run += [second for _, second in altered(run, arguments.run - len(run), rng)]
    rng.shuffle(run)
    compare_run(run)


if __name__ == "__main__":
    main()
