//! `dedup`: any record file without its duplicates.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::support::{Ended, Place};

const RIVERS: &str = "Name three rivers of Europe that flow into a sea.";
const LAKES: &str = "Name three lakes of Europe that flow into a sea.";
const POEM: &str = "Write a short poem about the autumn wind.";
const CHESS: &str = "Explain castling to somebody new to chess.";

/// Four records, of which the third is a near-duplicate of the first.
const TEXTS: [&str; 4] = [RIVERS, POEM, LAKES, CHESS];

fn lines(records: impl IntoIterator<Item = Value>) -> String {
    records.into_iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect()
}

fn records() -> String {
    lines(TEXTS.map(|text| json!({"instruction": text, "input": "", "output": "x"})))
}

fn without_third(text: &str) -> String {
    let kept = text.lines().enumerate().filter(|(index, _)| *index != 2);
    kept.flat_map(|(_, line)| [line, "\n"]).collect()
}

impl Place {
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn values(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs with `input` on stdin.
    fn pipe(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ended(child.wait_with_output().unwrap())
    }
}

#[test]
fn every_format_and_shape_keeps_its_own() {
    let messages = TEXTS.map(|text| {
        json!({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "x"}]})
    });
    let sharegpt = TEXTS.map(|text| json!({"conversations": [{"from": "human", "value": text}]}));
    let instances =
        TEXTS.map(|text| json!({"instruction": text, "instances": [{"input": "", "output": "x"}]}));
    let completions = TEXTS.map(|text| json!({"prompt": text, "completion": "x"}));
    let own = TEXTS.map(|text| json!({"meta": {"text": text}}));
    let array: Vec<String> =
        TEXTS.iter().map(|text| format!("    {}", json!({"instruction": text}))).collect();
    let expected: Vec<_> = [0, 1, 3].map(|index| array[index].clone()).into();
    let layout = |array: &[String]| format!("[\n{}\n]\n", array.join(",\n"));
    let table = |rows: &[&str]| {
        let rows = rows.iter().map(|text| format!("7,\"{text}, \"\"x\"\"\"\r\n"));
        ["id,instruction\r\n".to_owned()].into_iter().chain(rows).collect::<String>()
    };
    let by_line = |text: String| (without_third(&text), text);
    let cases = [
        ("a.jsonl", "alpaca", by_line(records())),
        ("b.jsonl", "messages", by_line(lines(messages))),
        ("c.ndjson", "sharegpt", by_line(lines(sharegpt))),
        ("d.jsonl", "self-instruct", by_line(lines(instances))),
        ("e.json", "prompt-completion", by_line(lines(completions))),
        ("f.jsonl", "meta.text", by_line(lines(own))),
        ("g.json", "alpaca", (layout(&expected), layout(&array))),
        ("h.csv", "alpaca", (table(&[RIVERS, POEM, CHESS]), table(&TEXTS))),
    ];
    let place = Place::new();
    for (name, shape, (expected, input)) in cases {
        place.write(name, &input);
        let fields: &[&str] = if shape.contains('.') { &["--field", shape] } else { &[] };
        let ended = place.run(&[&["dedup", name, "-o", "out"], fields].concat());
        ended.assert_code(0).assert_says("read 4, kept 3, removed 1").assert_says(shape);
        assert_eq!(place.text("out"), expected, "{name}");
        assert_eq!(place.text(name), input);

        let format = if name == "h.csv" { &["--format", "csv"][..] } else { &[] };
        let piped = place.pipe(&[&["dedup"], fields, format].concat(), input.as_bytes());
        assert_eq!(piped.assert_code(0).stdout(), expected, "{name} from stdin");
    }
}

#[test]
fn what_is_removed_is_explained() {
    let place = Place::new();
    place.write("data.jsonl", records() + &records());
    place.write("tests.csv", format!("prompt,completion\nAnything else at all.,y\n{CHESS},y\n"));
    let args = ["dedup", "data.jsonl", "--output", "kept.jsonl", "--removed", "removed.jsonl"];
    let more = ["--clusters", "clusters.jsonl", "--against", "tests.csv", "--json"];
    let ended = place.run(&[&args[..], &more].concat());
    ended.assert_code(0).assert_says("removed 6 (2 by 2 records of --against)");
    let summary: Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert!(summary["seconds"].is_number());
    for (key, value) in [
        ("read", json!(8)),
        ("kept", json!(2)),
        ("removed", json!(6)),
        ("removed_by_against", json!(2)),
        ("against", json!(2)),
        ("similarity", json!("rouge-l")),
        ("threshold", json!(0.7)),
        ("format", json!("jsonl")),
        ("shape", json!("alpaca")),
        ("compare", json!("instruction")),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    assert_eq!(
        place.text("kept.jsonl"),
        records().lines().take(2).fold(String::new(), |all, line| all + line + "\n")
    );

    let removed = place.values("removed.jsonl");
    let rows: Vec<&Value> = removed.iter().map(|line| &line["row"]).collect();
    assert_eq!(rows, [3, 4, 5, 6, 7, 8]);
    let origin =
        |from, file, row: u32, text| json!({"from": from, "file": file, "row": row, "text": text});
    assert_eq!(
        removed[0],
        json!({
            "row": 3, "text": LAKES, "similarity": "rouge-l", "score": 0.9,
            "duplicate_of": origin("input", "data.jsonl", 1, RIVERS),
            "record": {"instruction": LAKES, "input": "", "output": "x"},
        })
    );
    assert_eq!(removed[1]["duplicate_of"], origin("against", "tests.csv", 2, CHESS));
    assert_eq!(removed[3]["duplicate_of"], origin("input", "data.jsonl", 2, POEM));

    let cluster = |mut origin: Value, members: &[(u32, f64)]| {
        let members = members
            .iter()
            .map(|(row, score)| json!({"row": row, "similarity": "rouge-l", "score": score}));
        origin["duplicates"] = members.collect();
        origin
    };
    assert_eq!(
        place.values("clusters.jsonl"),
        [
            cluster(origin("against", "tests.csv", 2, CHESS), &[(4, 1.0), (8, 1.0)]),
            cluster(origin("input", "data.jsonl", 1, RIVERS), &[(3, 0.9), (5, 1.0), (7, 0.9)]),
            cluster(origin("input", "data.jsonl", 2, POEM), &[(6, 1.0)]),
        ]
    );
}

#[test]
fn the_part_that_is_compared_can_be_chosen() {
    let place = Place::new();
    let record =
        |input: &str, output: &str| json!({"instruction": POEM, "input": input, "output": output});
    let other = "Nothing that was ever written resembles these many words here.";
    place.write(
        "data.jsonl",
        lines([record("", "a"), record(other, "a"), record(other, &TEXTS.concat())]),
    );
    for (compare, kept) in [("instruction", 1), ("instruction+input", 2), ("all", 3)] {
        let ended = place.run(&["dedup", "data.jsonl", "--compare", compare]);
        ended.assert_code(0).assert_says(&format!("kept {kept}")).assert_says(compare);
    }
    place.run(&["dedup", "data.jsonl", "--field", "output,input"]).assert_says("kept 3");
    place.run(&["dedup", "data.jsonl", "--field", "x", "--compare", "all"]).assert_code(2);
}

#[test]
fn chinese_is_compared_by_its_characters() {
    let place = Place::new();
    let texts = ["写一首关于秋天的诗。", "写一首关于春天的诗。", "解释什么是光合作用。"];
    place.write("data.jsonl", lines(texts.map(|text| json!({"instruction": text}))));
    let ended = place.run(&["dedup", "data.jsonl"]);
    ended.assert_code(0).assert_says("kept 2, removed 1").assert_says("rouge-l-unicode");
    ended.assert_says("not mostly ASCII");
    let ended = place.run(&["dedup", "data.jsonl", "--similarity", "rouge-l"]);
    ended.assert_code(0).assert_says("kept 3, removed 0");
    let ended = place.run(&["dedup", "data.jsonl", "--threshold", "0.95"]);
    ended.assert_code(0).assert_says("kept 3, removed 0").assert_says("above 0.95");
}

#[test]
fn the_output_may_replace_the_input_and_is_packed_by_its_name() {
    let place = Place::new();
    place.write("data.jsonl", records());
    place.run(&["dedup", "data.jsonl", "-o", "data.jsonl"]).assert_code(0);
    assert_eq!(place.text("data.jsonl"), without_third(&records()));

    place.write("data.jsonl", records());
    for name in ["data.jsonl.gz", "data.jsonl.zst"] {
        place.run(&["dedup", "data.jsonl", "-o", name, "--threshold", "1"]).assert_code(0);
        let packed = std::fs::read(place.path(name)).unwrap();
        assert!(packed.starts_with(&[0x1f, 0x8b]) || packed.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
        assert_eq!(place.run(&["dedup", name]).stdout(), without_third(&records()));
        assert_eq!(place.pipe(&["dedup", "-"], &packed).stdout(), without_third(&records()));
    }
}

#[test]
fn broken_input_is_named_and_changes_nothing() {
    let place = Place::new();
    place.write("out.jsonl", "before");
    let refused = |content: &[u8], says: &[&str]| {
        place.write("data.jsonl", content);
        let ended = place.run(&["dedup", "data.jsonl", "-o", "out.jsonl", "--removed", "r.jsonl"]);
        ended.assert_code(2);
        for text in says {
            ended.assert_says(text);
        }
        assert_eq!(place.text("out.jsonl"), "before");
        assert_eq!(place.names(), ["data.jsonl", "out.jsonl"]);
    };
    let mut late = records().repeat(500);
    late.push_str("{\"instruction\": \"cut");
    refused(late.as_bytes(), &["data.jsonl, line 2001: not valid JSON", "mend"]);
    refused(b"{\"instruction\": \"a\"}\n{}\n", &["line 2: `instruction` is missing", "--field"]);
    refused(b"{\"instruction\": 5}\n", &["line 1: `instruction` is a number"]);
    refused(b"{\"a\": \"b\"}\n", &["its records have `a`", "alpaca (instruction)"]);
    refused(b"\xff\xfe{\0}\0", &["UTF-16", "save it as UTF-8"]);
    refused(b"[{\"instruction\": \"a\"}", &["the array has no end"]);

    place.write("data.jsonl", records());
    place.write("other.jsonl", "{\"x\": 1}\n");
    let ended = place.run(&["dedup", "data.jsonl", "--against", "other.jsonl"]);
    ended.assert_code(2).assert_says("other.jsonl: its records have `x`");
}

#[test]
fn empty_files_pass() {
    let place = Place::new();
    for (name, content, expected) in [
        ("a.jsonl", "", ""),
        ("b.json", "[]", "[]\n"),
        ("c.csv", "", ""),
        ("d.csv", "a,b\n", "a,b\n"),
    ] {
        place.write(name, content);
        let ended = place.run(&["dedup", name]);
        ended.assert_code(0).assert_says("read 0, kept 0, removed 0");
        assert_eq!(ended.stdout(), expected);
    }
    place.write("e.json", " ");
    place.run(&["dedup", "e.json"]).assert_code(2).assert_says("the array has no end");
}

#[test]
fn flags_and_paths_that_make_no_sense() {
    let place = Place::new();
    place.write("data.jsonl", records());
    place.write("other.jsonl", records());
    let refused = |args: &[&str], code: i32, says: &str| {
        let ended = place.run(&[&["dedup", "data.jsonl"], args].concat());
        ended.assert_code(code).assert_says(says);
        assert_eq!(place.names(), ["data.jsonl", "other.jsonl"]);
    };
    refused(&["--threshold", "0"], 2, "above 0 and at most 1");
    refused(&["--threshold", "NaN"], 2, "above 0 and at most 1");
    refused(&["--similarity", "rogue"], 2, "rouge-l");
    refused(&["--json"], 2, "add --output");
    refused(&["--field", "a,"], 2, "empty name");
    refused(&["--removed", "-"], 2, "needs the name of a file");
    refused(&["--removed", "data.jsonl"], 2, "same file");
    refused(&["-o", "out.jsonl", "--clusters", "./out.jsonl"], 2, "same file");
    refused(&["-o", "other.jsonl", "--against", "other.jsonl"], 2, "same file");
    refused(&["-o", "out.csv"], 2, "end in .jsonl");
    refused(&["-o", "."], 1, "is a directory");
    refused(&["-o", "missing/out.jsonl"], 1, "mkdir -p");
    refused(&["-o", "data.jsonl/out.jsonl"], 1, "not a directory");
    refused(&["--against", "missing.jsonl"], 2, "cannot read missing.jsonl");
    place.run(&["dedup", "missing.jsonl"]).assert_code(2).assert_says("cannot read missing.jsonl");
    place.run(&["dedup", "."]).assert_code(2).assert_says("is a directory");
    let unnamed = place.pipe(&["dedup"], b"instruction\na\n");
    unnamed.assert_code(2).assert_says("stdin does not say what it is").assert_says("--format");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let place = Place::new();
    place.write("data.jsonl", records().repeat(3_000));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(&["dedup", "data.jsonl", "--threshold", "1"]);
    let ended = Ended(command.stdout(writer).output().unwrap());
    ended.assert_code(1).assert_says("the output was closed");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_how_to_get_it() {
    let place = Place::new();
    place.write("data.parquet", "PAR1");
    let ended = place.run(&["dedup", "data.parquet"]);
    ended.assert_code(2).assert_says("--features parquet");
}
