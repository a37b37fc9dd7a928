//! The HTTP client against real sockets on this machine: what each way to fail means for the bill.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{ApiKey, FailureKind, HttpClient, HttpError, HttpSettings, Outcome, Refusal, classify};

const KEY: &str = "sk-test-0123456789";
const LIMIT: usize = 100_000;

/// A server that answers one connection with `respond` and hands back the request it read.
struct Server {
    base_url: String,
    thread: JoinHandle<String>,
}

impl Server {
    fn start(respond: impl FnOnce(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            respond(&mut stream);
            request
        });
        Self { base_url, thread }
    }

    /// Answers with `response` and closes the connection.
    fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |stream| stream.write_all(&response).unwrap())
    }

    /// Posts to this server; gives the outcome and the request that the server saw.
    async fn post(self) -> (Outcome, String) {
        let client = HttpClient::new(settings(&self.base_url)).unwrap();
        let outcome = client.post("chat/completions", b"{\"a\":1}".to_vec(), "attempt-7").await;
        (outcome, self.request().await)
    }

    /// The request that the server saw, once it is done with the connection. Waits off the runtime,
    /// which still has the connection to close.
    async fn request(self) -> String {
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

/// Reads one request: the head, and the seven bytes of the tests' body.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n{\"a\":1}") {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// Holds the connection open without a word until the client closes it.
fn wait_for_close(stream: &mut TcpStream) {
    let mut buffer = [0; 64];
    while matches!(stream.read(&mut buffer), Ok(count) if count > 0) {}
}

fn settings(base_url: &str) -> HttpSettings {
    HttpSettings {
        base_url: base_url.to_owned(),
        access: super::access::OPENAI,
        api_version: None,
        api_key: Some(ApiKey::new(KEY.to_owned()).unwrap()),
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
        max_body_bytes: LIMIT,
        concurrency: 4,
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn assert_unknown(outcome: &Outcome, expected: FailureKind) {
    match outcome {
        Outcome::Unknown { kind, message } => {
            assert_eq!(*kind, expected, "{message}");
            assert!(!message.is_empty());
        }
        other => panic!("expected an unknown outcome, got {other:?}"),
    }
}

#[tokio::test]
async fn a_whole_answer_arrives_raw_and_the_request_is_as_promised() {
    let headers = "content-type: application/json\r\nx-request-id: req_1\r\n";
    let (outcome, request) =
        Server::answering(response("200 OK", headers, "not { json")).post().await;
    let Outcome::Answered { status: 200, headers, body } = outcome else { panic!("{outcome:?}") };
    assert_eq!(body, &b"not { json"[..]);
    assert_eq!(headers.request_id.as_deref(), Some("req_1"));
    assert_eq!(headers.content_type.as_deref(), Some("application/json"));
    let request = request.to_ascii_lowercase();
    let agent = format!("user-agent: instructmill/{}", env!("CARGO_PKG_VERSION"));
    for line in [
        "post /v1/chat/completions http/1.1",
        "authorization: bearer sk-test-0123456789",
        "content-type: application/json",
        "idempotency-key: attempt-7",
        "x-client-request-id: attempt-7",
        "accept-encoding: gzip",
        &agent,
    ] {
        assert!(request.lines().any(|found| found == line), "{line} is not in\n{request}");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_key_stays_here() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = elsewhere.local_addr().unwrap();
    let headers = format!("location: http://user:secret@{target}/v1/chat/completions?token=1\r\n");
    let (outcome, _) = Server::answering(response("307 Moved", &headers, "")).post().await;
    let Outcome::Refused { status: 307, error, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(classify(&error), Refusal::Redirect);
    assert!(error.message.contains(&format!("redirects to http://{target}, ")), "{error}");
    assert!(!error.message.contains("secret") && !error.message.contains("token"), "{error}");
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "followed");
}

#[tokio::test]
async fn a_redirect_may_lack_its_target() {
    let (outcome, _) = Server::answering(response("302 Found", "", "")).post().await;
    let Outcome::Refused { error, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.message.contains("an address it does not name"), "{error}");
}

#[tokio::test]
async fn refusals_carry_their_reason_and_their_wait() {
    let limited =
        r#"{"error":{"message":"Slow down","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let waits = "retry-after-ms: 1500\r\nx-ratelimit-reset-tokens: 6m0s\r\n";
    for (status, headers, body, expected) in [
        ("429 Too Many Requests", waits, limited, Refusal::RateLimited),
        ("401 Unauthorized", "", r#"{"error":{"message":"no"}}"#, Refusal::BadKey),
        ("500 Internal Server Error", "", "<html><body>oops</body></html>", Refusal::ServerError),
        ("404 Not Found", "", "", Refusal::NotFound),
    ] {
        let (outcome, _) = Server::answering(response(status, headers, body)).post().await;
        let Outcome::Refused { status: code, headers: read, error } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(status.starts_with(&code.to_string()) && error.status == code);
        assert_eq!(classify(&error), expected);
        let expected_wait = (!headers.is_empty()).then_some(Duration::from_millis(1500));
        assert_eq!(read.retry_after, expected_wait);
        assert_eq!(read.rate_limit_reset.is_some(), !headers.is_empty());
    }
}

#[tokio::test]
async fn the_status_of_a_refusal_stands_when_its_body_breaks_off() {
    let cut = "HTTP/1.1 503 Busy\r\ncontent-length: 500\r\n\r\noverlo";
    let (outcome, _) = Server::answering(cut).post().await;
    let Outcome::Refused { status: 503, error, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.message, "overlo");
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_be_billed() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\"";
    assert_unknown(&Server::answering(cut).post().await.0, FailureKind::Body);
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"cho\r\n";
    assert_unknown(&Server::answering(chunk).post().await.0, FailureKind::Body);
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope";
    assert_unknown(&Server::answering(gzip).post().await.0, FailureKind::Body);
}

#[tokio::test]
async fn a_connection_closed_before_the_response_may_be_billed() {
    assert_unknown(&Server::answering("").post().await.0, FailureKind::Connection);
    assert_unknown(&Server::answering("HTTP/1.1 20").post().await.0, FailureKind::Connection);
}

#[tokio::test]
async fn what_is_no_http_may_be_billed() {
    let garbage = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
    assert_unknown(&Server::answering(garbage).post().await.0, FailureKind::Connection);
}

#[tokio::test]
async fn an_endless_head_is_bounded() {
    let server = Server::start(|stream| {
        let _closed = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(format!("x-filler: {}\r\n", "x".repeat(4000)).as_bytes()).is_ok() {}
    });
    assert_unknown(&server.post().await.0, FailureKind::Connection);
}

#[tokio::test]
async fn an_endless_body_is_bounded() {
    for status in ["200 OK", "500 Internal Server Error"] {
        let server = Server::start(move |stream| {
            let _closed = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
            while stream.write_all(&[b'x'; 8192]).is_ok() {}
        });
        // The server's thread ends only when the client has closed the connection.
        let (outcome, _) = server.post().await;
        match outcome {
            Outcome::Refused { status: 500, error, .. } => {
                assert_eq!(error.message.chars().count(), 300);
            }
            other => assert_unknown(&other, FailureKind::TooLarge),
        }
    }
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_is_bounded() {
    let bomb = include_bytes!("testdata/zeros_4mib.gz");
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    assert!(bomb.len() < LIMIT / 10);
    reply.extend_from_slice(bomb);
    assert_unknown(&Server::answering(reply).post().await.0, FailureKind::TooLarge);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_whole() {
    let (outcome, _) = Server::answering(response("200 OK", "", &"x".repeat(LIMIT))).post().await;
    assert!(matches!(outcome, Outcome::Answered { body, .. } if body.len() == LIMIT));
    let (outcome, _) =
        Server::answering(response("200 OK", "", &"x".repeat(LIMIT + 1))).post().await;
    assert_unknown(&outcome, FailureKind::TooLarge);
}

#[tokio::test]
async fn a_silent_server_runs_into_each_time_limit() {
    let short = Duration::from_millis(150);
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{";
    for said in ["", head] {
        for total in [true, false] {
            let server = Server::start(move |stream| {
                stream.write_all(said.as_bytes()).unwrap();
                wait_for_close(stream);
            });
            let mut settings = settings(&server.base_url);
            if total {
                settings.total_timeout = short;
            } else {
                settings.read_timeout = short;
            }
            let client = HttpClient::new(settings).unwrap();
            let outcome = client.post("completions", b"{\"a\":1}".to_vec(), "1").await;
            assert_unknown(&outcome, FailureKind::Timeout);
            server.request().await;
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_free() {
    let free_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = HttpClient::new(settings(&format!("http://{free_port}/v1"))).unwrap();
    let outcome = client.post("completions", Vec::new(), "1").await;
    let Outcome::NotSent { kind: FailureKind::Connect, message } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(message.to_lowercase().contains("refused"), "{message}");
}

#[tokio::test]
async fn a_server_without_tls_is_recognised_and_free() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("https://{}/v1", listener.local_addr().unwrap());
    let client = match HttpClient::new(settings(&base_url)) {
        Ok(client) => client,
        // A machine without certificates can't speak TLS at all, and is told so.
        Err(HttpError::Client { message }) => {
            assert!(message.contains("CA certificates"), "{message}");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        wait_for_close(&mut stream);
    });
    let outcome = client.post("completions", Vec::new(), "1").await;
    assert!(matches!(outcome, Outcome::NotSent { kind: FailureKind::Tls, .. }), "{outcome:?}");
    drop(client);
    tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_request_id_that_is_no_header_is_free() {
    let client = HttpClient::new(settings("http://127.0.0.1:1/v1")).unwrap();
    let outcome = client.post("completions", Vec::new(), "a\r\nx-evil: 1").await;
    assert!(matches!(outcome, Outcome::NotSent { kind: FailureKind::Request, .. }), "{outcome:?}");
}

#[tokio::test]
async fn the_key_is_in_no_text_even_when_the_server_echoes_it() {
    let echo = format!("{{\"error\": \"you sent Bearer {KEY}\"}}");
    for status in ["200 OK", "401 Unauthorized", "302 Found"] {
        let headers =
            format!("x-request-id: {KEY}\r\ncontent-type: {KEY}\r\nlocation: http://{KEY}/\r\n");
        let (outcome, _) = Server::answering(response(status, &headers, &echo)).post().await;
        if let Outcome::Answered { body, .. } = &outcome {
            assert_eq!(body, &b"{\"error\": \"you sent Bearer (redacted)\"}"[..]);
        }
        let shown = format!("{outcome:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
    let settings = settings("http://127.0.0.1:1/v1");
    let client = HttpClient::new(settings.clone()).unwrap();
    let with_password =
        HttpSettings { base_url: "https://u:hunter2@host".to_owned(), ..settings.clone() };
    let shown = format!("{settings:?} {client:?} {with_password:?}");
    assert!(!shown.contains(KEY) && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_wrong_base_url_is_told_before_anything_is_sent() {
    let error = HttpClient::new(settings("https://host/v1/chat/completions")).unwrap_err();
    insta::assert_snapshot!(error, @"the base URL already ends in /chat/completions, which is added to it: give https://host/v1");
}
