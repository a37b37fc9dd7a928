//! A pilot first, the rest by what it showed, and the estimate beside the outcome.

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

#[test]
fn a_pilot_is_kept_and_the_rest_is_estimated_by_it() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--budget", "5", "--pilot", "0.05", "--target", "200", "--concurrency", "2"];
    let ended = place.generate(&server, &args);
    ended.assert_code(0).assert_says("nobody is there to ask: --yes goes on");
    ended.assert_says("$0.05 of $5.00 for a pilot; the estimate is of the whole run");
    ended.assert_says("the pilot is over; the same command goes on (with --yes");
    assert!(!ended.talk().contains("the budget is used up"), "{}", ended.talk());
    let (status, pilot) = (place.status(), server.bill());
    assert_eq!(
        (&status["stop_reason"], &status["estimate"]["by"]),
        (&"pilot".into(), &"seeds".into())
    );
    assert!(money(&status, "spent_usd") <= usd("0.05"), "{status}");
    let kept = status["accepted"].as_u64().unwrap();
    assert!(kept > 0 && kept < 200, "{status}");
    // Nor does the same command go on.
    place.generate(&server, &args).assert_code(0).assert_says("--yes goes on");
    assert_eq!(server.bill().requests, pilot.requests);
    let shown = place.run(&["status", "--run", "run"]).stdout();
    assert!(shown.contains("the pilot is over; the same command goes on"), "{shown}");
    // The whole budget is what the run goes on with.
    assert_eq!(status["budget_usd"], "5");
    let ended = place.generate(&server, &[&args[..], &["--yes"]].concat());
    ended.assert_code(0).assert_says("The pilot is over; its tasks are kept");
    ended.assert_says("prompt and").assert_says("of 100 candidates accepted");
    let (status, bill) = (place.status(), server.bill());
    assert_eq!((&status["accepted"], &status["estimate"]["by"]), (&200.into(), &"run".into()));
    assert!(bill.requests > pilot.requests);
    assert_books_balance(&status, &bill);
    place.assert_replays();
    let shown = place.run(&["status", "--run", "run"]).stdout();
    assert!(shown.contains("for 200 tasks, by its own requests: cost "), "{shown}");
    // What the pilot said of the whole is near what it took.
    let expected = usd(status["estimate"]["cost_usd"].as_str().unwrap());
    let spent = money(&status, "spent_usd");
    assert!(expected.pico() > spent.pico() / 2 && expected.pico() < spent.pico() * 2, "{status}");
}

#[test]
fn both_phases_are_estimated_by_what_they_took() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let phases = ["--phases", "instructions+responses", "--concurrency", "2", "--yes"];
    let args = ["--budget", "5", "--pilot", "0.06", "--target", "200"];
    let ended = place.generate(&server, &[&args[..], &phases].concat());
    ended.assert_code(0).assert_says("instructions: ").assert_says("; responses: ");
    let status = place.status();
    assert_eq!((&status["accepted"], &status["estimate"]["by"]), (&200.into(), &"run".into()));
}

/// A pilot's requests are what the rest is estimated by: the last are as large as the first, though
/// its own budget would hold smaller ones yet.
#[test]
fn the_requests_of_a_pilot_have_one_size() {
    let sizes = |args: &[&str]| -> Vec<u32> {
        let (place, server) = (Place::new(), Server::start(settings()));
        let phases = ["--phases", "instructions+responses", "--target", "100000"];
        place.generate(&server, &[args, &phases].concat()).assert_code(0);
        let database = rusqlite::Connection::open(place.path("run/run.db")).unwrap();
        let query = "SELECT max_output_tokens FROM requests WHERE phase = 'instructions'";
        let mut query = database.prepare(query).unwrap();
        let sizes = query.query_map([], |row| row.get(0)).unwrap();
        sizes.collect::<Result<_, _>>().unwrap()
    };
    let is_mixed = |sizes: &[u32]| sizes.iter().any(|size| *size != sizes[0]);
    let pilot = sizes(&["--budget", "5", "--pilot", "0.2"]);
    assert!(pilot.len() > 1 && !is_mixed(&pilot), "{pilot:?}");
    // The same amount as a whole budget is used to its end.
    let whole = sizes(&["--budget", "0.2"]);
    assert!(is_mixed(&whole), "{whole:?}");
    assert!(is_mixed(&sizes(&["--budget", "0.2", "--pilot", "0.2"])));
    // One that holds no usual request shows what smaller ones take.
    let small = sizes(&["--budget", "5", "--pilot", "0.06"]);
    assert!(!is_mixed(&small) && small[0] < pilot[0], "{small:?}");
}

#[test]
fn a_pilot_that_holds_no_request_says_so() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let phases = ["--phases", "instructions+responses", "--yes"];
    let ended =
        place.generate(&server, &[&["--budget", "5", "--pilot", "0.001"][..], &phases].concat());
    ended.assert_code(2).assert_says("raise --budget (or --pilot)");
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn every_run_is_compared_with_its_estimate() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let ended = place.generate(&server, &["--budget", "5", "--target", "30"]);
    ended.assert_code(0).assert_says("tasks, by the seed tasks: cost ");
    let first = place.status()["estimate"].clone();
    assert_eq!((&first["tasks"], &first["by"]), (&30.into(), &"seeds".into()));
    // Another target is another estimate; going on to the same is not.
    place.generate(&server, &["--budget", "5", "--target", "60"]).assert_code(0);
    let second = place.status()["estimate"].clone();
    assert_eq!((&second["tasks"], &second["by"]), (&60.into(), &"run".into()));
    place.generate(&server, &["--budget", "5", "--target", "60"]).assert_code(0);
    assert_eq!(place.status()["estimate"], second);
}

#[test]
fn a_pilot_that_cannot_be_meant_is_refused() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let pilot = |amount: &str| place.generate(&server, &["--budget", "1", "--pilot", amount]);
    pilot("2").assert_code(2).assert_says("more than the budget of 1 USD");
    pilot("0").assert_code(2).assert_says("buys nothing");
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn a_rehearsal_is_estimated_without_a_model() {
    let place = Place::new();
    let ended = place.run(&["estimate", "--target", "1000"]);
    assert!(ended.assert_code(0).stdout().contains("simulated"), "{}", ended.stdout());
}
