#!/usr/bin/env python3
"""Times `instructmill dedup` beside what one would use from PyPI, on the same file, in one run.

    pip install rapidfuzz rensa datasketch semhash     # each is left out when it is not there
    cargo build --release
    python3 examples/bench_dedup.py INSTRUCTIONS.jsonl [--limit 10000]

INSTRUCTIONS has a JSON object a line with "instruction". Each contender reads the file, goes through the
texts in order and keeps those that are no duplicate of one kept before. Reported: CPU seconds, peak memory, and
how many verdicts differ from ROUGE-L above 0.7. Contenders that compare every pair get only --limit texts.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

BINARY = pathlib.Path("target/release/instructmill")
THRESHOLD = 0.7


def texts_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line)["instruction"] for line in file]


def run_rapidfuzz(texts):
    """Indel similarity over words is 2 LCS / (m + n): ROUGE-L by another name, ties apart."""
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    kept, words = [], []
    for number, text in enumerate(texts):
        new = tuple("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
        cutoff = THRESHOLD + 1e-12
        if new and process.extractOne(
            new, words, scorer=Indel.normalized_similarity, processor=None, score_cutoff=cutoff
        ):
            continue
        kept.append(number)
        words.append(new)
    return kept


def run_rensa(texts):
    from rensa import RMinHash, RMinHashLSH

    lsh = RMinHashLSH(threshold=0.5, num_perm=128, num_bands=32)
    kept, hashes = [], {}
    for number, text in enumerate(texts):
        signature = RMinHash(num_perm=128, seed=1)
        signature.update(text.lower().split())
        if any(hashes[other].jaccard(signature) > 0.54 for other in lsh.query(signature)):
            continue
        lsh.insert(number, signature)
        hashes[number] = signature
        kept.append(number)
    return kept


def run_datasketch(texts):
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=0.54, num_perm=128)
    kept = []
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([word.encode() for word in text.lower().split()])
        if lsh.query(signature):
            continue
        lsh.insert(number, signature)
        kept.append(number)
    return kept


def run_semhash(texts):
    from semhash import SemHash

    result = SemHash.from_records(records=texts).self_deduplicate()
    left = set(result.selected)
    return [number for number, text in enumerate(texts) if text in left]


CONTENDERS = {
    "rapidfuzz": (run_rapidfuzz, True),
    "rensa": (run_rensa, False),
    "datasketch": (run_datasketch, False),
    "semhash": (run_semhash, False),
}


def ours(path, folder):
    output = pathlib.Path(folder, "kept.jsonl")
    command = [BINARY, "dedup", path, "--output", output, "--similarity", "rouge-l", "--field", "instruction"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with open(output, encoding="utf-8") as file:
        kept = [line for line in file]
    with open(path, encoding="utf-8") as file:
        lines = list(file)
    numbers, at = [], 0
    for number, line in enumerate(lines):
        if at < len(kept) and kept[at].rstrip("\n") == line.rstrip("\n"):
            numbers.append(number)
            at += 1
    return numbers, cpu, wall, after.ru_maxrss / 1024


def child(name, path):
    texts = texts_of(path)
    before = resource.getrusage(resource.RUSAGE_SELF)
    kept = CONTENDERS[name][0](texts)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([kept, cpu, after.ru_maxrss / 1024]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("instructions")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.instructions)
    with tempfile.TemporaryDirectory() as folder:
        few = pathlib.Path(folder, "few.jsonl")
        with open(arguments.instructions, encoding="utf-8") as file:
            few.write_text("".join(line for _, line in zip(range(arguments.limit), file)))
        exact = {}
        for path, label in ((arguments.instructions, "all texts"), (few, f"the first {arguments.limit:,}")):
            kept, cpu, wall, peak = ours(path, folder)
            exact[str(path)] = kept
            print(f"instructmill, {label}: {len(kept):,} kept, {cpu:.2f} s CPU, {wall:.2f} s, {peak:.0f} MB")
        for name, (_, is_quadratic) in CONTENDERS.items():
            path = str(few if is_quadratic else arguments.instructions)
            command = [sys.executable, __file__, path, "--child", name]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode != 0:
                print(f"{name}: left out: {result.stderr.strip().splitlines()[-1]}")
                continue
            kept, cpu, peak = json.loads(result.stdout.strip().splitlines()[-1])
            theirs, true = set(kept), set(exact[path])
            label = "the first texts" if is_quadratic else "all texts"
            print(
                f"{name}, {label}: {len(kept):,} kept, {cpu:.2f} s CPU, {peak:.0f} MB; "
                f"{len(theirs - true):,} duplicates missed, {len(true - theirs):,} novel texts dropped"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
