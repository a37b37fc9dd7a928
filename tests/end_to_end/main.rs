//! The built program, driven over real HTTP on loopback against the built-in simulator.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unreachable_pub, reason = "nothing outside this test binary can reach it anyway")]

mod batches;
mod caching;
mod crash;
mod dedup;
mod embeddings;
mod endpoints;
#[cfg(unix)]
mod environment;
mod estimate;
mod export;
mod failpoints;
mod faults;
mod generate;
#[cfg(unix)]
mod hostile_answers;
#[cfg(unix)]
mod hostile_input;
#[cfg(unix)]
mod hostile_server;
mod inputs;
mod install;
mod models;
mod novelty;
mod phases;
mod pilot;
mod providers;
#[cfg(unix)]
mod raw_server;
mod replay;
mod report;
mod scheduler;
mod secrets;
mod support;
mod tls;
mod token_bound;
mod view;
mod watch;
