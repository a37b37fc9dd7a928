//! A pilot first, the rest by what it showed, and the estimate beside the outcome.

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

#[test]
fn a_pilot_is_kept_and_the_rest_is_estimated_by_it() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--budget", "5", "--pilot", "0.05", "--target", "200", "--concurrency", "2"];
    let ended = place.generate(&server, &args);
    ended.assert_code(0).assert_says("nobody is there to ask: --yes goes on");
    let (status, pilot) = (place.status(), server.bill());
    assert_eq!(
        (&status["stop_reason"], &status["estimate"]["by"]),
        (&"budget".into(), &"seeds".into())
    );
    assert!(money(&status, "spent_usd") <= usd("0.05"), "{status}");
    let kept = status["accepted"].as_u64().unwrap();
    assert!(kept > 0 && kept < 200, "{status}");
    // Nor does the same command go on.
    place.generate(&server, &args).assert_code(0).assert_says("--yes goes on");
    assert_eq!(server.bill().requests, pilot.requests);
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
