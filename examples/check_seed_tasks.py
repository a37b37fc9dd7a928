#!/usr/bin/env python3
"""Check a file of seed tasks and print its figures.

    python3 examples/check_seed_tasks.py seed_tasks/default.jsonl
    python3 examples/check_seed_tasks.py --any-size my_seeds.jsonl

Every violation is printed as `FILE:LINE: what is wrong` (without LINE when it concerns the whole
file); the exit code is 1 when there is one. `--any-size` leaves out the rules on the collection as
a whole (number of tasks, ids, shares, verbs, language), which are those of `default.jsonl`.

Needs Python 3.11 or later and nothing else.
"""

import argparse
import json
import re
import statistics
import sys
import textwrap
import unicodedata
from collections import Counter
from itertools import combinations
from pathlib import Path

# What default.jsonl promises.
TASKS = 175
MIN_CLASSIFICATION = 28
MIN_EMPTY_INPUT = 55
MIN_VERBS = 65
MEAN_INSTRUCTION_WORDS = (11.0, 15.0)
MAX_ROUGE_L = 0.5

TASK_KEYS = ["id", "name", "instruction", "instances", "is_classification"]
INSTANCE_KEYS = ["input", "output"]
NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
MAX_FIELD_WORDS = 150
MAX_LABEL_WORDS = 3

# Alpaca's filters on the instruction.
INSTRUCTION_WORDS = (4, 150)
KEYWORDS = re.compile(
    r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to|video|audio|music|flowchart|diagram)\b",
    re.IGNORECASE,
)

# Would confuse a reader of the numbered text format, or is no finished answer.
MARKERS = re.compile(r"###|\b\d+\.\s+(Instruction|Input|Output):|<noinput>", re.IGNORECASE)
UNFINISHED = re.compile(
    r"\[(your|insert|name|date|company)\b|\bas an ai\b|\blorem ipsum\b|\bTODO\b|\bXXX\b", re.IGNORECASE
)

# First words that open a question or a statement; any other first word counts as a verb.
OTHER_OPENERS = set(
    "a an the this these my i we you it there what which who whom whose when where why how is are was were "
    "am do does did can could would should will may might must has have if under on in at by for from with "
    "without to using given according apart roughly about between among as than three two one".split()
)


def read_lines(path, report):
    """The lines of the file, after checking its encoding and line ends."""
    raw = path.read_bytes()
    if raw.startswith(b"\xef\xbb\xbf"):
        report(None, "starts with a byte order mark")
    if b"\r" in raw:
        report(None, "has carriage returns; lines must end with LF")
    if not raw.endswith(b"\n"):
        report(None, "does not end with a line end")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        report(None, f"is not valid UTF-8: {error}")
        return []
    if text != unicodedata.normalize("NFC", text):
        report(None, "is not in Unicode normalisation form C")
    return text.removesuffix("\n").split("\n")


def read_tasks(lines, report):
    """The well-formed tasks, each as (line number, task)."""
    tasks = []
    for number, line in enumerate(lines, start=1):
        try:
            pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
            task = json.loads(line)
        except json.JSONDecodeError as error:
            report(number, f"is not JSON: {error}")
            continue
        problem = format_problem(pairs, task)
        if problem:
            report(number, problem)
        else:
            tasks.append((number, task))
    return tasks


def format_problem(pairs, task):
    """What is wrong with the keys and types of a task, or None."""
    if not isinstance(task, dict) or [key for key, _ in pairs] != TASK_KEYS:
        return f"must be an object with exactly the keys {', '.join(TASK_KEYS)}, in this order"
    if not all(isinstance(task[key], str) for key in ("id", "name", "instruction")):
        return "id, name and instruction must be strings"
    if not isinstance(task["is_classification"], bool):
        return "is_classification must be true or false"
    if not isinstance(task["instances"], list) or not task["instances"]:
        return "instances must be a list with at least one element"
    for instance in task["instances"]:
        if not isinstance(instance, dict) or list(instance) != INSTANCE_KEYS:
            return "each instance must be an object with exactly the keys input, output, in this order"
        if not all(isinstance(value, str) for value in instance.values()):
            return "input and output must be strings"
    return None


def check_instruction(task):
    """Yields what is wrong with the instruction."""
    instruction = task["instruction"]
    words = len(instruction.split())
    if not INSTRUCTION_WORDS[0] <= words <= INSTRUCTION_WORDS[1]:
        yield f"the instruction has {words} words"
    if found := KEYWORDS.search(instruction):
        yield f"the instruction has the filtered word '{found.group()}'"
    if instruction.startswith("Write a program"):
        yield "the instruction starts with 'Write a program'"
    if not instruction[:1].isalnum():
        yield "the instruction does not start with a letter or digit"
    if instruction != " ".join(instruction.split()):
        yield "the instruction has surplus white space"


def check_instances(task):
    """Yields what is wrong with the inputs and outputs."""
    for instance in task["instances"]:
        for field, text in instance.items():
            if text != text.strip():
                yield f"the {field} has white space at an end"
            if text.endswith(":"):
                yield f"the {field} ends with a colon"
            if found := MARKERS.search(text) or UNFINISHED.search(text):
                yield f"the {field} contains '{found.group()}'"
            if any(unicodedata.category(char) == "Cc" and char != "\n" for char in text):
                yield f"the {field} has a control character"
            if len(text.split()) > MAX_FIELD_WORDS:
                yield f"the {field} has more than {MAX_FIELD_WORDS} words"
        if not instance["output"]:
            yield "an output is empty"
        if instance["output"] == instance["input"]:
            yield "an output equals its input"
        if task["is_classification"] and len(instance["output"].split()) > MAX_LABEL_WORDS:
            yield f"is a classification, but '{instance['output']}' is no short label"
    inputs = [instance["input"] for instance in task["instances"]]
    if len(set(inputs)) < len(inputs):
        yield "two instances have the same input"


def tokens(text):
    """The tokens of rouge_score's default tokenizer without stemming."""
    return re.findall(r"[a-z0-9]+", text.lower())


def lcs_length(a, b):
    """The length of the longest common subsequence, with one bit for each token of `a`."""
    positions = {}
    for index, token in enumerate(a):
        positions[token] = positions.get(token, 0) | 1 << index
    all_bits = (1 << len(a)) - 1
    row = all_bits
    for token in b:
        matches = row & positions.get(token, 0)
        row = (row + matches) | (row - matches)
    return len(a) - (row & all_bits).bit_count()


def rouge_l(a, b):
    """The F1 of ROUGE-L for two token lists."""
    lcs = lcs_length(a, b)
    if lcs == 0:
        return 0.0
    precision, recall = lcs / len(b), lcs / len(a)
    return 2 * precision * recall / (precision + recall)


def check_similarity(tasks, report):
    """Reports pairs of instructions that are too similar; returns the most similar pair, or None."""
    tokenized = [(number, tokens(task["instruction"])) for number, task in tasks]
    nearest = None
    for (number, a), (other_number, b) in combinations(tokenized, 2):
        score = rouge_l(a, b)
        if score > MAX_ROUGE_L:
            report(other_number, f"ROUGE-L {score:.3f} with the instruction of line {number}")
        if nearest is None or score > nearest[0]:
            nearest = (score, number, other_number)
    return nearest


def check_unique(tasks, key, report):
    """Reports values of `key` that occur in more than one task."""
    first_line = {}
    for number, task in tasks:
        line = first_line.setdefault(task[key].casefold(), number)
        if line != number:
            report(number, f"has the same {key} as line {line}")


def opener(task):
    """The first word of the instruction, in lower case."""
    return re.match(r"[\w'-]*", task["instruction"]).group().lower()


def figures_of(tasks):
    """The numbers that describe the collection."""
    openers = Counter(opener(task) for task in tasks)
    instances = [instance for task in tasks for instance in task["instances"]]
    return {
        "tasks": len(tasks),
        "classification": sum(task["is_classification"] for task in tasks),
        "empty_input": sum(not task["instances"][0]["input"] for task in tasks),
        "instances": len(instances),
        "several_instances": sum(len(task["instances"]) > 1 for task in tasks),
        "verbs": sorted(set(openers) - OTHER_OPENERS),
        "questions": {word: openers[word] for word in sorted(set(openers) & OTHER_OPENERS)},
        "instruction_words": [len(task["instruction"].split()) for task in tasks],
        "input_words": [len(i["input"].split()) for i in instances if i["input"]],
        "output_words": [len(i["output"].split()) for i in instances],
        "non_ascii": sum(not (i["input"] + i["output"]).isascii() for i in instances),
    }


def check_collection(tasks, figures, report):
    """Reports what the collection as a whole falls short of."""
    if figures["tasks"] != TASKS:
        report(None, f"has {figures['tasks']} well-formed tasks, not {TASKS}")
    for name, minimum in (("classification", MIN_CLASSIFICATION), ("empty_input", MIN_EMPTY_INPUT)):
        if figures[name] < minimum:
            report(None, f"{name}: {figures[name]} tasks, fewer than {minimum}")
    if len(figures["verbs"]) < MIN_VERBS:
        report(None, f"{len(figures['verbs'])} leading verbs, fewer than {MIN_VERBS}")
    mean = statistics.mean(figures["instruction_words"])
    if not MEAN_INSTRUCTION_WORDS[0] <= mean <= MEAN_INSTRUCTION_WORDS[1]:
        report(None, f"instructions have {mean:.1f} words on average")
    for number, task in tasks:
        if task["id"] != f"seed_task_{number - 1}":
            report(number, f"the id is '{task['id']}', not 'seed_task_{number - 1}'")
        if not task["instruction"].isascii():
            report(number, "the instruction is not ASCII")


def print_figures(figures, nearest):
    """Prints the figures for a person to read."""
    print(f"tasks                      {figures['tasks']}")
    print(f"  classification           {figures['classification']}")
    print(f"  first input empty        {figures['empty_input']}")
    print(f"  with several instances   {figures['several_instances']}")
    print(f"instances                  {figures['instances']}")
    print(f"  not pure ASCII           {figures['non_ascii']}")
    for name in ("instruction_words", "input_words", "output_words"):
        words = figures[name]
        if words:
            spread = f"mean {statistics.mean(words):.1f}, median {statistics.median(words):g}, max {max(words)}"
            print(f"{name.replace('_', ' '):<27}{spread}")
    if nearest:
        print(f"highest ROUGE-L            {nearest[0]:.3f} (lines {nearest[1]} and {nearest[2]})")
    print(f"different leading verbs    {len(figures['verbs'])}")
    print(textwrap.indent(textwrap.fill(", ".join(figures["verbs"]), 96), "  "))
    others = ", ".join(f"{word} {count}" for word, count in figures["questions"].items())
    print(f"other first words          {sum(figures['questions'].values())} tasks")
    print(textwrap.indent(textwrap.fill(others, 96), "  "))


def main():
    """Checks the file named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check a file of seed tasks and print its figures.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--any-size", action="store_true", help="leave out the rules on the collection as a whole")
    arguments = parser.parse_args()

    violations = []

    def report(line, message):
        place = arguments.file if line is None else f"{arguments.file}:{line}"
        violations.append(f"{place}: {message}")

    tasks = read_tasks(read_lines(arguments.file, report), report)
    for number, task in tasks:
        for problem in (*check_instruction(task), *check_instances(task)):
            report(number, problem)
        if not NAME.fullmatch(task["name"]):
            report(number, f"the name '{task['name']}' is not in snake_case")
    for key in ("id", "name", "instruction"):
        check_unique(tasks, key, report)
    nearest = check_similarity(tasks, report)
    if tasks:
        figures = figures_of([task for _, task in tasks])
        if not arguments.any_size:
            check_collection(tasks, figures, report)
        print_figures(figures, nearest)
    else:
        report(None, "holds no well-formed task")
    for violation in violations:
        print(violation, file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
