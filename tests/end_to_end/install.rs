//! What comes with an installation: a first configuration, completions, man pages.

use super::support::Place;

#[test]
fn a_configuration_that_init_wrote_runs() {
    let place = Place::new();
    place
        .run(&["init", "new"])
        .assert_code(0)
        .assert_says("generate --config new/instructmill.toml");
    let config = std::fs::read_to_string(place.path("new/instructmill.toml")).unwrap();
    assert!(config.contains("\nseeds = \"new/seed_tasks.jsonl\"\n"), "{config}");
    assert!(config.contains("\n#budget = \"\"\n"), "{config}");
    let args = ["generate", "--config", "new/instructmill.toml", "--target", "20", "--run", "run"];
    place.run(&args).assert_code(0);
    assert_eq!(place.status()["accepted"], 20);
}

#[test]
fn init_replaces_nothing_unless_told_to() {
    let place = Place::new();
    place.write("seed_tasks.jsonl", "mine");
    place.run(&["init"]).assert_code(2).assert_says("seed_tasks.jsonl exists");
    assert!(!place.path("instructmill.toml").exists());
    assert_eq!(std::fs::read(place.path("seed_tasks.jsonl")).unwrap(), b"mine");
    place.run(&["init", "--force"]).assert_code(0);
    assert_ne!(std::fs::read(place.path("seed_tasks.jsonl")).unwrap(), b"mine");
}

#[test]
fn completions_and_man_pages_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = place.run(&["completions", shell]);
        assert!(ended.assert_code(0).stdout().contains("generate"), "{shell}");
    }
    place.run(&["man", "--output", "man1"]).assert_code(0);
    let page = std::fs::read_to_string(place.path("man1/instructmill-generate.1")).unwrap();
    assert!(page.contains("budget"), "{page}");
}
