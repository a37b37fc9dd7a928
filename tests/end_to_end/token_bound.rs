//! `--token-bound`: what bounds the prompt tokens of a request, and the budget with it.

use super::support::{Place, Server, settings};

#[cfg(not(feature = "tokenizer"))]
#[test]
fn a_build_without_vocabularies_says_how_to_get_them() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let ended = place.generate(&server, &["--budget", "5", "--token-bound", "o200k_base"]);
    ended.assert_code(2).assert_says("--features tokenizer");
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn a_vocabulary_is_not_guessed_from_a_name() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--model", "gpt-4o-mini", "--budget", "5", "--token-bound", "auto"];
    let ended = place.generate(&server, &args);
    ended.assert_code(2).assert_says("no vocabulary is published for `gpt-4o-mini` at http://127");
    ended.assert_says("(o200k_base or cl100k_base)");
    assert_eq!(server.bill().requests, 0);
}

#[cfg(feature = "tokenizer")]
mod counted {
    use std::io::Write;

    use instructmill::simulator::{Bill, SimulatorSettings};
    use instructmill::usd::Usd;
    use serde_json::{Value, json};

    use super::super::raw_server::{RawServer, reply, respond, tasks};
    use super::super::support::{assert_books_balance, money, usd};
    use super::*;

    /// The bounds of all requests, in their order.
    fn bounds(place: &Place) -> Vec<u64> {
        let database = rusqlite::Connection::open(place.path("run/run.db")).unwrap();
        let mut query =
            database.prepare("SELECT prompt_bound FROM requests ORDER BY request_index").unwrap();
        let bounds = query.query_map([], |row| row.get::<_, u32>(0).map(u64::from)).unwrap();
        bounds.collect::<Result<_, _>>().unwrap()
    }

    /// Runs to the end of the budget and gives status, bill and bounds.
    fn spend(latency_ms: u64, args: &[&str]) -> (Value, Bill, Vec<u64>) {
        let settings = SimulatorSettings { latency_ms, ..settings() };
        let (place, server) = (Place::new(), Server::start(settings));
        let all = ["--target", "100000", "--budget", "0.1", "--phases", "tasks"];
        place.generate(&server, &[&all[..], args].concat()).assert_code(0);
        let (status, bill) = (place.status(), server.bill());
        assert_eq!(status["stop_reason"], "budget");
        assert_books_balance(&status, &bill);
        assert_eq!(money(&status, "spent_usd"), bill.cost);
        place.assert_replays();
        (status, bill, bounds(&place))
    }

    #[test]
    fn a_small_budget_buys_more_and_is_not_exceeded() {
        let counted = ["--token-bound", "o200k_base"];
        // One after the other, both ask the same until the bound by bytes finds no room.
        let (by_bytes, _, wide) = spend(0, &["--concurrency", "1"]);
        let (by_count, bill, narrow) = spend(0, &[&["--concurrency", "1"], &counted[..]].concat());
        let spent = |status: &Value| money(status, "spent_usd");
        assert!(spent(&by_count) > spent(&by_bytes), "{by_count} {by_bytes}");
        assert!(by_count["accepted"].as_u64() > by_bytes["accepted"].as_u64());
        for (narrow, wide) in narrow.iter().zip(&wide) {
            assert!(narrow * 3 < wide * 2, "{narrow} of {wide}");
        }
        // The server never billed more prompt tokens than all bounds together.
        assert!(bill.prompt_tokens <= narrow.iter().sum(), "{bill:?}");
        // Many at once, less of the budget waits for each.
        let (_, by_bytes, _) = spend(200, &["--concurrency", "50"]);
        let (_, by_count, _) = spend(200, &[&["--concurrency", "50"], &counted[..]].concat());
        assert!(by_count.max_in_flight > by_bytes.max_in_flight, "{by_count:?} {by_bytes:?}");
    }

    #[test]
    fn a_bill_above_the_count_ends_the_counting_with_the_first_answer() {
        let server = RawServer::start(0, |stream, number| {
            // More than English has by any public vocabulary, less than its bytes.
            let usage = json!({"prompt_tokens": 4_500, "completion_tokens": 300});
            let body = reply(&tasks(number).to_string(), &usage).to_string();
            stream.write_all(&respond("200 OK", "", body.as_bytes()))
        });
        let place = Place::new();
        let prices = ["--price-in", "1", "--price-out", "2", "--budget", "1", "--target", "30"];
        let url = server.base_url();
        let base = ["generate", "--run", "run", "--model", "m", "--base-url", &url];
        let bound = ["--token-bound", "cl100k_base", "--phases", "tasks"];
        let ended = place.run(&[&base[..], &prices, &bound].concat());
        ended.assert_code(0).assert_says("counted by cl100k_base");
        ended.assert_says("prompts are bounded by their bytes from now on");
        let bounds = bounds(&place);
        assert!(bounds[0] < 4_500, "{bounds:?}");
        assert!(bounds.len() > 1 && bounds[1..].iter().all(|bound| *bound > 4_500), "{bounds:?}");
        assert!(money(&place.status(), "spent_usd") < usd("1"));
        assert_eq!(money(&place.status(), "unconfirmed_usd"), Usd::ZERO);
    }

    #[test]
    fn phases_and_batches_are_bounded_by_the_count_too() {
        let run = |args: &[&str]| {
            let (price_batch_in, price_batch_out) =
                (Some(settings().price_in), Some(settings().price_out));
            let settings = SimulatorSettings { price_batch_in, price_batch_out, ..settings() };
            let (place, server) = (Place::new(), Server::start(settings));
            let base = ["--target", "60", "--budget", "5"];
            place.generate(&server, &[&base[..], args].concat()).assert_code(0);
            let (status, bill, bounds) = (place.status(), server.bill(), bounds(&place));
            assert_eq!(status["accepted"], 60);
            assert_books_balance(&status, &bill);
            assert!(bill.prompt_tokens <= bounds.iter().sum(), "{args:?} {bill:?}");
            place.assert_replays();
            bounds
        };
        for kind in [&["--phases", "instructions+responses"][..], &["--batch", "--phases", "tasks"]]
        {
            let wide = run(kind);
            let narrow = run(&[kind, &["--token-bound", "o200k_base"]].concat());
            // The first request is the same in both.
            assert!(narrow[0] * 3 < wide[0] * 2, "{kind:?} {narrow:?} {wide:?}");
        }
    }
}
