//! The key stays out of every file and every output.

use std::path::Path;

use instructmill::simulator::{FAULTS, SimulatorSettings};

use super::support::{Ended, Place, Server, settings};

pub const KEY: &str = "sk-test-do-not-leak-0123456789";

/// Fails when the key is in a file of the folder; the number of files.
pub fn assert_no_key(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += assert_no_key(&path);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "the key is in {}", path.display());
        files += 1;
    }
    files
}

#[test]
fn the_key_is_in_no_file_and_no_output() {
    let list: Vec<String> = FAULTS
        .iter()
        .filter(|(name, _)| *name != "timeout")
        .map(|(name, _)| format!("{name}:0.03"))
        .collect();
    let faults = list.join(",").parse().unwrap();
    let keys = [(KEY, "text"), (KEY, "json"), ("another-key-than-the-one-sent", "json")];
    for (api_key, format) in keys {
        let server = Server::start(SimulatorSettings {
            faults: Clone::clone(&faults),
            api_key: Some(api_key.to_owned()),
            ..settings()
        });
        let place = Place::new();
        let args = ["-vvv", "--target", "80", "--budget", "5", "--output", "tasks.json"];
        let logs = ["--log-format", format, "--summary", "end.json"];
        let mut command = place.generate_command(&server, &[&args[..], &logs].concat());
        let ended = Ended(command.env("OPENAI_API_KEY", KEY).output().unwrap());
        assert_eq!(ended.0.status.code(), Some(i32::from(api_key != KEY)));
        let status = place.run(&["status", "--run", "run", "--samples", "9", "-vvv"]);
        for output in [ended.stdout(), ended.talk(), status.stdout(), status.talk()] {
            assert!(!output.contains(KEY), "{output}");
        }
        assert!(assert_no_key(place.folder()) > 2);
    }
}
