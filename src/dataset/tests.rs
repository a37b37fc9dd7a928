//! Every format and shape: what is read, what is compared, what is written, and what is refused.

use std::io::{Cursor, Write as _};

use proptest::prelude::*;

use crate::task::Compared;

use super::{DatasetError, PackedWriter, Reader, Selection, Source, by_name, format_of};

/// The texts of a file and what is written when the rows pass that `keep` names.
fn pass(
    format: Option<&str>,
    bytes: &[u8],
    selection: &Selection,
    keep: impl Fn(u64) -> bool,
) -> Result<(Vec<String>, Vec<u8>), DatasetError> {
    let source = Source::stream("data", Cursor::new(bytes.to_vec()))?;
    let format = format.and_then(by_name).map_or_else(|| format_of(&source), Ok)?;
    let (mut out, mut texts) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(source, format, selection.clone(), &mut out)?;
    loop {
        let count = reader.advance()?;
        if count == 0 {
            break;
        }
        texts.extend(reader.texts().map(str::to_owned));
        for index in 0..count {
            let row = reader.record(index).unwrap().place.row;
            if keep(row) {
                reader.keep(index)?;
            }
        }
    }
    reader.finish()?;
    Ok((texts, out))
}

fn instructions() -> Selection {
    Selection::Part(Compared::Instruction)
}

fn kept(bytes: &str, keep: impl Fn(u64) -> bool) -> String {
    let format = if bytes.starts_with(['[', '{']) { None } else { Some("csv") };
    let (_, out) = pass(format, bytes.as_bytes(), &instructions(), keep).unwrap();
    String::from_utf8(out).unwrap()
}

fn refusal(format: Option<&str>, bytes: &[u8], selection: &Selection) -> String {
    pass(format, bytes, selection, |_| true).unwrap_err().to_string()
}

fn texts(bytes: &str, selection: &Selection) -> Vec<String> {
    let format = if bytes.starts_with(['[', '{']) { None } else { Some("csv") };
    pass(format, bytes.as_bytes(), selection, |_| true).unwrap().0
}

#[test]
fn lines_are_kept_byte_for_byte() {
    let file = "{ \"instruction\":\"a\\u00e9\" , \"x\":1.0}\r\n\n{\"instruction\": \"b\"}\n{\"instruction\":\"語\"}";
    assert_eq!(kept(file, |_| true), file.replace("\n\n", "\n"));
    assert_eq!(kept(file, |row| row == 3), "{\"instruction\":\"語\"}");
    assert_eq!(kept(file, |row| row == 2), "{\"instruction\": \"b\"}\n");
    assert_eq!(texts(file, &instructions()), ["aé", "b", "語"]);
}

#[test]
fn an_array_keeps_its_layout() {
    let file = "[\n  {\"instruction\": \"]}\\\"\", \"n\": [1, {\"m\": 2}]},\n  {\"instruction\": \"b\"} ,\n\n  {\"instruction\": \"c\"}\n]\n";
    assert_eq!(kept(file, |_| true), file);
    assert_eq!(kept(file, |row| row == 2), "[\n  {\"instruction\": \"b\"}\n]\n");
    assert_eq!(
        kept(file, |row| row != 2),
        "[\n  {\"instruction\": \"]}\\\"\", \"n\": [1, {\"m\": 2}]} ,\n\n  {\"instruction\": \"c\"}\n]\n"
    );
    assert_eq!(kept(file, |_| false), "[]\n");
    assert_eq!(kept("[ ]", |_| true), "[]\n");
    let one_line = "[{\"instruction\":\"a\"},{\"instruction\":\"b\"}]";
    assert_eq!(kept(one_line, |row| row == 2), "[{\"instruction\":\"b\"}]");
}

#[test]
fn tables_keep_their_dialect() {
    let file = "instruction;output\r\n\"a;\"\"\";\"two\nlines\"\r\nb;語\r\n";
    assert_eq!(kept(file, |_| true), file);
    assert_eq!(kept(file, |row| row == 2), "instruction;output\r\nb;語\r\n");
    assert_eq!(kept(file, |_| false), "instruction;output\r\n");
    assert_eq!(texts(file, &instructions()), ["a;\"", "b"]);
    assert_eq!(kept("instruction\n", |_| true), "instruction\n");
}

#[test]
fn every_shape_has_its_texts() {
    let shapes = [
        (
            r#"{"instruction": "i", "input": "n", "output": "o"}"#,
            [vec!["i"], vec!["i", "n"], vec!["i", "n", "o"]],
        ),
        (r#"{"instruction": "i", "input": null}"#, [vec!["i"], vec!["i"], vec!["i"]]),
        (
            r#"{"instruction": "i", "context": "n", "response": "o"}"#,
            [vec!["i"], vec!["i", "n"], vec!["i", "n", "o"]],
        ),
        (r#"{"prompt": "p", "completion": "c"}"#, [vec!["p"], vec!["p"], vec!["p", "c"]]),
        (
            r#"{"instruction": "i", "instances": [{"input": "", "output": "o"}, {"input": "n"}]}"#,
            [vec!["i"], vec!["i", "n"], vec!["i", "o", "n"]],
        ),
        (
            r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                {"role": "assistant", "content": null}, {"content": "v", "role": "user"}]}"#,
            [vec!["u"], vec!["s", "u", "v"], vec!["s", "u", "v"]],
        ),
        (
            r#"{"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]}"#,
            [vec!["u"], vec!["u"], vec!["u", "a"]],
        ),
    ];
    for (record, expected) in shapes {
        for (compare, expected) in Compared::ALL.into_iter().zip(expected) {
            let record = record.replace('\n', " ");
            let found = texts(&record, &Selection::Part(compare));
            assert_eq!(found, [expected.join("\n")], "{} of {record}", compare.name());
        }
    }
    let table = "prompt,completion\np,c\n";
    assert_eq!(texts(table, &Selection::Part(Compared::All)), ["p\nc"]);
}

#[test]
fn fields_are_found_by_their_paths() {
    let fields = |names: &[&str]| Selection::Fields(names.iter().map(|&n| n.into()).collect());
    let record = r#"{"meta": {"title": "t"}, "turns": [["a"], ["b", "c"]], "none": null}"#;
    assert_eq!(texts(record, &fields(&["meta.title", "none", "turns.1.1"])), ["t\nc"]);
    assert_eq!(texts("a.b,c\n1,2\n", &fields(&["c", "a.b"])), ["2\n1"]);

    let refusal = |names| refusal(None, record.as_bytes(), &fields(names));
    insta::assert_snapshot!(refusal(&["meta.name"]), @"data, line 1: `meta.name` is missing (the record has `title`): add it, remove the record, or compare another field with --field");
    insta::assert_snapshot!(refusal(&["turns.2"]), @"data, line 1: `turns.2` is missing (the record has `2 items`): add it, remove the record, or compare another field with --field");
    insta::assert_snapshot!(refusal(&["meta.title.x"]), @"data, line 1: `meta.title.x` is a text: an object, or a list and a number after it, is expected; mend it, or compare another field with --field");
    insta::assert_snapshot!(refusal(&["meta"]), @"data, line 1: `meta` is an object: a text in quotation marks is expected; mend it, or compare another field with --field");
}

#[test]
fn broken_records_are_named() {
    let refusal = |text: &str| refusal(None, text.as_bytes(), &instructions());
    insta::assert_snapshot!(refusal("{\"instruction\": \"a\"}\n{\"instruction\": \"語\" \"b\"}\n"), @"data, line 2: not valid JSON at column 21 (expected `,` or `}`): mend the quotes, commas or brackets");
    insta::assert_snapshot!(refusal("[{\"instruction\": \"a\"},\n {\n \"instruction\": 語}]"), @"data, row 2 (line 3): not valid JSON at column 17 (expected value): mend the quotes, commas or brackets");
    insta::assert_snapshot!(refusal("{\n  \"instruction\": \"a\"\n}\n"), @"data, line 1: the record does not end on this line: write each record on one line of its own, or put all of them into one JSON array");
    insta::assert_snapshot!(refusal("{\"instruction\": \"a\"}\n[1]\n"), @"data, line 2: a list where an object in {} is expected: write one object for each record");
    insta::assert_snapshot!(refusal("{\"instruction\": \"a\"}\n\n{\"Instruction\": \"a\"}"), @"data, row 2 (line 3): `instruction` is missing (the record has `Instruction`): add it, remove the record, or compare another field with --field");
    insta::assert_snapshot!(refusal("{\"instruction\": 5}"), @"data, line 1: `instruction` is a number: a text in quotation marks is expected; mend it, or compare another field with --field");
    insta::assert_snapshot!(refusal("{\"instruction\": \"\\ud800\"}"), @"data, line 1: `instruction` is not valid JSON at column 8 (unexpected end of hex escape): mend the quotes, commas or brackets");
    insta::assert_snapshot!(refusal("{\"text\": 5, \"\\u001b[31m\": 1}"), @r"data: its records have `text`, `\u{1b}[31m`, which is none of the shapes messages (messages), sharegpt (conversations), self-instruct (instruction, instances), dolly (instruction, context, response), alpaca (instruction), prompt-completion (prompt, completion): name the field with the text to compare with --field");
    insta::assert_snapshot!(refusal("{\"messages\": [{\"role\": \"user\", \"content\": [1]}]}"), @"data, line 1: `messages.0.content` is a list: a text in quotation marks is expected; mend it, or compare another field with --field");
    insta::assert_snapshot!(refusal("{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}"), @"data, line 1: `messages` has no turn of the user: add one, or compare another field with --field");
    insta::assert_snapshot!(refusal("{\"messages\": [{\"content\": \"a\"}]}"), @"data, line 1: `messages.0.role` is missing (the record has `content`): add it, remove the record, or compare another field with --field");
    let instances = b"{\"instruction\": \"a\", \"instances\": \"b\"}";
    insta::assert_snapshot!(super::tests::refusal(None, instances, &Selection::Part(Compared::All)), @"data, line 1: `instances` is a text: a list is expected; mend it, or compare another field with --field");
}

#[test]
fn broken_files_are_named() {
    let refusal = |text: &str| refusal(None, text.as_bytes(), &instructions());
    insta::assert_snapshot!(refusal("hello\u{1b}[31m"), @r"data does not say what it is, it starts with `hello\u{1b}[31m`: name its format with --format");
    insta::assert_snapshot!(refusal("[{\"instruction\": \"a\"},\n{\"instruction\": \"b"), @"data, line 2: the array has no end: the file is cut, or a bracket or quote is missing");
    insta::assert_snapshot!(refusal("[{\"instruction\": \"a\"},\n]"), @"data, line 2: `]` where an object in {} is expected");
    insta::assert_snapshot!(refusal("[{\"instruction\": \"a\"}\n{}]"), @"data, line 2: an object where a comma or the end of the array is expected");
    insta::assert_snapshot!(refusal("[5]"), @"data, line 1: a number where an object in {} is expected");
    insta::assert_snapshot!(refusal("[\"a\"]"), @"data, line 1: a text where an object in {} is expected");
    insta::assert_snapshot!(refusal("[]\n[]"), @"data, row 1 (line 2): there is something after the end of the array: remove it, or write one object a line in place of arrays");
    let table = |text: &[u8]| super::tests::refusal(Some("csv"), text, &instructions());
    insta::assert_snapshot!(table(b"instruction,output\na,b\na,b,c\n"), @"data, row 2 (line 3): the row has 3 cells and the header 2: put texts with separators or line breaks into quotation marks");
    insta::assert_snapshot!(table(b"instruction\n\xff\n"), @"data is not UTF-8 on line 2: save it as UTF-8");
    insta::assert_snapshot!(table(b"messages\n[]\n"), @"data, row 1 (line 2): `messages` is a cell of a table: a list is expected; mend it, or compare another field with --field");
    insta::assert_snapshot!(table(b"a,b\n1,2\n"), @"data: its records have `a`, `b`, which is none of the shapes messages (messages), sharegpt (conversations), self-instruct (instruction, instances), dolly (instruction, context, response), alpaca (instruction), prompt-completion (prompt, completion): name the field with the text to compare with --field");
    insta::assert_snapshot!(super::tests::refusal(Some("json"), b"{}", &instructions()), @"data, line 1: an object where an array in [] is expected");
}

#[test]
fn other_encodings_are_refused() {
    let refusal = |bytes: &[u8]| refusal(None, bytes, &instructions());
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    insta::assert_snapshot!(refusal(&utf16), @"data is in UTF-16: save it as UTF-8");
    insta::assert_snapshot!(refusal(b"{\0\0\0}\0\0\0"), @"data is in UTF-32: save it as UTF-8");
    insta::assert_snapshot!(refusal(b"{\"instruction\": \"a\"}\n{\"instruction\": \"\xe9\"}\n"), @"data is not UTF-8 on line 2: save it as UTF-8");
    insta::assert_snapshot!(refusal(b"[\n{\"instruction\": \"a\"},\n{\n\"instruction\": \"\xe9\"}]"), @"data is not UTF-8 on line 4: save it as UTF-8");
    let marked = "\u{feff}{\"instruction\": \"a\"}\n";
    assert_eq!(
        pass(None, marked.as_bytes(), &instructions(), |_| true).unwrap(),
        (vec!["a".to_owned()], b"{\"instruction\": \"a\"}\n".to_vec())
    );
    let late = "\r\n\"instruction,\n\";b\r\nx;y\r\n";
    let fields = Selection::Fields(vec!["b".to_owned()]);
    assert_eq!(
        pass(Some("csv"), late.as_bytes(), &fields, |_| true).unwrap(),
        (vec!["y".to_owned()], late.trim_start().as_bytes().to_vec())
    );
    for marked in ["\u{feff}\u{feff}instruction\na\n", "\n\u{feff}instruction\na\n"] {
        assert_eq!(
            pass(Some("csv"), marked.as_bytes(), &instructions(), |_| true).unwrap(),
            (vec!["a".to_owned()], b"instruction\na\n".to_vec()),
            "{marked:?}"
        );
    }
}

#[test]
fn what_is_packed_is_unpacked_and_packed_again() {
    let plain = "{\"instruction\": \"a\"}\n".repeat(5_000);
    for name in ["data.jsonl.gz", "data.jsonl.zst", "data.jsonl"] {
        let mut packer = PackedWriter::new(Some(name.as_ref()), Vec::new()).unwrap();
        packer.write_all(plain.as_bytes()).unwrap();
        packer.flush().unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(packed == plain.as_bytes(), name == "data.jsonl");
        // Files that are packed one by one may be joined.
        let twice = [&packed[..], &packed].concat();
        let (texts, out) = pass(None, &twice, &instructions(), |_| true).unwrap();
        assert_eq!(texts.len(), 10_000);
        assert_eq!(out, plain.repeat(2).as_bytes());
        if name != "data.jsonl" {
            let cut = &packed[..packed.len() - 9];
            let refusal = refusal(None, cut, &instructions());
            assert!(refusal.starts_with("cannot read data: "), "{refusal}");
        }
    }
}

#[test]
fn empty_files_are_data_sets_too() {
    assert_eq!(pass(None, b"", &instructions(), |_| true).unwrap().1, b"");
    assert_eq!(pass(Some("csv"), b"", &instructions(), |_| true).unwrap().1, b"");
    assert_eq!(pass(None, b" []", &instructions(), |_| true).unwrap().1, b"[]\n");
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![".{0,20}", "[\\x00-\\x7f\\\\\"{}\\[\\],語]{0,20}"];
    let leaf = prop_oneof![text.prop_map(Into::into), any::<i64>().prop_map(Into::into)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(".{0,5}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_passes_unchanged_and_any_part_of_it_is_valid(
        records in prop::collection::vec((".{0,20}", value()), 0..8),
        is_indented: bool,
        pattern: u8,
    ) {
        let records: Vec<_> = records
            .into_iter()
            .map(|(text, other)| serde_json::json!({"other": other, "instruction": text}))
            .collect();
        let array = serde_json::Value::from(records.clone());
        let array = if is_indented { format!("{array:#}\n") } else { array.to_string() };
        let lines: String = records.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect();
        let keep = |row: u64| pattern >> (row - 1) & 1 == 1;
        let expected: Vec<_> =
            (1..).zip(&records).filter(|(row, _)| keep(*row)).map(|(_, r)| r.clone()).collect();
        for file in [&array, &lines] {
            let (texts, all) = pass(None, file.as_bytes(), &instructions(), |_| true).unwrap();
            prop_assert!(texts.iter().zip(&records).all(|(text, r)| r["instruction"] == **text));
            if !records.is_empty() {
                prop_assert_eq!(&String::from_utf8(all).unwrap(), file);
            }
            let (_, part) = pass(None, file.as_bytes(), &instructions(), keep).unwrap();
            let part = String::from_utf8(part).unwrap();
            let found: Vec<serde_json::Value> = if part.starts_with('[') {
                serde_json::from_str(&part).unwrap()
            } else {
                part.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            };
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:\\\\a0 \n]{0,40}") {
        for format in [None, Some("json"), Some("jsonl"), Some("csv"), Some("parquet")] {
            for bytes in [&bytes[..], json.as_bytes()] {
                let fields = Selection::Fields(vec!["a.0".to_owned()]);
                for selection in [instructions(), fields] {
                    if let Err(error) = pass(format, bytes, &selection, |_| true) {
                        let steers = error.to_string().contains('\u{1b}');
 prop_assert!(!steers);
                    }
                }
            }
        }
    }
}
