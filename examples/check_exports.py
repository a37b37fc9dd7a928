#!/usr/bin/env python3
"""Reads every format of `instructmill export` with the programs that people read them with.

usage: check_exports.py [INSTRUCTMILL]     the program, by default target/release/instructmill
Needs: pip install datasets pyyaml          and for Parquet: pandas polars duckdb pyarrow
       cargo build --release --features parquet   (without the feature, Parquet is left out)

A simulated run is made in a temporary folder, exported in every way, and each file is compared
with the tasks of the run, row by row. Nothing is asked of the network.
"""

import csv
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/instructmill"
TASKS = 300
JSON_FORMATS = {
    "alpaca": "json",
    "jsonl": "jsonl",
    "messages": "jsonl",
    "prompt-completion": "jsonl",
    "sharegpt": "jsonl",
    "self-instruct": "jsonl",
}


class Mill:
    """The program and the folder that it works in."""

    def __init__(self, program, folder):
        self.program, self.folder = pathlib.Path(program).resolve(), folder

    def run(self, *arguments):
        ended = subprocess.run(
            [self.program, *arguments], cwd=self.folder, capture_output=True, text=True
        )
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)}\n{ended.stderr}")
        return ended

    def export(self, name, *flags):
        self.run("export", "--run", "run", "--output", name, *flags)
        return self.folder / name


def question(task):
    return task["instruction"] + ("\n\n" + task["input"] if task["input"] else "")


def expected(format, task):
    """The row of a task, by the documentation of each format."""
    turns = [("user", "human", question(task)), ("assistant", "gpt", task["output"])]
    return {
        "messages": {"messages": [{"role": role, "content": text} for role, _, text in turns]},
        "sharegpt": {"conversations": [{"from": who, "value": text} for _, who, text in turns]},
        "prompt-completion": {"prompt": question(task) + "\n\n", "completion": task["output"]},
        "self-instruct": {
            "instruction": task["instruction"],
            "instances": [{"input": task["input"], "output": task["output"]}],
        },
    }.get(format, task)


def same(what, rows, tasks, format="jsonl"):
    rows = list(rows)
    assert len(rows) == len(tasks), f"{what}: {len(rows)} rows, expected {len(tasks)}"
    for number, (row, task) in enumerate(zip(rows, tasks)):
        assert row == expected(format, task), f"{what}, row {number}: {row}\nexpected {task}"
    print(f"ok  {what}: {len(rows)} rows")


def check_json(mill, load, tasks):
    for format, extension in JSON_FORMATS.items():
        for packed in ("", ".gz"):
            path = mill.export(f"{format}.{extension}{packed}", "--format", format)
            rows = load("json", data_files=str(path), split="train")
            same(f"datasets: {path.name}", rows, tasks, format)
    try:
        import zstandard  # noqa: F401  (datasets reads .zst with it)
    except ImportError:
        print("--  no zstandard: .zst is left out")
    else:
        path = mill.export("tasks.jsonl.zst", "--format", "jsonl")
        same("datasets: tasks.jsonl.zst", load("json", data_files=str(path), split="train"), tasks)
    path = mill.export("with.jsonl", "--format", "jsonl", "--with-provenance", "--system", "Be brief.")
    row = load("json", data_files=str(path), split="train")[0]
    assert row["provenance"]["id"] == 0 and row["system"] == "Be brief.", row


def check_csv(mill, load, tasks):
    path = mill.export("tasks.csv", "--format", "csv")
    with open(path, encoding="utf-8", newline="") as file:
        same("python's csv", csv.DictReader(file, strict=True), tasks)
    # pandas, which datasets asks, takes empty cells and words like "null" for missing otherwise.
    rows = load("csv", data_files=str(path), split="train", keep_default_na=False)
    same("datasets: tasks.csv", rows, tasks)


def check_parquet(mill, load, tasks):
    ended = subprocess.run(
        [mill.program, "export", "--run", "run", "--format", "parquet", "-o", "tasks.parquet"],
        cwd=mill.folder, capture_output=True, text=True,
    )
    if ended.returncode == 2 and "--features parquet" in ended.stderr:
        print("--  this build has no Parquet: it is left out")
        return False
    path = mill.export("tasks.parquet", "--format", "parquet")
    same("datasets: tasks.parquet", load("parquet", data_files=str(path), split="train"), tasks)
    try:
        import duckdb
        import pandas
        import polars
        import pyarrow.parquet
    except ImportError as missing:
        print(f"--  {missing}: the other readers of Parquet are left out")
        return True
    same("pandas: tasks.parquet", pandas.read_parquet(path).to_dict("records"), tasks)
    same("polars: tasks.parquet", polars.read_parquet(path).to_dicts(), tasks)
    found = duckdb.sql(f"SELECT * FROM '{path}'")
    names = found.columns
    same("duckdb: tasks.parquet", (dict(zip(names, row)) for row in found.fetchall()), tasks)
    path = mill.export("facts.parquet", "--format", "parquet", "--with-provenance")
    schema = pyarrow.parquet.read_schema(path)
    assert str(schema.field("id").type) == "int64", schema
    assert str(schema.field("nearest_score").type) == "double", schema
    group = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    assert group.column(0).compression == "ZSTD", group
    ids = polars.read_parquet(path)["id"].to_list()
    assert ids == list(range(len(tasks))), ids[:5]
    print("ok  parquet: types, compression, provenance")
    return True


def check_directory(mill, load, tasks, has_parquet):
    import yaml

    for format in ["jsonl", "messages", "sharegpt", "prompt-completion", "self-instruct"] + (
        ["parquet"] if has_parquet else []
    ):
        name = f"hub-{format}"
        path = mill.export(name, "--format", "hf", "--data-format", format)
        card = (path / "README.md").read_text(encoding="utf-8")
        front = yaml.safe_load(card.split("---\n")[1])
        assert front["size_categories"] == ["n<1K"] and "simulated" in front["tags"], front
        assert "license" not in front and "# SIMULATED" in card, card
        data = load(str(path))
        assert list(data) == ["train"], data
        same(f"datasets: directory of {format}", data["train"], tasks, format)
    path = mill.export(
        "hub-split", "--format", "hf", "--split", "train=0.9,test=0.1", "--with-provenance",
        "--license", "cc0-1.0", "--language", "no",
    )
    front = yaml.safe_load((path / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["license"] == "cc0-1.0" and front["language"] == ["no"], front
    data = load(str(path))
    ids = sorted(data["train"]["id"]) + sorted(data["test"]["id"])
    assert sorted(ids) == list(range(len(tasks))), "splits lose or repeat tasks"
    features = data["train"].features
    assert features["id"].dtype == "int64" and features["nearest_score"].dtype == "float64"
    print(f"ok  datasets: splits of {len(data['train'])} and {len(data['test'])}")


def check_trl(mill, load):
    """The shapes that TRL's documentation names, without TRL, which needs torch."""
    path = mill.folder / "messages.jsonl"
    for row in load("json", data_files=str(path), split="train"):
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    path = mill.folder / "prompt-completion.jsonl"
    for row in load("json", data_files=str(path), split="train"):
        assert set(row) == {"prompt", "completion"} and row["prompt"].endswith("\n\n")
    print("ok  TRL's shapes")


def main():
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    program = sys.argv[1] if len(sys.argv) > 1 else BUILT
    with tempfile.TemporaryDirectory() as folder:
        mill = Mill(program, pathlib.Path(folder))

        def load(*arguments, **options):
            return load_dataset(*arguments, cache_dir=str(mill.folder / "cache"), **options)

        mill.run(
            "generate", "--yes", "--run", "run", "--provider", "simulated", "--target", str(TASKS),
            "--simulated-latency-ms", "0",
        )
        tasks = json.loads(mill.run("export", "--run", "run").stdout)
        with gzip.open(mill.export("tasks.json.gz"), "rt", encoding="utf-8") as file:
            assert json.load(file) == tasks
        check_json(mill, load, tasks)
        check_csv(mill, load, tasks)
        has_parquet = check_parquet(mill, load, tasks)
        check_directory(mill, load, tasks, has_parquet)
        check_trl(mill, load)


if __name__ == "__main__":
    main()
