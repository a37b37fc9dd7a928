//! Everything that a server can do to harm: in each case memory and time are bounded, the error is
//! clear, the books hold, the key stays where it is, and the run goes on with a server that behaves.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::raw_server::{Answer, RawServer, completion, reply, respond, tasks, usage};
use super::secrets::{KEY, assert_no_key};
use super::support::{Ended, Place, money, usd};

/// All the memory that the program may ask for, in KiB: the debug build takes 250 MB of addresses
/// before it does anything.
const MEMORY_KIB: &str = "700000";

/// Free: the server refused. Billed: it may have answered, so the attempt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Free,
    Billed,
}
use Cost::{Billed, Free};

/// What the server does, whether that may be billed, and what the error says.
type Case = (&'static str, Answer, Cost, &'static str);

fn generate(place: &Place, server: &RawServer, args: &[&str]) -> Ended {
    let mut command: Command = place.under_limit(&format!("ulimit -v {MEMORY_KIB}"));
    command.args(["generate", "--run", "run", "--model", "m", "--price-in", "1", "-vvv"]);
    command.args(["--price-out", "2", "--base-url", &server.base_url(), "--budget", "0.5"]);
    command.args(["--target", "20", "--concurrency", "4", "--max-attempts", "1"]);
    command.args(["--read-timeout", "1", "--request-timeout", "2"]).args(args);
    command.env("OPENAI_API_KEY", KEY).env("RUST_LOG", "trace");
    Ended(command.output().unwrap())
}

/// What holds whatever a server does.
#[track_caller]
fn assert_unharmed(name: &str, place: &Place, ended: &Ended) -> Value {
    let status = place.status();
    assert_eq!(status["reserved_usd"], "0", "{name}");
    let counted = money(&status, "spent_usd").saturating_add(money(&status, "unconfirmed_usd"));
    assert!(counted <= usd("0.5"), "{name}: {counted}");
    place.assert_replays();
    assert_no_key(place.folder());
    let samples = place.run(&["status", "--run", "run", "--samples", "3", "-vvv"]);
    let exported = place.run(&["export", "--run", "run", "-vvv"]);
    for text in [ended.stdout(), ended.talk(), samples.stdout(), samples.talk(), exported.stdout()]
    {
        assert!(!text.to_lowercase().contains(&KEY.to_lowercase()), "{name}: {text}");
        let odd = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}".contains(c);
        assert!(!text.contains(odd), "{name}: {}", text.escape_debug());
    }
    status
}

/// The server misbehaves from its first request on; later it behaves, and the run reaches its target.
#[track_caller]
fn endure(&(name, answer, cost, says): &Case) {
    let server = RawServer::start(0, answer);
    let place = Place::new();
    let ended = generate(&place, &server, &[]);
    assert_eq!(ended.0.status.code(), Some(1), "{name}: {}", ended.talk());
    let error = ended.talk();
    assert!(error.contains("error: ") && error.contains("hint: "), "{name}: {error}");
    assert!(error.contains(says), "{name}: no `{says}` in {error}");
    let status = assert_unharmed(name, &place, &ended);
    assert_eq!(server.requests(), 1, "{name}: the first request goes alone");
    let counted = money(&status, "spent_usd").saturating_add(money(&status, "unconfirmed_usd"));
    assert_eq!(!counted.is_zero(), cost == Billed, "{name}: {counted} counted");
    server.become_friendly();
    generate(&place, &server, &[]).assert_code(0);
    assert_eq!(place.status()["accepted"], 20, "{name}");
    place.assert_replays();
}

fn endure_all(cases: &[Case]) {
    std::thread::scope(|scope| {
        for chunk in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(|| chunk.iter().for_each(endure));
        }
    });
}

/// Sends for ever; the client's closing of the connection ends it.
fn endless(stream: &mut TcpStream, head: &str, piece: &[u8]) -> io::Result<()> {
    stream.write_all(head.as_bytes())?;
    loop {
        stream.write_all(piece)?;
    }
}

/// Sends a byte from time to time, for ever.
fn drip(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes.iter().cycle() {
        stream.write_all(&[*byte])?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn closed() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

fn bomb() -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..100 {
        packer.write_all(&spaces).unwrap();
    }
    packer.finish().unwrap()
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn answers_without_end_or_measure_are_cut_off() {
    endure_all(&[
        (
            "endless",
            |s, _| endless(s, CHUNKED, &[b"10000\r\n", &vec![b'x'; 65_536][..], b"\r\n"].concat()),
            Billed,
            "longer than",
        ),
        (
            "bomb",
            |s, _| s.write_all(&respond("200 OK", "Content-Encoding: gzip\r\n", &bomb())),
            Billed,
            "longer than",
        ),
        (
            "headers",
            |s, _| {
                endless(
                    s,
                    "HTTP/1.1 200 OK\r\n",
                    &[b"X: ", &vec![b'y'; 1_000][..], b"\r\n"].concat(),
                )
            },
            Billed,
            "head is too large",
        ),
        (
            "one header",
            |s, _| endless(s, "HTTP/1.1 200 OK\r\nX: ", &[b'y'; 65_536]),
            Billed,
            "head is too large",
        ),
        (
            "1xx",
            |s, _| endless(s, "", &b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100)),
            Billed,
            "timed out",
        ),
        ("slow head", |s, _| drip(s, b"HTTP/1.1 200 OK\r\nX: y\r\n"), Billed, "timed out"),
        (
            "slow body",
            |s, _| {
                s.write_all(CHUNKED.as_bytes())?;
                drip(s, b"1\r\nx\r\n")
            },
            Billed,
            "timed out",
        ),
        (
            "10 MB",
            |s, _| {
                s.write_all(&respond("200 OK", "", &completion(&json!("word ".repeat(2_000_000)))))
            },
            Billed,
            "longer than",
        ),
        (
            "slow refusal",
            |s, _| {
                s.write_all(b"HTTP/1.1 400 No\r\nContent-Length: 9999\r\n\r\n")?;
                drip(s, b"x")
            },
            Free,
            "HTTP 400",
        ),
    ]);
}

#[test]
fn broken_transfers_count_at_their_worst_case() {
    endure_all(&[
        ("no answer", |_, _| Err(closed()), Billed, "does not answer"),
        (
            "half a head",
            |s, _| {
                s.write_all(b"HTTP/1.1 200 OK\r\nConten")?;
                Err(closed())
            },
            Billed,
            "does not answer",
        ),
        (
            "half a body",
            |s, _| {
                s.write_all(&respond("200 OK", "", &[b'{'; 999])[..500])?;
                Err(closed())
            },
            Billed,
            "does not answer",
        ),
        (
            "bad chunk",
            |s, _| {
                s.write_all(&[CHUNKED.as_bytes(), b"zz\r\n{}\r\n"].concat())?;
                Err(closed())
            },
            Billed,
            "does not answer",
        ),
        (
            "huge chunk",
            |s, _| {
                s.write_all(&[CHUNKED.as_bytes(), b"fffffffffffffff0\r\n{"].concat())?;
                Err(closed())
            },
            Billed,
            "does not answer",
        ),
        (
            "negative length",
            |s, _| s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
            Billed,
            "does not answer",
        ),
        (
            "two lengths",
            |s, _| {
                s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}")
            },
            Billed,
            "does not answer",
        ),
        (
            "no HTTP",
            |s, _| {
                s.write_all(&completion(&tasks(1)))?;
                Err(closed())
            },
            Billed,
            "does not answer",
        ),
        (
            "not gzip",
            |s, _| s.write_all(&respond("200 OK", "Content-Encoding: gzip\r\n", b"{}")),
            Billed,
            "gzip",
        ),
        (
            "upgrade",
            |s, _| {
                s.write_all(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            },
            Billed,
            "101",
        ),
    ]);
}

#[test]
fn bodies_that_are_no_completion_are_named() {
    endure_all(&[
        ("empty", |s, _| s.write_all(&respond("200 OK", "", b"")), Billed, "an empty body"),
        ("204", |s, _| s.write_all(b"HTTP/1.1 204 None\r\n\r\n"), Billed, "an empty body"),
        (
            "html",
            |s, _| s.write_all(&respond("200 OK", "", b"<html>Sign in\x1b[2J\xc2\x9b31m")),
            Billed,
            "not JSON: Sign in",
        ),
        (
            "comments",
            |s, _| {
                s.write_all(&respond(
                    "200 OK",
                    "",
                    &[b"<html>a", &b"<!--".repeat(1_000_000)[..]].concat(),
                ))
            },
            Billed,
            "not JSON: a",
        ),
        (
            "deep",
            |s, _| {
                s.write_all(&respond(
                    "200 OK",
                    "",
                    &[b"[".repeat(1_000_000), b"]".repeat(1_000_000)].concat(),
                ))
            },
            Billed,
            "not with completions",
        ),
        (
            "a million parts",
            |s, _| {
                s.write_all(&respond(
                    "200 OK",
                    "",
                    format!(
                        r#"{{"choices":[{{"message":{{"content":[{}0]}}}}]}}"#,
                        "0,".repeat(3_000_000)
                    )
                    .as_bytes(),
                ))
            },
            Billed,
            "not with completions",
        ),
        (
            "no choices",
            |s, _| s.write_all(&respond("200 OK", "", br#"{"choices":{"0":{}}}"#)),
            Billed,
            "without any choices",
        ),
        (
            "error in 200",
            |s, _| {
                s.write_all(&respond(
                    "200 OK",
                    "",
                    br#"{"error":{"message":"none left","code":"insufficient_quota"}}"#,
                ))
            },
            Billed,
            "no credit left",
        ),
        (
            "stream",
            |s, _| s.write_all(&respond("200 OK", "", b"data: {}\n\ndata: [DONE]\n\n")),
            Billed,
            "not JSON: data: {}",
        ),
    ]);
}

#[test]
fn refusals_cost_nothing_and_redirects_are_not_followed() {
    endure_all(&[
        (
            "500",
            |s, _| s.write_all(&respond("500 No", "", b"\x1b]0;owned\x07down")),
            Free,
            "HTTP 500: down",
        ),
        ("301", |s, _| s.write_all(&moved(301)), Free, "not followed"),
        ("302", |s, _| s.write_all(&moved(302)), Free, "not followed"),
        ("307", |s, _| s.write_all(&moved(307)), Free, "not followed"),
        ("308", |s, _| s.write_all(&moved(308)), Free, "not followed"),
        ("699", |s, _| s.write_all(&respond("699 Odd", "", b"")), Free, "HTTP 699"),
        (
            "a year, refused",
            |s, _| s.write_all(&respond("429 Slow", "Retry-After: 31536000\r\n", b"")),
            Free,
            "wait 525600 minutes",
        ),
        (
            "2099",
            |s, _| {
                s.write_all(&respond(
                    "429 Slow",
                    "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n",
                    b"",
                ))
            },
            Free,
            "minutes",
        ),
        (
            "1e400",
            |s, _| s.write_all(&respond("429 Slow", "Retry-After: 1e400\r\n", b"")),
            Free,
            "minutes",
        ),
        (
            "a year, failed",
            |s, _| s.write_all(&respond("503 Down", "Retry-After: 31536000\r\n", b"")),
            Free,
            "HTTP 503",
        ),
    ]);
}

/// To a port where nobody listens: following it would fail otherwise than by a refusal.
fn moved(status: u16) -> Vec<u8> {
    let location = format!("Location: http://{KEY}.example:1/v1\r\n");
    respond(&format!("{status} Moved"), &location, b"")
}

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
    text.chars().map(|c| format!("{backslash}u{:04X}", u32::from(c))).collect()
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
    let args = ["--target", "5000", "--budget", "0.2", "--concurrency", "32"];
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
    let hidden = |between: &str| format!("{}{between}{}", &KEY[..9], &KEY[9..]);
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
