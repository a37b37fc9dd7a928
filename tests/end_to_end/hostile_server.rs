//! Everything that a server can do to harm: in each case memory and time are bounded, the error is
//! clear, the books hold, the key stays where it is, and the run goes on with a server that behaves.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::raw_server::{Answer, RawServer, completion, respond, tasks};
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

pub fn generate(place: &Place, server: &RawServer, args: &[&str]) -> Ended {
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
pub fn assert_unharmed(name: &str, place: &Place, ended: &Ended) -> Value {
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
pub fn endless(stream: &mut TcpStream, head: &str, piece: &[u8]) -> io::Result<()> {
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

pub fn closed() -> io::Error {
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

pub const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

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
            |s, _| endless(s, "HTTP/1.1 200 OK\r\nX: ", &b"y".repeat(65_536)),
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
