//! A server that writes any bytes as answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

/// Writes the answer to the request of this number; an error closes the connection.
pub type Answer = fn(&mut TcpStream, u64) -> io::Result<()>;

/// Serves until the test's process ends.
#[derive(Debug, Clone)]
pub struct RawServer {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    friendly: Arc<AtomicBool>,
}

impl RawServer {
    /// Answers the first requests with a completion each, as many as `before`, and others with
    /// `answer`.
    pub fn start(before: u64, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            friendly: Arc::default(),
        };
        let served = server.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let served = served.clone();
                // An error is the end of the connection, which is what is wanted.
                std::thread::spawn(move || drop(served.serve(&mut stream, before, answer)));
            }
        });
        server
    }

    fn serve(&self, stream: &mut TcpStream, before: u64, answer: Answer) -> io::Result<()> {
        stream.set_nodelay(true)?;
        while read_request(stream)? {
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            if number < before || self.friendly.load(Ordering::SeqCst) {
                stream.write_all(&respond("200 OK", "", &completion(&tasks(number))))?;
            } else {
                answer(stream, number)?;
            }
        }
        Ok(())
    }

    /// From now on every request is answered with a completion.
    pub fn become_friendly(&self) {
        self.friendly.store(true, Ordering::SeqCst);
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads one request; false when the client has closed the connection.
fn read_request(stream: &mut TcpStream) -> io::Result<bool> {
    let mut request = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let head = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head
            && request.len() >= head + 4 + content_length(&request[..head])
        {
            return Ok(true);
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(false),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| length.trim().parse().unwrap())
}

/// A whole response with a length; `headers` end in a line break each.
pub fn respond(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Five tasks that are like no others.
pub fn tasks(number: u64) -> Value {
    let mut random = fastrand::Rng::with_seed(number);
    let word = |random: &mut fastrand::Rng| -> String {
        std::iter::repeat_with(|| random.lowercase()).take(6).collect()
    };
    let mut sentence = || {
        let words: Vec<String> = (0..8).map(|_| word(&mut random)).collect();
        words.join(" ")
    };
    let mut task = || json!({"instruction": format!("Describe {}", sentence()), "input": "", "output": sentence()});
    json!({"tasks": [task(), task(), task(), task(), task()]})
}

/// The usage of a completion, as a server should report it.
pub fn usage() -> Value {
    json!({"prompt_tokens": 1_000, "completion_tokens": 300})
}

/// A reply around the text of a completion.
pub fn reply(text: &str, usage: &Value) -> Value {
    let message = json!({"role": "assistant", "content": text});
    json!({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})
}

pub fn completion(tasks: &Value) -> Vec<u8> {
    reply(&tasks.to_string(), &usage()).to_string().into_bytes()
}
