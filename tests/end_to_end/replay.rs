//! Tasks derived again from the journal.

use instructmill::store::{Marks, RowId, RunDir};
use serde_json::Value;

use super::support::{Ended, Place, Server, settings};

fn replay(place: &Place, args: &[&str]) -> Ended {
    place.run(&[&["replay", "--run", "run"], args].concat())
}

#[test]
fn rows_marked_as_bad_are_left_out_of_what_is_written() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &["--target", "30", "--budget", "1"]).assert_code(0);
    let args = ["export", "--run", "run", "--format", "jsonl", "--with-provenance"];
    let rows = place.run(&args).stdout();
    let third: Value = serde_json::from_str(rows.lines().nth(2).unwrap()).unwrap();
    let number = |key: &str| third["provenance"][key].as_u64().unwrap();
    let (response_seq, item) = (number("response"), number("item"));
    let row = RowId { response_seq, item_index: item.try_into().unwrap() };
    let mut marks = Marks::read(&RunDir::new(place.path("run"))).unwrap();
    marks.set(row, true).unwrap();

    let ended = replay(&place, &["--output", "-", "--check"]);
    ended.assert_code(0).assert_says("1 of them is marked as bad and left out");
    let replayed: Vec<Value> = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!(replayed, place.export());
    assert_eq!(replayed.len(), 29);
    assert!(replayed.iter().all(|task| task["instruction"] != third["instruction"]));
}

#[test]
fn a_run_that_was_moved_is_replayed_with_its_seeds_where_they_are() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let seeds = |verb: &str| -> String {
        let task = |n| {
            format!(
                "{{\"instruction\": \"{verb} a place of {n} ways in words.\", \"output\": \"A.\"}}\n"
            )
        };
        (0..9).map(task).collect()
    };
    place.write("seeds.jsonl", seeds("Describe"));
    let args = ["--seeds", "seeds.jsonl", "--target", "20", "--budget", "1"];
    place.generate(&server, &args).assert_code(0);
    std::fs::rename(place.path("seeds.jsonl"), place.path("moved.jsonl")).unwrap();
    place.write("others.jsonl", seeds("Draw"));

    replay(&place, &["--check"]).assert_code(2).assert_says("--seeds FILE");
    replay(&place, &["--check", "--seeds", "moved.jsonl"]).assert_code(0);
    let ended = replay(&place, &["--seeds", "others.jsonl"]);
    ended.assert_code(2).assert_says("other seed tasks than others.jsonl holds now");
    place.write("seeds.jsonl", seeds("Draw"));
    replay(&place, &[]).assert_code(2).assert_says("other seed tasks than seeds.jsonl holds now");
}
