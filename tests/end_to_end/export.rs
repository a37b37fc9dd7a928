//! `export`: the accepted tasks of a run in every format.

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::support::{Ended, Place};

/// A folder with a simulated run of so many tasks.
fn run_of(tasks: u32) -> Place {
    let place = Place::new();
    let target = tasks.to_string();
    let args = ["generate", "--run", "run", "--provider", "simulated", "--target", &target];
    place.run(&[&args[..], &["--simulated-latency-ms", "0"]].concat()).assert_code(0);
    place
}

impl Place {
    fn exports(&self, args: &[&str]) -> Ended {
        let ended = self.run(&[&["export", "--run", "run"], args].concat());
        ended.assert_code(0).assert_says("SIMULATED");
        ended
    }

    fn refuses(&self, args: &[&str], why: &str) {
        let ended = self.run(&[&["export", "--run", "run"], args].concat());
        ended.assert_code(2).assert_says(why);
        assert_eq!(ended.stdout(), "");
    }

    fn json_lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn files_beside_the_run(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "run").collect()
    }
}

#[test]
fn every_format_holds_the_same_tasks_in_the_same_order() {
    let place = run_of(40);
    let tasks = place.export();
    let outputs: Vec<&str> = tasks.iter().map(|task| task["output"].as_str().unwrap()).collect();
    for (format, answer) in [
        ("jsonl", "/output"),
        ("messages", "/messages/1/content"),
        ("prompt-completion", "/completion"),
        ("sharegpt", "/conversations/1/value"),
        ("self-instruct", "/instances/0/output"),
    ] {
        place.exports(&["--format", format, "-o", format]).assert_says("exported 40 tasks");
        let rows = place.json_lines(format);
        let found: Vec<&str> =
            rows.iter().map(|row| row.pointer(answer).unwrap().as_str().unwrap()).collect();
        assert_eq!(found, outputs, "{format}");
        // Nothing but the data goes to stdout, and the same bytes as to the file.
        let piped = place.exports(&["--format", format]);
        assert_eq!(piped.stdout().into_bytes(), std::fs::read(place.path(format)).unwrap());
        assert!(!piped.talk().contains("LLaMA-Factory"));
    }
    let table = place.exports(&["--format", "csv", "--columns", "output,id"]).stdout();
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let rows: Vec<(String, u64)> = reader.deserialize().map(Result::unwrap).collect();
    let (found, ids): (Vec<String>, Vec<u64>) = rows.into_iter().unzip();
    assert_eq!(
        (found, ids),
        (outputs.iter().map(ToString::to_string).collect(), (0..40).collect())
    );
}

#[test]
fn a_file_is_packed_as_its_name_says_and_told_to_trainers() {
    let place = run_of(15);
    let ended = place.exports(&["--format", "messages", "-o", "t.jsonl.gz", "--snippets"]);
    ended.assert_says("LLaMA-Factory").assert_says("type: chat_template");
    let mut text = String::new();
    let file = std::fs::File::open(place.path("t.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert_eq!(text, place.exports(&["--format", "messages"]).stdout());
    place.exports(&["-o", "t.json.zst"]);
    let packed = std::fs::read(place.path("t.json.zst")).unwrap();
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), place.exports(&[]).stdout().as_bytes());
    place.exports(&["--format", "messages", "--where", "id < 9"]).assert_says("at least 10 lines");
}

#[test]
fn splits_share_out_every_task_and_keep_what_is_alike_together() {
    let place = run_of(300);
    let split = ["--format", "jsonl", "--columns", "id,instruction", "--split"];
    let args =
        [&split[..], &["train=0.8,test=0.2", "-o", "t.jsonl", "--shuffle-seed", "7"]].concat();
    place.exports(&args).assert_says("t-train.jsonl").assert_says("t-test.jsonl");
    let ids = |rows: &[Value]| -> Vec<u64> {
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    let (train, test) = (place.json_lines("t-train.jsonl"), place.json_lines("t-test.jsonl"));
    let all: BTreeSet<u64> = ids(&train).into_iter().chain(ids(&test)).collect();
    assert_eq!((all.len(), train.len() + test.len()), (300, 300));
    assert!(!ids(&train).is_sorted(), "they are shuffled");

    // The rule of the documentation, by the other command: nothing in one split is like the other.
    let dedup = ["dedup", "t-test.jsonl", "--against", "t-train.jsonl", "--threshold", "0.6"];
    let kept = place.run(&[&dedup[..], &["--field", "instruction", "--json", "-o", "x"]].concat());
    let summary: Value = serde_json::from_str(&kept.assert_code(0).stdout()).unwrap();
    assert_eq!(summary["removed_by_against"], 0, "{summary}");

    let before = std::fs::read(place.path("t-test.jsonl")).unwrap();
    place.exports(&args);
    assert_eq!(std::fs::read(place.path("t-test.jsonl")).unwrap(), before);
}

#[test]
fn what_does_not_meet_the_conditions_is_left_out() {
    let place = run_of(60);
    let args = ["--format", "jsonl", "--where", "output_chars >= 40", "--where", "input = \"\""];
    let rows = place.exports(&args).stdout();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fits = |task: &Value| {
        task["output"].as_str().unwrap().chars().count() >= 40 && task["input"] == ""
    };
    let expected: Vec<Value> = place.export().into_iter().filter(fits).collect();
    assert!(!expected.is_empty() && expected.len() < 60);
    assert_eq!(rows, expected);
    assert_eq!(place.exports(&["--format", "jsonl", "--max-tokens", "1"]).stdout(), "");
}

#[test]
fn mistakes_are_usage_and_leave_nothing_behind() {
    let place = run_of(10);
    for (args, why) in [
        (&["--format", "xml"][..], "possible values"),
        (&["--columns", "id,who"], "`who` is no column of alpaca"),
        (&["--where", "who = 1"], "`who` is no field"),
        (&["--where", "nearest_score < 0.5"], "the run did not record it"),
        (&["-o", "missing/tasks.json"], "make it with `mkdir -p`"),
        (&["--split", "a=0.5,b=0.4", "-o", "x"], "the shares add up to 0.9"),
        (&["--split", "a=0.5,b=0.5"], "name them with --output"),
        (&["--split", "a=1", "-o", "x", "--split-threshold", "7"], "--split-threshold"),
        (&["--prompt-template", "alpaca"], "changes nothing in alpaca"),
        (&["--format", "self-instruct", "--system", "x"], "changes nothing in self-instruct"),
        (&["--spreadsheet-safe"], "for --format csv"),
        (&["--license", "mit"], "for --format hf"),
        (&["--format", "hf"], "name it with --output"),
    ] {
        place.refuses(args, why);
    }
    if cfg!(not(feature = "parquet")) {
        place.refuses(&["--format", "parquet", "-o", "x"], "--features parquet");
        let generate = ["generate", "--run", "new", "--output", "x", "--format", "parquet"];
        place.run(&generate).assert_code(2).assert_says("--features parquet");
    }
    assert_eq!(place.files_beside_the_run(), BTreeSet::new());
}

#[test]
fn a_directory_for_the_hub_is_whole_and_replaces_only_its_own() {
    let place = run_of(50);
    let args = ["--format", "hf", "-o", "set", "--split", "train=0.9,test=0.1", "--license", "mit"];
    place.exports(&args).assert_says("hf upload USER/set set . --repo-type dataset");
    let read = |name: &str| std::fs::read_to_string(place.path("set").join(name)).unwrap();
    let card = read("README.md");
    for text in [
        "license: mit",
        "# SIMULATED: DO NOT TRAIN ON THIS",
        "- split: test\n    path: data/test.jsonl",
        "| accepted | 50 |",
        "rouge-l above 0.7, comparing instruction",
        "| selected by | `--split train=0.9,test=0.1`, `--split-threshold 0.6` |",
        "SHA-256",
    ] {
        assert!(card.contains(text), "no `{text}` in\n{card}");
    }
    let manifest: Value = serde_json::from_str(&read("instructmill.json")).unwrap();
    assert_eq!(manifest["settings"]["seeds"], Value::Null, "no path of this machine");
    let rows = ["train", "test"].map(|split| read(&format!("data/{split}.jsonl")).lines().count());
    assert_eq!(rows[0] + rows[1], 50);
    for (split, rows) in ["train", "test"].into_iter().zip(rows) {
        assert_eq!(manifest["files"][format!("data/{split}.jsonl")]["rows"], rows);
    }

    place.exports(&args);
    assert_eq!(read("README.md"), card, "the same run gives the same bytes");
    place.write("set/notes.txt", "mine");
    place.refuses(&args, "`notes.txt`");
    assert_eq!(read("notes.txt"), "mine");
    assert_eq!(place.files_beside_the_run(), ["set".to_owned()].into());
}
