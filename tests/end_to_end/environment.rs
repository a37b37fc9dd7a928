//! The system around the program: limits, signals, permissions, and files that go away.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use instructmill::pool::BUNDLED_SEED_TASKS;
use instructmill::simulator::SimulatorSettings;

use super::support::{Ended, Place, Server, assert_books_balance, settings};

/// A run that takes a while, with requests under way at any time.
fn slow() -> Server {
    Server::start(SimulatorSettings { latency_ms: 30, ..settings() })
}

const LONG: [&str; 6] = ["--target", "5000", "--budget", "50", "--concurrency", "4"];

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the run has tasks.
fn wait_for_tasks(place: &Place) {
    let has_tasks = || {
        let ended = place.run(&["status", "--run", "run", "--json"]);
        ended.stdout().contains("\"accepted\"") && !ended.stdout().contains("\"accepted\": 0,")
    };
    while !has_tasks() {
        std::thread::yield_now();
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

fn ended(child: Child) -> Ended {
    Ended(child.wait_with_output().unwrap())
}

#[test]
fn a_run_whose_files_go_away_stops_spending() {
    let changes: [fn(&Path); 5] = [
        |run| fs::remove_dir_all(run).unwrap(),
        |run| fs::rename(run, run.with_extension("moved")).unwrap(),
        |run| fs::remove_file(run.join("run.db")).unwrap(),
        |run| fs::remove_file(run.join("run.lock")).unwrap(),
        |run| {
            let aside = run.with_extension("aside");
            fs::rename(run, &aside).unwrap();
            fs::create_dir(run).unwrap();
            for name in ["run.db", "run.db-wal", "run.lock"] {
                fs::copy(aside.join(name), run.join(name)).unwrap();
            }
        },
    ];
    for change in changes {
        let (server, place) = (slow(), Place::new());
        let child = start(&mut place.generate_command(&server, &LONG));
        wait_for_tasks(&place);
        change(&place.path("run"));
        ended(child).assert_code(1).assert_says("was removed or replaced");
    }
}

#[test]
fn one_signal_drains_and_two_end_at_once() {
    for name in ["-INT", "-TERM", "-HUP"] {
        if name == "-HUP" && hangups_are_ignored() {
            continue;
        }
        let (server, place) = (slow(), Place::new());
        let child = start(&mut place.generate_command(&server, &LONG));
        wait_for_tasks(&place);
        signal(&child, name);
        ended(child).assert_code(130);
        let status = place.status();
        assert_eq!(status["unconfirmed_usd"], "0", "{name}");
        assert_books_balance(&status, &server.bill());
        place.assert_replays();
    }
    let server = Server::start(SimulatorSettings { latency_ms: 60_000, ..settings() });
    let place = Place::new();
    let child = start(&mut place.generate_command(&server, &LONG));
    while !place.run(&["status", "--run", "run", "--json"]).stdout().contains("\"attempts\": 1,") {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    signal(&child, "-TERM");
    ended(child).assert_code(130);
    assert_ne!(place.status()["unconfirmed_usd"], "0");
}

/// Whether these tests run under `nohup` themselves: their children then ignore SIGHUP, too.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    ignored.is_some_and(|mask| mask.trim().ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']))
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_under_nohup_survives_the_end_of_its_terminal() {
    let (server, place) = (slow(), Place::new());
    let mut command = place.under_limit("trap '' HUP");
    let url = server.base_url();
    command.args([
        "generate",
        "--run",
        "run",
        "--model",
        "m",
        "--price-in",
        "1",
        "--price-out",
        "2",
    ]);
    command.args(["--base-url", &url, "--target", "200", "--budget", "5"]);
    let child = start(&mut command);
    wait_for_tasks(&place);
    signal(&child, "-HUP");
    ended(child).assert_code(0);
    assert_eq!(place.status()["accepted"], 200);
}

#[test]
fn limits_of_the_system_are_met_with_a_message_or_with_less() {
    let server = Server::start(settings());
    for (limit, concurrency, code, says) in [
        ("ulimit -n 64", "1000", 2, "ulimit -n"),
        ("ulimit -n 90", "8", 0, "20 of 20 wanted"),
        ("ulimit -v 700000", "32", 0, "20 of 20 wanted"),
    ] {
        let place = Place::new();
        let mut command = place.under_limit(limit);
        command.args(["generate", "--run", "run", "--model", "m", "--price-in", "1"]);
        command.args(["--price-out", "2", "--base-url", &server.base_url(), "--budget", "1"]);
        command.args(["--target", "20", "--concurrency", concurrency]);
        Ended(command.output().unwrap()).assert_code(code).assert_says(says);
    }
}

/// A limit on the size of files is what a test can set; a full disk and a quota look the same.
#[test]
fn a_journal_that_cannot_grow_ends_the_run_and_loses_nothing() {
    let (server, place) = (Server::start(settings()), Place::new());
    // In blocks of 1,024 bytes: too little for the ballast, so that there is none to give up.
    let mut command = place.under_limit("ulimit -f 2000");
    command.args([
        "generate",
        "--run",
        "run",
        "--model",
        "m",
        "--price-in",
        "1",
        "--price-out",
        "2",
    ]);
    command.args(["--base-url", &server.base_url(), "--target", "100000", "--budget", "50"]);
    let ended = Ended(command.output().unwrap());
    ended.assert_code(1).assert_says("run.db").assert_says("hint: ");
    place.assert_replays();
    let before = place.status()["accepted"].as_u64().unwrap();
    let target = (before + 100).to_string();
    place.generate(&server, &["--target", &target, "--budget", "50"]).assert_code(0);
    assert_books_balance(&place.status(), &server.bill());
    place.assert_replays();
}

#[test]
fn files_of_a_run_are_private_whatever_the_umask() {
    let (server, place) = (Server::start(settings()), Place::new());
    fs::create_dir(place.path("open")).unwrap();
    fs::set_permissions(place.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    for run in ["open", "new/run"] {
        let mut command = place.under_limit("umask 0");
        command.args(["generate", "--run", run, "--model", "m", "--price-in", "1"]);
        command.args(["--price-out", "2", "--base-url", &server.base_url(), "--budget", "1"]);
        Ended(command.args(["--target", "20"]).output().unwrap()).assert_code(0);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let files: Vec<_> =
            fs::read_dir(place.path(run)).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        assert_eq!(mode(&place.path(run)), if run == "open" { 0o777 } else { 0o700 });
    }
}

#[test]
fn closed_and_full_outputs_are_no_panic() {
    let (server, place) = (Server::start(settings()), Place::new());
    place.generate(&server, &["--target", "200", "--budget", "5"]).assert_code(0);
    for (redirect, args, code) in [
        ("exec 1>/dev/full", "export --run run", 1),
        ("exec 1>/dev/full", "status --run run --json", 1),
        ("exec 1> >(head -c 5 >/dev/null)", "export --run run --format jsonl", 1),
        ("exec 2>&-", "status --run run", 0),
        ("exec 2>/dev/full", "generate --run run --target 200 -vvv", 0),
        ("exec 2> >(head -c 5 >/dev/null)", "generate --run new --target 20 -vvv", 0),
        ("exec 0<&-", "generate --run run --target 200", 0),
    ] {
        if !cfg!(target_os = "linux") && redirect.contains("/dev/full") {
            continue;
        }
        let mut child = place.under_limit(redirect);
        let output = child.args(args.split(' ')).env("OPENAI_API_KEY", "").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{redirect} {args}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    }
}

#[test]
fn a_second_process_is_kept_out_and_the_first_goes_on() {
    let (server, place) = (slow(), Place::new());
    let mut child = start(&mut place.generate_command(&server, &LONG));
    wait_for_tasks(&place);
    place.generate(&server, &LONG).assert_code(2).assert_says("another process is working");
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "-TERM");
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{talk}");
    assert_books_balance(&place.status(), &server.bill());
}

#[test]
fn a_named_pipe_without_a_writer_is_said_to_be_waited_for() {
    let place = Place::new();
    let made = Command::new("mkfifo").arg(place.path("seeds.jsonl")).status().unwrap();
    assert!(made.success());
    let mut command = place.command(&["generate", "--run", "run", "--yes", "--target", "5"]);
    command.args(["--seeds", "seeds.jsonl"]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waiting = talk.next().unwrap();
    assert!(waiting.contains("named pipe seeds.jsonl (--seeds)"), "{waiting}");
    fs::write(place.path("seeds.jsonl"), BUNDLED_SEED_TASKS).unwrap();
    let rest: Vec<String> = talk.collect();
    assert!(child.wait().unwrap().success(), "{}", rest.join("\n"));
}
