//! What is read, and how mistakes are answered.

use std::fs;

use tempfile::TempDir;

use super::*;

fn read(name: &str, content: impl AsRef<[u8]>) -> Result<Benchmarks, String> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    let shown = format!("{}/", dir.path().display());
    Benchmarks::read(&[path]).map_err(|error| error.to_string().replace(&shown, ""))
}

fn texts(name: &str, content: &str) -> Vec<(u64, String)> {
    let benchmarks = read(name, content).unwrap();
    benchmarks.texts.into_iter().map(|text| (text.line, text.text)).collect()
}

fn one(line: u64, text: &str) -> (u64, String) {
    (line, text.to_owned())
}

#[test]
fn every_form_gives_its_texts_and_lines() {
    let jsonl = "\u{feff}{\"question\": \"Why?\", \"answer\": \"So.\"}\n\n{\"input\": \"b\", \"instruction\": \"a\"}\n\
                 {\"prompt\": [\"first\", \"then\"], \"text\": null}\r\n\"bare\"\n";
    let expected = [one(1, "Why?"), one(3, "a\nb"), one(4, "first\nthen"), one(5, "bare")];
    for name in ["q.jsonl", "q.json", "q"] {
        assert_eq!(texts(name, jsonl), expected, "{name}");
    }
    let array = "[\n  {\"text\": \"one\"},\n  {\n\"text\": \"two\"}, \"three\"]";
    assert_eq!(texts("q.json", array), [one(2, "one"), one(3, "two"), one(4, "three")]);
    let plain = "What is it?\n\n  [1] {not JSON}\n";
    assert_eq!(texts("q.txt", plain), [one(1, "What is it?"), one(3, "[1] {not JSON}")]);
    assert_eq!(texts("questions", plain), texts("q.txt", plain));
}

#[test]
fn mistakes_are_named_with_file_and_line() {
    let error = |name, content: &[u8]| read(name, content).unwrap_err();
    insta::assert_snapshot!(error("q.jsonl", b"{\"text\": \"a\"}\n{\"text\": 5}\n"), @"q.jsonl, line 2: `text` is a number: write a text, or a list of texts");
    insta::assert_snapshot!(error("q.jsonl", b"{\"txt\": \"a\", \"\\u001b[31m\": 1}"), @r"q.jsonl, line 1: none of the fields instruction, question, prompt, text, input has a text (the object has `txt`, `\u{1b}[31m`)");
    insta::assert_snapshot!(error("q.jsonl", b"{\"text\": \"a\"}\nplain"), @"q.jsonl, line 2: not valid JSON (expected value): write one object a line or one array of objects, or name a file of plain text .txt");
    insta::assert_snapshot!(error("q.json", b"[{\"text\": \"a\"},\n{]"), @"q.json, line 2: not valid JSON (key must be a string): write one object a line or one array of objects, or name a file of plain text .txt");
    insta::assert_snapshot!(error("q.json", b"[{\"text\": \"a\"},\n5]"), @"q.json, line 2: a number where an object or a text is expected");
    insta::assert_snapshot!(error("q.txt", b"a\n\xff"), @"the benchmark file q.txt is not UTF-8 at line 2: unpack it, or save it as UTF-8");
    insta::assert_snapshot!(error("q.txt", b" \n"), @"the benchmark file q.txt has no text: write one text, or one JSON object, a line");
    assert!(
        Benchmarks::read(&["no such file".into()])
            .unwrap_err()
            .to_string()
            .contains("no such file")
    );
}

#[test]
fn the_hash_is_that_of_the_texts() {
    let lines = read("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}").unwrap();
    let plain = read("b.txt", "one\n\ntwo\n").unwrap();
    assert_eq!((lines.sha256(), lines.len()), (plain.sha256(), 2));
    assert_eq!(lines.sha256().len(), 64);
    assert_ne!(plain.sha256(), read("b.txt", "onet\nwo").unwrap().sha256());
    assert_eq!(Benchmarks::default().sha256(), "");
    assert!(plain.place(1).ends_with("b.txt:3"), "{}", plain.place(1));
    assert_eq!(plain.place(2), "");
}
