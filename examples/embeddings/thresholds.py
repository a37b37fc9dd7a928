#!/usr/bin/env python3
"""Show what thresholds mean: of instructions in a file, pairs that are about so similar.

usage: thresholds.py MODEL INSTRUCTIONS.jsonl [--first 20000]

Each line of the file is an object with an `instruction`.
"""

import argparse
import json
from pathlib import Path

import numpy

from minilm import MiniLM

LEVELS = [0.70, 0.75, 0.80, 0.85, 0.90, 0.95]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("instructions", type=Path)
    parser.add_argument("--first", type=int, default=20_000)
    arguments = parser.parse_args()
    with arguments.instructions.open() as lines:
        texts = [json.loads(line)["instruction"] for line, _ in zip(lines, range(arguments.first))]
    vectors, tokens = MiniLM(arguments.model).embed(texts)
    print(f"{len(texts)} instructions, {tokens} tokens")
    nearest, score = numpy.zeros(len(texts), int), numpy.zeros(len(texts))
    for begin in range(1, len(texts), 500):
        rows = slice(begin, min(begin + 500, len(texts)))
        scores = vectors[rows] @ vectors.T
        # Each is compared with those before it.
        scores[numpy.arange(len(texts)) >= numpy.arange(begin, rows.stop)[:, None]] = -1
        nearest[rows], score[rows] = scores.argmax(axis=1), scores.max(axis=1)
    print("nearest earlier one, quantiles:", numpy.quantile(score[1:], [0.1, 0.5, 0.9, 0.99]).round(3).tolist())
    for level in LEVELS:
        print(f"\nabove {level}: {(score > level).mean():.2%}; just above it:")
        for place in [i for i in numpy.argsort(score) if level < score[i]][:6]:
            print(f"  {score[place]:.3f}  {texts[place]!r} ~ {texts[nearest[place]]!r}")


if __name__ == "__main__":
    main()
