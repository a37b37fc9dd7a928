//! Requests in batches, at half price: whatever happens on the way, the ledger is the bill, and nothing
//! is handed in twice.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instructmill::simulator::SimulatorSettings;
use serde_json::{Value, json};

use super::secrets::{KEY, assert_no_key};
use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

const PROVIDERS: [&str; 2] = ["openai", "anthropic"];

/// The model `m` at the price of the simulator, and at half of it in batches.
fn prices() -> String {
    let entry = |name: &str| {
        json!({
            "litellm_provider": name,
            "mode": "chat",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
            "input_cost_per_token_batches": 5e-7,
            "output_cost_per_token_batches": 1e-6,
        })
    };
    json!({
        "openai/m": entry("openai"),
        "anthropic/m": entry("anthropic"),
        "openai/direct": {
            "litellm_provider": "openai",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
        },
    })
    .to_string()
}

fn command(place: &Place, server: &Server, provider: &str, args: &[&str]) -> Command {
    place.write("prices.json", prices());
    let base = ["generate", "--run", "run", "--model", "m", "--batch", "--prices", "prices.json"];
    let mut command = place.command(&base);
    command.args(["--provider", provider, "--base-url", &server.base_url()]).args(args);
    command.env("OPENAI_API_KEY", KEY).env("ANTHROPIC_API_KEY", KEY).arg("-vvv");
    command
}

fn generate(place: &Place, server: &Server, provider: &str, args: &[&str]) -> Ended {
    Ended(command(place, server, provider, args).output().unwrap())
}

/// Every line of the bill has a name of its own, and no name was handed in twice.
#[track_caller]
fn assert_bought_once(server: &Server) {
    let bill = server.bill();
    assert_eq!(bill.batch_requests_again, 0, "{bill:?}");
    let mut names = std::collections::HashSet::new();
    for entry in server.journal() {
        if entry["billed"] == true {
            assert!(names.insert(entry["idempotency_key"].to_string()), "{entry}");
        }
    }
}

/// The ledger is the bill, to the picodollar, and nothing is open.
#[track_caller]
fn assert_exact(place: &Place, server: &Server) {
    let status = place.status();
    assert_eq!(money(&status, "spent_usd"), server.bill().cost, "{status}");
    assert_eq!(money(&status, "unconfirmed_usd"), usd("0"), "{status}");
    assert_settled(&status, server);
}

#[track_caller]
fn assert_settled(status: &Value, server: &Server) {
    assert_books_balance(status, &server.bill());
    assert_bought_once(server);
    let batches = status["batches"].as_array().unwrap();
    assert!(!batches.is_empty() && batches.iter().all(|batch| batch["open"] == false), "{status}");
}

#[test]
fn a_whole_run_in_batches_costs_half() {
    for provider in PROVIDERS {
        for phases in ["tasks", "instructions+responses"] {
            let (place, server) = (Place::new(), Server::start(settings()));
            let args = ["--target", "300", "--budget", "5", "--phases", phases];
            let ended = generate(&place, &server, provider, &args);
            ended.assert_code(0).assert_says("batches of up to 1,000 requests, 4 at once");
            assert_eq!(place.export().len(), 300, "{provider} {phases}");
            assert_exact(&place, &server);
            assert_eq!(server.bill().requests, 0, "everything went in batches");
            assert!(server.bill().batches < 15, "{:?}", server.bill());
            assert!(assert_no_key(place.folder()) > 1);
            assert!(!ended.talk().contains(KEY));
            place.assert_replays();
        }
    }
}

fn with_faults(faults: &str) -> SimulatorSettings {
    SimulatorSettings { faults: faults.parse().unwrap(), ..settings() }
}

fn answered_batches(status: &Value) -> usize {
    status["batches"].as_array().unwrap().iter().filter(|batch| !batch["id"].is_null()).count()
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let refused = |provider: &str, args: &[&str]| {
        generate(&place, &server, provider, &[args, &["--budget", "1"]].concat())
    };
    refused("gemini", &[]).assert_code(2).assert_says("gemini has no batches");
    refused("openai", &["--model", "direct"])
        .assert_code(2)
        .assert_says("the price of batches with `direct` is not known");
    refused("openai", &["--batch-requests", "0"]).assert_code(2).assert_says("--batch-requests");
    assert_eq!(server.bill().batch_calls, 0);

    // A price that is given is taken as it is.
    let args = ["--model", "direct", "--price-in", "0.5", "--price-out", "1", "--target", "50"];
    refused("openai", &args).assert_code(0);
    assert_exact(&place, &server);
    let args = ["--batch=false", "--model", "direct", "--price-in", "0.5", "--price-out", "1"];
    refused("openai", &args).assert_code(2).assert_says("batch was true and is now unset");
}

/// Attempts at a request before its last one were refused, of which there are a few.
#[track_caller]
fn assert_asked_again_after_failures_only(place: &Place, at_least: usize) {
    let database = rusqlite::Connection::open(place.path("run/run.db")).unwrap();
    let mut statement = database
        .prepare("SELECT request_index, state FROM attempts ORDER BY request_index, id")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let attempts: Vec<(i64, String)> = rows.map(Result::unwrap).collect();
    let again: Vec<_> = attempts.windows(2).filter(|pair| pair[0].0 == pair[1].0).collect();
    assert!(again.len() >= at_least, "{attempts:?}");
    assert!(again.iter().all(|pair| pair[0].1 == "refused"), "{again:?}");
}

#[test]
fn requests_that_failed_are_asked_again_and_only_they() {
    for provider in PROVIDERS {
        let faults = "429:0.15,500:0.15,503:0.05";
        let (place, server) = (Place::new(), Server::start(with_faults(faults)));
        let args = ["--target", "600", "--budget", "5", "--batch-requests", "10"];
        let args = [&args[..], &["--max-attempts", "20"]].concat();
        generate(&place, &server, provider, &args).assert_code(0);
        assert_eq!(place.export().len(), 600);
        assert_exact(&place, &server);
        assert_asked_again_after_failures_only(&place, 3);
        place.assert_replays();
    }
}

#[test]
fn a_batch_that_expires_is_finished_by_another() {
    for provider in PROVIDERS {
        let (place, server) = (Place::new(), Server::start(with_faults("batch-expired:0.8")));
        let args = ["--target", "400", "--budget", "5", "--batch-requests", "6"];
        let args = [&args[..], &["--max-attempts", "20"]].concat();
        generate(&place, &server, provider, &args).assert_code(0);
        assert_exact(&place, &server);
        assert_asked_again_after_failures_only(&place, 3);
        place.assert_replays();
    }
}

#[test]
fn cut_uploads_lost_answers_and_odd_results_change_nothing() {
    for provider in PROVIDERS {
        let faults = "upload-cut:0.15,create-lost:0.25,results-cut:0.15,results-odd:0.25,drop-before:0.05,503:0.05";
        let (place, server) = (Place::new(), Server::start(with_faults(faults)));
        let args =
            ["--target", "600", "--budget", "5", "--batch-requests", "10", "--max-attempts", "50"];
        generate(&place, &server, provider, &args).assert_code(0);
        assert_eq!(place.export().len(), 600);
        let (status, bill) = (place.status(), server.bill());
        // A request that `drop-before` befell is in no file: whether it is billed is not known.
        assert_settled(&status, &server);
        assert_eq!(money(&status, "spent_usd"), bill.cost);
        assert_eq!(answered_batches(&status) as u64, bill.batches, "{status}");
        place.assert_replays();
    }
}

#[test]
fn a_batch_whose_creation_was_never_answered_is_found() {
    for provider in PROVIDERS {
        let (place, server) = (Place::new(), Server::start(with_faults("create-lost:1")));
        let args = ["--target", "200", "--budget", "5", "--batch-requests", "5"];
        generate(&place, &server, provider, &args).assert_code(0);
        assert_exact(&place, &server);
        let status = place.status();
        assert_eq!(answered_batches(&status) as u64, server.bill().batches, "{status}");
    }
}

#[test]
fn answers_that_are_lost_count_at_their_worst_case() {
    for provider in PROVIDERS {
        let faults = "drop:0.1,garbage:0.1,no-usage:0.1,length:0.05,empty:0.05,refusal:0.05";
        let (place, server) = (Place::new(), Server::start(with_faults(faults)));
        generate(&place, &server, provider, &["--target", "400", "--budget", "5"]).assert_code(0);
        let status = place.status();
        assert_settled(&status, &server);
        assert!(money(&status, "unconfirmed_usd") > usd("0"), "{status}");
        place.assert_replays();
    }
}

#[test]
fn the_budget_holds_whatever_is_in_batches() {
    for phases in ["tasks", "instructions+responses"] {
        let (place, server) = (Place::new(), Server::start(settings()));
        let mut args = vec!["--target", "100000", "--budget", "0.1", "--phases", phases];
        args.extend(["--max-output-tokens", "2000"]);
        if phases != "tasks" {
            args.extend(["--responses-max-output-tokens", "200"]);
        }
        generate(&place, &server, "openai", &args).assert_code(0);
        let status = place.status();
        assert_eq!(status["stop_reason"], "budget");
        assert_eq!(status["open_tasks"], 0);
        assert_exact(&place, &server);
        assert!(money(&status, "spent_usd") > usd("0.09"), "{status}");
    }
}

#[test]
fn requests_of_a_batch_that_never_left_leave_together_again() {
    for commit in 1..40 {
        let (place, server) = (Place::new(), Server::start(settings()));
        let args = ["--target", "200", "--budget", "5"];
        let dies_at = format!("commit.after:{commit}");
        let mut dies = command(&place, &server, "openai", &args);
        dies.env("INSTRUCTMILL_FAILPOINT", dies_at).output().unwrap();
        if !place.path("run/run.db").exists() {
            continue;
        }
        let begun = place.status();
        let Some(batch) = begun["batches"].as_array().unwrap().first() else { continue };
        let requests = batch["requests"].as_u64().unwrap();
        assert!(batch["id"].is_null() && requests > 1, "{begun}");
        generate(&place, &server, "openai", &args).assert_code(0);
        let status = place.status();
        assert_exact(&place, &server);
        let sizes = status["batches"].as_array().unwrap();
        assert!(
            sizes.iter().any(|again| again["id"].is_string() && again["requests"] == requests),
            "{status}"
        );
        return;
    }
    panic!("no commit left a batch that had not left");
}

#[test]
fn an_account_with_few_tokens_gets_smaller_batches() {
    let (place, server) = (
        Place::new(),
        Server::start(SimulatorSettings { batch_tokens: Some(20_000), ..settings() }),
    );
    generate(&place, &server, "openai", &["--target", "400", "--budget", "5"]).assert_code(0);
    assert_exact(&place, &server);
    let status = place.status();
    let failed = |batch: &&Value| batch["state"] == "failed";
    let failed = status["batches"].as_array().unwrap().iter().filter(failed).count();
    assert!(failed > 0, "{status}");

    let (place, server) = (
        Place::new(),
        Server::start(SimulatorSettings { batch_tokens: Some(20_000), ..settings() }),
    );
    let args = ["--target", "400", "--budget", "5", "--batch-tokens", "9000"];
    generate(&place, &server, "openai", &args).assert_code(0);
    assert_exact(&place, &server);
    let status = place.status();
    let accepted = |batch: &Value| batch["state"] != "failed";
    assert!(status["batches"].as_array().unwrap().iter().all(accepted), "{status}");
}

/// Waits until the server has seen so many more calls about batches, or the process ended.
fn wait_for_calls(server: &Server, child: &mut Child, more: u64) {
    let goal = server.bill().batch_calls + more;
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.bill().batch_calls < goal && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "no progress");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_again_and_again_no_batch_is_lost_or_handed_in_twice() {
    for (seed, provider) in PROVIDERS.into_iter().enumerate() {
        for (phases, batch_requests) in [("tasks", "20"), ("instructions+responses", "60")] {
            let settings = SimulatorSettings { batch_latency_ms: 40, ..settings() };
            let (place, server) = (Place::new(), Server::start(settings));
            let args = ["--target", "900", "--budget", "20", "--phases", phases];
            let args = [&args[..], &["--batch-requests", batch_requests]].concat();
            let mut random = fastrand::Rng::with_seed(seed as u64);
            for _ in 0..12 {
                let mut command = command(&place, &server, provider, &args);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = command.spawn().unwrap();
                wait_for_calls(&server, &mut child, random.u64(1..12));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            generate(&place, &server, provider, &args).assert_code(0);
            assert_eq!(place.export().len(), 900, "{provider} {phases}");
            assert_exact(&place, &server);
            let status = place.status();
            assert_eq!(answered_batches(&status) as u64, server.bill().batches, "{status}");
            place.assert_replays();
        }
    }
}

#[test]
fn an_interrupted_run_leaves_its_batches_and_comes_back_for_them() {
    for provider in PROVIDERS {
        let slow = SimulatorSettings { batch_latency_ms: 3_600_000, ..settings() };
        let (place, server) = (Place::new(), Server::start(slow));
        let args = ["--target", "100", "--budget", "5"];
        let mut command = command(&place, &server, provider, &args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_calls(&server, &mut child, 4);
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let ended = Ended(child.wait_with_output().unwrap());
        ended.assert_code(130).assert_says("the same command comes back for them");
        let status = place.status();
        let batch = &status["batches"][0];
        assert_eq!((&batch["open"], &batch["state"]), (&json!(true), &json!("in_progress")));
        assert!(money(&status, "reserved_usd") > usd("0"), "{status}");
        assert_eq!(status["unconfirmed_usd"], "0");
        let text = place.run(&["status", "--run", "run"]).stdout();
        assert!(text.contains("- batch 1      in_progress, 0 of"), "{text}");
        assert_eq!(server.bill().batches, 1);
    }
}

#[test]
fn the_next_session_goes_on_with_the_batches_of_the_one_before() {
    for (signal, provider) in ["-INT", "-TERM"].into_iter().zip(PROVIDERS) {
        let slow = SimulatorSettings { batch_latency_ms: 700, ..settings() };
        let (place, server) = (Place::new(), Server::start(slow));
        let args = ["--target", "100", "--budget", "5"];
        let mut command = command(&place, &server, provider, &args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_calls(&server, &mut child, 4);
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        child.wait().unwrap();
        generate(&place, &server, provider, &args).assert_code(0);
        assert_exact(&place, &server);
        let status = place.status();
        assert_eq!(answered_batches(&status) as u64, server.bill().batches, "{status}");
        assert_eq!(status["retries"], 0, "{status}");
        place.assert_replays();
    }
}

#[test]
fn open_batches_are_looked_for_only_where_they_were_sent() {
    let slow = SimulatorSettings { batch_latency_ms: 700, ..settings() };
    let (place, server) = (Place::new(), Server::start(slow));
    let args = ["--target", "100", "--budget", "5"];
    let mut interrupted = command(&place, &server, "openai", &args);
    let mut child = interrupted.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_calls(&server, &mut child, 4);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    child.wait().unwrap();
    let (calls, open) = (server.bill().batch_calls, place.status());

    // Another server does not have the batch, nor has another account.
    let other = Server::start(settings());
    let moved = generate(&place, &other, "openai", &args);
    let where_it_was = format!("base_url was \"{}\"", server.base_url());
    moved
        .assert_code(2)
        .assert_says("1 batch is open at the provider, and would be looked for elsewhere");
    moved.assert_says(&where_it_was).assert_says("until these batches are at their end");
    let mut renamed = command(&place, &server, "openai", &args);
    let renamed =
        Ended(renamed.args(["--api-key-env", "OTHER"]).env("OTHER", KEY).output().unwrap());
    renamed.assert_code(2).assert_says("api_key_env was unset and is now \"OTHER\"");
    let bill = other.bill();
    assert_eq!((bill.batch_calls, server.bill().batch_calls), (0, calls));
    assert_eq!(place.status(), open, "nothing was written");

    generate(&place, &server, "openai", &args).assert_code(0);
    assert_exact(&place, &server);
    // Once none is open any more, the run may go on elsewhere.
    let args = ["--target", "120", "--budget", "5"];
    generate(&place, &other, "openai", &args).assert_code(0);
    assert_eq!(place.export().len(), 120);
}

#[test]
fn what_is_not_needed_any_more_is_cancelled() {
    for provider in PROVIDERS {
        let slow = SimulatorSettings { batch_latency_ms: 300, ..settings() };
        let (place, server) = (Place::new(), Server::start(slow));
        let args = ["--target", "300", "--budget", "5", "--batch-requests", "12"];
        generate(&place, &server, provider, &args).assert_code(0);
        assert_eq!(place.export().len(), 300);
        assert_exact(&place, &server);
    }
}

#[test]
fn a_batch_that_is_not_accepted_is_sent_again() {
    let (place, server) = (Place::new(), Server::start(with_faults("batch-failed:0.7")));
    let args = ["--target", "400", "--budget", "5", "--batch-requests", "4"];
    let args = [&args[..], &["--max-attempts", "40"]].concat();
    generate(&place, &server, "openai", &args).assert_code(0);
    assert_exact(&place, &server);
    assert_asked_again_after_failures_only(&place, 3);
}

#[test]
fn what_the_model_does_not_take_is_learnt_from_the_first_batch() {
    let reject_params = vec!["max_tokens".to_owned(), "temperature".to_owned()];
    let server = Server::start(SimulatorSettings { reject_params, ..settings() });
    let place = Place::new();
    let args = ["--target", "100", "--budget", "5", "--sampling=true"];
    generate(&place, &server, "openai", &args).assert_code(0);
    assert_exact(&place, &server);
    assert_asked_again_after_failures_only(&place, 10);
}

#[test]
fn a_phase_can_go_in_batches_alone() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.write("prices.json", prices());
    place.write(
        "mill.toml",
        format!(
            "phases = \"instructions+responses\"\ntarget = 200\nbudget = 5\nmodel = \"m\"\n\
             prices = \"prices.json\"\nbase_url = \"{}\"\n[responses]\nbatch = true\n",
            server.base_url()
        ),
    );
    let mut command = place.command(&["generate", "--run", "run", "--config", "mill.toml"]);
    Ended(command.env("OPENAI_API_KEY", KEY).output().unwrap()).assert_code(0);
    assert_exact(&place, &server);
    let (status, bill) = (place.status(), server.bill());
    assert_eq!(status["phases"]["instructions"]["attempts"], bill.requests, "{status}");
    assert_eq!(status["phases"]["responses"]["attempts"], bill.batch_requests, "{status}");
    // Outputs gather while instructions come one by one; what is missing then goes in another.
    assert!(bill.batches <= 5, "{bill:?}");
    place.assert_replays();
}

#[test]
fn a_server_without_batches_says_so() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let elsewhere = format!("{}/nowhere", server.base_url());
    let args = ["--budget", "5", "--base-url", &elsewhere];
    generate(&place, &server, "openai", &args).assert_code(1).assert_says("has no batches");
    let status = place.status();
    assert_eq!((&status["spent_usd"], &status["reserved_usd"]), (&json!("0"), &json!("0")));
    assert_eq!(status["unconfirmed_usd"], "0", "{status}");
}

#[test]
fn a_rehearsal_goes_in_batches_too() {
    let place = Place::new();
    let args = ["generate", "--run", "run", "--batch", "--target", "50", "--simulated-latency-ms"];
    place.run(&[&args[..], &["1"]].concat()).assert_code(0).assert_says("for batches");
    assert_eq!(place.export().len(), 50);
}

#[test]
fn embeddings_are_asked_directly_beside_batches() {
    for phases in ["tasks", "instructions+responses"] {
        let price_embedding = usd("0.000004");
        let server = Server::start(SimulatorSettings { price_embedding, ..settings() });
        let place = Place::new();
        let args = ["--target", "200", "--budget", "5", "--phases", phases, "--similarity"];
        let embedding =
            ["rouge-l+embedding@0.6", "--embedding-model", "e", "--embedding-price", "4"];
        generate(&place, &server, "openai", &[&args[..], &embedding[..]].concat()).assert_code(0);
        assert_eq!(place.export().len(), 200);
        assert_exact(&place, &server);
        assert!(server.bill().requests > 0 && server.bill().batches > 0);
        place.assert_replays();
    }
}

#[test]
fn whatever_befalls_batches_while_the_process_is_killed_the_books_balance() {
    let faults = "upload-cut:0.1,create-lost:0.15,results-cut:0.1,results-odd:0.15,batch-expired:0.15,500:0.05,503:0.05";
    for (seed, provider) in (7..).zip(PROVIDERS) {
        let server =
            Server::start(SimulatorSettings { batch_latency_ms: 20, seed, ..with_faults(faults) });
        let place = Place::new();
        let args = ["--target", "700", "--budget", "20", "--batch-requests", "15"];
        let args = [&args[..], &["--max-attempts", "40"]].concat();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..12 {
            let mut command = command(&place, &server, provider, &args);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            wait_for_calls(&server, &mut child, random.u64(1..16));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        generate(&place, &server, provider, &args).assert_code(0);
        assert_eq!(place.export().len(), 700);
        assert_exact(&place, &server);
        let status = place.status();
        assert_eq!(answered_batches(&status) as u64, server.bill().batches, "{status}");
        place.assert_replays();
    }
}

#[test]
fn a_batch_that_cannot_be_looked_for_counts_at_its_worst_case() {
    for provider in PROVIDERS {
        let faults = with_faults("create-lost:0.5");
        let server = Server::start(SimulatorSettings { hides_batches: true, ..faults });
        let place = Place::new();
        let args = ["--target", "400", "--budget", "20", "--batch-requests", "2"];
        let args = [&args[..], &["--max-attempts", "20"]].concat();
        generate(&place, &server, provider, &args).assert_code(0);
        let status = place.status();
        assert_settled(&status, &server);
        assert!(money(&status, "unconfirmed_usd") > usd("0"), "{status}");
        assert!((answered_batches(&status) as u64) < server.bill().batches, "{status}");
        place.assert_replays();
    }
}

#[test]
fn a_batch_that_the_provider_has_forgotten_is_bought_again() {
    let place = Place::new();
    let args = ["generate", "--run", "run", "--batch", "--target", "50", "--simulated-latency-ms"];
    let mut command = place.command(&[&args[..], &["600000"]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_created = || {
        let status = place.run(&["status", "--run", "run", "--json"]).stdout();
        let status: Option<Value> = serde_json::from_str(&status).ok();
        status.is_some_and(|status| status["batches"][0]["id"].is_string())
    };
    while !is_created() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no progress");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The simulator has died with its process.
    place.run(&[&args[..], &["1"]].concat()).assert_code(0);
    assert_eq!(place.export().len(), 50);
    let status = place.status();
    assert!(money(&status, "unconfirmed_usd") > usd("0"), "{status}");
    assert_eq!(status["reserved_usd"], "0", "{status}");
}
