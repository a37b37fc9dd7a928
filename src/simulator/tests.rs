//! The simulator over real loopback connections.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::usd::Usd;

/// What a connection brought until it closed.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn error(&self) -> Value {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"].clone()
    }
}

async fn start(settings: SimulatorSettings) -> Simulator {
    Simulator::start(settings, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// One picodollar a token, so that costs are small whole numbers.
fn with_faults(faults: &str) -> SimulatorSettings {
    SimulatorSettings {
        price_in: Usd::from_pico(1),
        price_out: Usd::from_pico(1),
        faults: faults.parse().unwrap(),
        ..SimulatorSettings::default()
    }
}

/// Sends a request and reads until the server closes; `None` when no byte came.
async fn send(simulator: &Simulator, head: &str, body: &str) -> Option<Reply> {
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let length = body.len();
    let rest = format!("Host: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(format!("{head}\r\n{rest}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.into(), value.into()));
    Some(Reply { status, headers: lines.filter_map(pair).collect(), body: bytes[end + 4..].into() })
}

/// Asks for three tasks with at most `max_tokens` output tokens.
async fn ask(simulator: &Simulator, max_tokens: u64) -> Option<Reply> {
    let messages = json!([{"role": "user", "content": "Write 3 new tasks."}]);
    let body = json!({"model": "m", "messages": messages, "max_tokens": max_tokens});
    send(simulator, "POST /v1/chat/completions HTTP/1.1", &body.to_string()).await
}

#[tokio::test]
async fn a_dropped_connection_brings_no_byte() {
    for (fault, billed) in [("drop:1", true), ("drop-before:1", false)] {
        let simulator = start(with_faults(fault)).await;
        assert!(ask(&simulator, 500).await.is_none(), "{fault}");
        let bill = simulator.bill();
        assert_eq!(bill.cost > Usd::ZERO, billed, "{fault}");
        let expected = (u64::from(billed), u64::from(!billed));
        assert_eq!((bill.requests, bill.answered), (1, 0));
        assert_eq!((bill.broken, bill.refused), expected, "{fault}");
    }
}

#[tokio::test]
async fn a_drop_leaves_the_answers_before_it_whole() {
    // The faults of this seed let the first requests pass and drop a later one.
    let simulator = start(SimulatorSettings { seed: 1, ..with_faults("drop:0.2") }).await;
    let body = json!({"model": "m", "prompt": "1. Instruction:", "max_tokens": 20}).to_string();
    let head = "POST /v1/completions HTTP/1.1\r\nHost: x";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let mut answered = 0;
    let mut buffer = vec![0; 65_536];
    loop {
        stream.write_all(request.as_bytes()).await.unwrap();
        let length = stream.read(&mut buffer).await.unwrap();
        if length == 0 {
            break;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        answered += 1;
    }
    let bill = simulator.bill();
    assert!(answered > 0);
    assert_eq!((bill.answered, bill.broken), (answered, 1));
}

#[tokio::test]
async fn a_cut_body_arrives_by_half() {
    let simulator = start(with_faults("cut:1")).await;
    let reply = ask(&simulator, 500).await.unwrap();
    let announced: usize = reply.headers["content-length"].parse().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, announced / 2));
    assert_eq!(simulator.bill().broken, 1);
}

#[tokio::test]
async fn the_bill_tells_what_was_offered_from_what_was_admitted() {
    let simulator = start(SimulatorSettings { rpm: Some(2), ..with_faults("") }).await;
    for (n, status) in [200, 200, 429, 429].into_iter().enumerate() {
        let reply = ask(&simulator, 500).await.unwrap();
        assert_eq!(reply.status, status, "request {n}");
        assert_eq!(reply.headers["x-ratelimit-limit-requests"], "2");
        if status == 429 {
            assert_eq!(reply.error()["type"], "requests");
            assert_eq!(reply.error()["code"], "rate_limit_exceeded");
            assert_eq!(reply.headers["x-ratelimit-remaining-requests"], "0");
            let wait: u64 = reply.headers["retry-after-ms"].parse().unwrap();
            assert!((1..=60_000).contains(&wait), "{wait}");
            assert_eq!(reply.headers["retry-after"], wait.div_ceil(1_000).to_string());
        }
    }
    let bill = simulator.bill();
    assert_eq!((bill.peak_requests_per_minute, bill.peak_offered_requests_per_minute), (2, 4));
    assert_eq!(bill.peak_offered_tokens_per_minute, 2 * bill.peak_tokens_per_minute);
    assert!(bill.peak_tokens_per_minute > 1_000, "{bill:?}");
}

#[tokio::test]
async fn a_request_above_the_whole_limit_is_not_told_to_wait() {
    let simulator = start(SimulatorSettings { tpm: Some(1_000), ..with_faults("") }).await;
    let reply = ask(&simulator, 1_000).await.unwrap();
    assert_eq!(reply.status, 429);
    let error = reply.error();
    assert_eq!((&error["type"], &error["code"]), (&json!("tokens"), &json!("rate_limit_exceeded")));
    assert!(error["message"].as_str().unwrap().starts_with("Request too large for m"), "{error}");
    assert!(!reply.headers.keys().any(|name| name.starts_with("retry-after")), "{reply:?}");
    assert_eq!(ask(&simulator, 900).await.unwrap().status, 200);
    assert_eq!(ask(&simulator, u64::MAX).await.unwrap().status, 429);
}

#[tokio::test]
async fn the_credit_is_never_passed() {
    let one = {
        let simulator = start(with_faults("")).await;
        assert_eq!(ask(&simulator, 500).await.unwrap().status, 200);
        simulator.bill().cost
    };
    for (credit, status) in [(one.pico(), 200), (one.pico() - 1, 429)] {
        let quota = Some(Usd::from_pico(credit));
        let simulator = start(SimulatorSettings { quota, ..with_faults("") }).await;
        let reply = ask(&simulator, 500).await.unwrap();
        assert_eq!(reply.status, status);
        let next = ask(&simulator, 500).await.unwrap();
        assert_eq!((next.status, &next.error()["code"]), (429, &json!("insufficient_quota")));
        assert!(simulator.bill().cost <= Usd::from_pico(credit));
        assert_eq!(simulator.bill().answered, u64::from(status == 200));
    }
}

#[tokio::test]
async fn the_models_need_the_key_too() {
    let api_key = Some("sk-right".to_owned());
    let simulator = start(SimulatorSettings { api_key, ..with_faults("") }).await;
    let get = "GET /v1/models HTTP/1.1";
    let without = send(&simulator, get, "").await.unwrap();
    assert_eq!((without.status, &without.error()["code"]), (401, &json!("invalid_api_key")));
    for (key, status) in [("sk-wrong", 401), ("sk-right", 200)] {
        let head = format!("{get}\r\nAuthorization: Bearer {key}");
        assert_eq!(send(&simulator, &head, "").await.unwrap().status, status, "{key}");
    }
    assert!(!format!("{simulator:?}").contains("sk-right"));
}

#[tokio::test]
async fn embeddings_are_billed_by_the_tokens_of_their_texts() {
    let settings = SimulatorSettings {
        price_embedding: Usd::from_pico(3),
        rpm: Some(1),
        ..SimulatorSettings::default()
    };
    let simulator = start(settings).await;
    let body = json!({"model": "e", "input": ["Four tokens here", "Two now"], "dimensions": 4});
    for _ in 0..2 {
        let head = "POST /v1/embeddings HTTP/1.1";
        let reply = send(&simulator, head, &body.to_string()).await.unwrap();
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, answer["data"].as_array().unwrap().len()), (200, 2));
        assert_eq!(answer["data"][1]["embedding"].as_array().unwrap().len(), 4);
        assert_eq!(answer["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}));
    }
    let bill = simulator.bill();
    assert_eq!((bill.cost, bill.answered), (Usd::from_pico(36), 2));
}
