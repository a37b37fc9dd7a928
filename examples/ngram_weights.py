"""How far copies and neighbours are apart in the Jaccard similarity of character n-grams.

    python3 examples/ngram_weights.py FILE.jsonl

Each line of FILE is an object with an `instruction`. For every weight of an n-gram this prints the
similarity that nine of ten changed copies of an instruction reach, by kind of change, and the one
that only 3 % of the instructions reach with another of the file. `docs/benchmarks.md` has the
figures by which `src/novelty/minhash/ngrams.rs` chose its weight.
"""

import json
import random
import sys
import unicodedata
from collections import Counter, defaultdict

CHANGED, COMPARED = 1000, 300


def folded(text):
    text = unicodedata.normalize("NFKC", text).lower()
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def weight(char):
    code = ord(char)
    heavy = 0x2E80 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7A3 or code >= 0x20000
    return 2 if heavy else 1


def ngrams(text, least):
    text = folded(text)
    found = set()
    for start in range(len(text)):
        gathered, end = 0, start
        while end < len(text) and gathered < least:
            gathered += weight(text[end])
            end += 1
        if gathered >= least:
            found.add(text[start:end])
    return found or {text}


def swapped(text, rng):
    if len(text) < 3:
        return text
    place = rng.randrange(len(text) - 1)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def parts(text):
    words = text.split(" ")
    return (words, " ") if len(words) > 3 else (list(text), "")


def rotated(text, rng):
    words, between = parts(text.rstrip(".?!"))
    place = rng.randrange(1, max(2, len(words) - 1))
    return between.join(words[place:] + words[:place])


def dropped(text, rng):
    words, between = parts(text)
    place = rng.randrange(len(words))
    return between.join(words[:place] + words[place + 1 :])


def jaccard(a, b):
    return len(a & b) / len(a | b)


def nearest(number, sets, holders):
    shared = Counter(other for ngram in sets[number] for other in holders[ngram])
    scores = (
        count / (len(sets[number]) + len(sets[other]) - count)
        for other, count in shared.items()
        if sets[other] != sets[number]
    )
    return max(scores, default=0.0)


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        texts = [json.loads(line)["instruction"] for line in lines]
    rng = random.Random(1)
    sample = rng.sample(range(len(texts)), CHANGED)
    for least in range(3, 8):
        sets = [ngrams(text, least) for text in texts]
        holders = defaultdict(list)
        for number, found in enumerate(sets):
            for ngram in found:
                holders[ngram].append(number)
        neighbours = [nearest(number, sets, holders) for number in sample[:COMPARED]]
        row = [f"weight {least}: neighbours {quantile(neighbours, 0.97):.2f}"]
        for name, change in [("letters", swapped), ("halves", rotated), ("word", dropped)]:
            copies = [
                jaccard(sets[number], ngrams(change(texts[number], rng), least)) for number in sample
            ]
            row.append(f"{name} {quantile(copies, 0.1):.2f}")
        print(", ".join(row), flush=True)


main()
