#!/usr/bin/env python3
"""Makes the texts on which docs/benchmarks.md measures the novelty index, the same ones every time.

    python3 examples/novelty_texts.py altered INSTRUCTIONS.jsonl 1000000 > altered.jsonl
    python3 examples/novelty_texts.py joined INSTRUCTIONS.jsonl 100000 > joined.jsonl
    python3 examples/novelty_texts.py paragraphs ~/.cargo/registry/src /usr/lib/python3 > paragraphs.jsonl

`altered`: an instruction drawn at random in which a share of the words, drawn anew for each text, gives
way to words of other instructions. `joined`: pieces of instructions one after the other, 10 to 200 words
in all. `paragraphs`: the comments of Rust sources and the docstrings of Python modules below those
folders, cut at empty lines, those of 10 to 200 words.
"""

import ast
import json
import pathlib
import random
import sys
import warnings


def instructions_of(path):
    with open(path, encoding="utf-8") as file:
        texts = [json.loads(line)["instruction"].split() for line in file]
    return [words for words in texts if words]


def altered(path, count):
    instructions, draw = instructions_of(path), random.Random(1)
    words = [word for text in instructions for word in text]
    for _ in range(int(count)):
        share = draw.uniform(0.1, 0.7)
        text = draw.choice(instructions)
        yield [draw.choice(words) if draw.random() < share else word for word in text]


def joined(path, count):
    instructions, draw = instructions_of(path), random.Random(2)
    for _ in range(int(count)):
        length, text = draw.randint(10, 200), []
        while len(text) < length:
            piece = draw.choice(instructions)
            start = draw.randrange(len(piece))
            text += piece[start : start + draw.randint(3, 20)]
        yield text[:length]


def paragraphs(*folders):
    paths = sorted(path for folder in folders for path in pathlib.Path(folder).expanduser().rglob("*"))
    for path in paths:
        if path.suffix == ".rs" and path.is_file():
            comments = rust_comments(path.read_text(encoding="utf-8", errors="replace"))
        elif path.suffix == ".py" and path.is_file():
            comments = python_docstrings(path.read_text(encoding="utf-8", errors="replace"))
        else:
            continue
        for paragraph in comments:
            words = paragraph.split()
            if 10 <= len(words) <= 200:
                yield words


def rust_comments(source):
    lines = []
    for line in source.splitlines():
        code, mark, comment = line.partition("//")
        is_comment = mark and not code.strip()
        text = comment.lstrip("/!").strip() if is_comment else ""
        if text:
            lines.append(text)
        elif lines:
            yield " ".join(lines)
            lines = []


def python_docstrings(source):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from (ast.get_docstring(node) or "").split("\n\n")


def main():
    kinds = {"altered": altered, "joined": joined, "paragraphs": paragraphs}
    if len(sys.argv) < 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    for words in kinds[sys.argv[1]](*sys.argv[2:]):
        print(json.dumps({"instruction": " ".join(words)}, ensure_ascii=False))


if __name__ == "__main__":
    main()
