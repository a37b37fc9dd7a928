//! Answers that are completions and hostile all the same: lies about usage, texts against the terminal
//! and the parser, the key sent back, and servers that turn hostile later.

use std::io::{self, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::hostile_server::{CHUNKED, assert_unharmed, closed, endless, generate};
use super::raw_server::{Answer, RawServer, completion, reply, respond, tasks, usage};
use super::secrets::KEY;
use super::support::{Place, money, usd};

/// A completion with another usage, which need not be JSON.
fn with_usage(number: u64, usage: &str) -> Vec<u8> {
    let body = reply(&tasks(number).to_string(), &json!("USAGE")).to_string();
    respond("200 OK", "", body.replace("\"USAGE\"", usage).as_bytes())
}

/// A completion of these tasks, which wait for `SAY` to be replaced in the bytes.
fn saying(number: u64, text: &str) -> Vec<u8> {
    let mut tasks = tasks(number);
    for task in tasks["tasks"].as_array_mut().unwrap() {
        task["output"] = json!("It is SAY.");
    }
    let body = reply(&tasks.to_string(), &usage()).to_string();
    respond("200 OK", "", body.replace("SAY", text).as_bytes())
}

fn in_units(text: &str, backslash: &str) -> String {
    let mut units = String::new();
    for c in text.chars() {
        units.push_str(&format!("{backslash}u{:04X}", u32::from(c)));
    }
    units
}

/// Runs to the target against a server that answers like this, and gives the final status.
#[track_caller]
fn reach_target(name: &str, answer: Answer) -> Value {
    let (server, place) = (RawServer::start(0, answer), Place::new());
    let ended = generate(&place, &server, &[]);
    ended.assert_code(0);
    let status = assert_unharmed(name, &place, &ended);
    assert_eq!(status["accepted"], 20, "{name}");
    status
}

#[test]
fn usage_that_cannot_be_counts_at_the_worst_case() {
    let cases: [(&str, Answer); 12] = [
        ("NaN", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":NaN,"completion_tokens":3}"#))
        }),
        ("negative", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":-5,"completion_tokens":-1}"#))
        }),
        ("2^63", |s, n| {
            s.write_all(&with_usage(
                n,
                r#"{"prompt_tokens":9223372036854775808,"completion_tokens":1}"#,
            ))
        }),
        ("1e400", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":1e400,"completion_tokens":300}"#))
        }),
        ("half", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":1000.5,"completion_tokens":300}"#))
        }),
        ("nothing", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":0,"completion_tokens":0}"#))
        }),
        ("one", |s, n| s.write_all(&with_usage(n, r#"{"prompt_tokens":1,"completion_tokens":1}"#))),
        ("no prompt", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":0,"completion_tokens":300}"#))
        }),
        ("cached", |s, n| {
            s.write_all(&with_usage(n, r#"{"prompt_tokens":1000,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":18446744073709551615}}"#))
        }),
        ("twice", |s, n| {
            s.write_all(&with_usage(
                n,
                r#"{"prompt_tokens":1000,"completion_tokens":300,"prompt_tokens":1}"#,
            ))
        }),
        ("list", |s, n| s.write_all(&with_usage(n, "[1000,300]"))),
        ("deep", |s, n| {
            s.write_all(&with_usage(n, &["[".repeat(50_000), "]".repeat(50_000)].concat()))
        }),
    ];
    std::thread::scope(|scope| {
        for chunk in cases.chunks(3) {
            scope.spawn(move || {
                for (name, answer) in chunk {
                    let status = reach_target(name, *answer);
                    assert_eq!(status["spent_usd"], "0", "{name}");
                    // Four requests with 4,000 output tokens at $2 a million.
                    assert!(money(&status, "unconfirmed_usd") >= usd("0.032"), "{name}");
                }
            });
        }
    });
}

#[test]
fn a_server_that_bills_three_times_the_bound_exceeds_the_budget_by_one_request_at_most() {
    let server = RawServer::start(0, |stream, number| {
        stream
            .write_all(&with_usage(number, r#"{"prompt_tokens":15000,"completion_tokens":12000}"#))
    });
    let place = Place::new();
    let args = ["--target", "4000", "--budget", "0.2", "--concurrency", "32"];
    generate(&place, &server, &args).assert_code(0);
    let status = place.status();
    assert_eq!(status["stop_reason"], "budget");
    // Each costs 15,000 at $1 and 12,000 at $2: $0.039.
    assert_eq!(money(&status, "spent_usd"), usd("0.195"));
    assert_eq!(server.requests(), 5);
}

#[test]
fn times_to_wait_that_make_no_sense_are_not_waited_for() {
    fn refused(stream: &mut TcpStream, number: u64, wait: &[u8]) -> io::Result<()> {
        if number % 2 == 1 {
            return stream.write_all(&respond("200 OK", "", &completion(&tasks(number))));
        }
        let parts = [b"HTTP/1.1 429 Slow\r\nRetry-After: ", wait, b"\r\nContent-Length: 0\r\n\r\n"];
        stream.write_all(&parts.concat())
    }
    let cases: [(&str, Answer); 4] = [
        ("past", |s, n| refused(s, n, b"Wed, 21 Oct 2015 07:28:00 GMT")),
        ("negative", |s, n| refused(s, n, b"-100")),
        ("garbage", |s, n| refused(s, n, b"\xff soon")),
        ("nothing", |s, n| refused(s, n, b"0")),
    ];
    for (name, answer) in cases {
        let status = reach_target(name, answer);
        assert!(status["rate_limited"].as_u64().unwrap() > 0, "{name}");
        assert_eq!(status["unconfirmed_usd"], "0", "{name}");
    }
}

#[test]
fn two_answers_to_one_request_are_one() {
    reach_target("two answers", |stream, number| {
        let second = json!({"tasks": [{"instruction": "Say what nobody asked for here", "input": "", "output": "x"}]});
        let answers = [completion(&tasks(number)), completion(&second)];
        stream.write_all(&answers.map(|body| respond("200 OK", "", &body)).concat())
    });
}

#[test]
fn texts_of_any_kind_are_rejected_or_stored_and_never_shown_raw() {
    let cases: [(&str, Answer); 4] = [
        ("escapes", |s, n| {
            s.write_all(&saying(
                n,
                "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\u{200b}"
                    .escape_unicode()
                    .to_string()
                    .replace("\\u{", "\\\\u00")
                    .replace('}', "")
                    .as_str(),
            ))
        }),
        ("bytes", |s, n| {
            let bytes = saying(n, "XY");
            s.write_all(&replace(&bytes, b"XY", b"\xff\xfe"))
        }),
        ("surrogates", |s, n| s.write_all(&saying(n, "\\\\ud800 \\\\udc00"))),
        ("huge numbers", |s, n| s.write_all(&saying(n, "1e999"))),
    ];
    for (name, answer) in cases {
        reach_target(name, answer);
    }
    for (name, text) in [
        ("deep", "[".repeat(100_000)),
        ("objects", "{\"a\":".repeat(50_000)),
        ("backslashes", "\\".repeat(100_000)),
        ("items", "{},".repeat(50_000)),
    ] {
        static TEXT: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
        *TEXT.lock().unwrap() = text;
        let server = RawServer::start(0, |stream, _| {
            let usage = json!({"prompt_tokens": 1_000, "completion_tokens": 15_000});
            let body = reply(&TEXT.lock().unwrap(), &usage).to_string();
            stream.write_all(&respond("200 OK", "", body.as_bytes()))
        });
        let place = Place::new();
        let args = ["--max-requests", "3", "--read-timeout", "20", "--request-timeout", "20"];
        let ended = generate(&place, &server, &args);
        ended.assert_code(0);
        let status = assert_unharmed(name, &place, &ended);
        assert_eq!(status["accepted"], 0, "{name}");
        assert_eq!(money(&status, "spent_usd"), usd("0.093"), "{name}");
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    // The length in the head is right: both have the same.
    assert_eq!(from.len(), to.len());
    replaced
}

#[test]
fn a_key_sent_back_in_any_spelling_stays_out_of_everything() {
    let cases: [(&str, Answer); 5] = [
        ("plain", |s, n| s.write_all(&saying(n, KEY))),
        ("escaped", |s, n| s.write_all(&saying(n, &in_units(KEY, "\\")))),
        ("twice escaped", |s, n| s.write_all(&saying(n, &in_units(KEY, "\\\\")))),
        ("headers", |s, n| {
            let headers = format!("X-Request-Id: {KEY}\r\n{KEY}: {KEY}\r\n");
            s.write_all(&respond("200 OK", &headers, &completion(&tasks(n))))
        }),
        ("reason", |s, n| s.write_all(&respond(&format!("200 {KEY}"), "", &completion(&tasks(n))))),
    ];
    for (name, answer) in cases {
        reach_target(name, answer);
    }
    let hidden = |between: &str| {
        let (start, end) = KEY.split_at(9);
        format!("{start}{between}{end}")
    };
    for (name, status, body) in [
        (
            "refusal",
            "401 No",
            format!(r#"{{"error":{{"message":"{KEY}","code":"{KEY}","param":"{KEY}"}}}}"#),
        ),
        ("zero-width", "200 OK", hidden("\u{200b}")),
        ("sequence", "200 OK", hidden("\u{1b}[0m")),
        ("error", "200 OK", format!(r#"{{"error":{{"message":"no {}"}}}}"#, hidden("\\u200b"))),
        ("units", "200 OK", format!(r#"{{"error":{{"message":"no {}"}}}}"#, in_units(KEY, "\\"))),
        ("capitals", "500 No", KEY.to_uppercase()),
    ] {
        static SENT: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
        *SENT.lock().unwrap() = respond(status, "", body.as_bytes());
        let server = RawServer::start(0, |stream, _| stream.write_all(&SENT.lock().unwrap()));
        let place = Place::new();
        let ended = generate(&place, &server, &[]);
        ended.assert_code(1).assert_says("(redacted)");
        assert_unharmed(name, &place, &ended);
    }
}

#[test]
fn a_server_that_turns_hostile_ends_the_run_within_its_budget() {
    let cases: [(&str, Answer); 4] = [
        ("endless", |s, _| {
            endless(s, CHUNKED, &[b"10000\r\n", &vec![b'x'; 65_536][..], b"\r\n"].concat())
        }),
        ("empty", |s, _| s.write_all(&respond("200 OK", "", b""))),
        ("closed", |_, _| Err(closed())),
        ("no credit", |s, _| {
            s.write_all(&respond(
                "200 OK",
                "",
                br#"{"error":{"code":"insufficient_quota","message":"x"}}"#,
            ))
        }),
    ];
    for (name, answer) in cases {
        let (server, place) = (RawServer::start(3, answer), Place::new());
        let ended = generate(&place, &server, &["--target", "400", "--concurrency", "4"]);
        assert_eq!(ended.0.status.code(), Some(1), "{name}: {}", ended.talk());
        let status = assert_unharmed(name, &place, &ended);
        assert!(server.requests() < 60, "{name}: {}", server.requests());
        assert!(status["accepted"].as_u64().unwrap() >= 15, "{name}");
    }
}
