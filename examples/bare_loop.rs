//! The reference of the pipeline benchmark: the same number of chat completions by a bare reqwest
//! loop, with nothing journalled, judged or limited.
//!
//! usage: `bare_loop BASE_URL REQUESTS CONCURRENCY BODIES`, a file with a request's body on each line
#![expect(clippy::print_stdout, reason = "a benchmark's output")]

use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("usage: bare_loop BASE_URL REQUESTS CONCURRENCY BODIES");
    let url = format!("{}/chat/completions", next()?);
    let (requests, concurrency): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .pool_max_idle_per_host(concurrency)
        .build()?;
    let bodies = std::fs::read(next()?)?;
    let bodies: Vec<Bytes> =
        bodies.split(|byte| *byte == b'\n').map(Bytes::copy_from_slice).collect();
    let started = Instant::now();
    let bytes: usize = stream::iter(bodies.iter().cycle().take(requests))
        .map(|body| {
            let request = client.post(&url).body(body.clone());
            let request = request.header("content-type", "application/json");
            async move { Ok::<usize, reqwest::Error>(request.send().await?.bytes().await?.len()) }
        })
        .buffer_unordered(concurrency)
        .map(|length| length.unwrap_or(0))
        .fold(0, async |sum, length| sum + length)
        .await;
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for display")]
    let rate = requests as f64 / seconds;
    println!("bare loop: {requests} requests, {bytes} bytes, {seconds:.2} s, {rate:.0} requests/s");
    Ok(())
}
