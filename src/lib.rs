//! instructmill expands a few seed tasks into a deduplicated instruction-tuning data set through
//! an LLM API, under a budget that is never exceeded.
//!
//! # The flow
//!
//! A run turns seed tasks into accepted tasks. Data moves one way:
//!
//! | # | step | home |
//! |--:|---|---|
//! | 1 | load seed tasks | [`pool`] |
//! | 2 | sample in-context examples | [`pool`] |
//! | 3 | render the prompt | [`template`] |
//! | 4 | reserve the worst-case cost | [`ledger`] |
//! | 5 | wait for the rate limit | [`limit`] |
//! | 6 | call the API, with retries | [`pipeline`], [`provider`] |
//! | 7 | journal the response, settle | [`store`], [`ledger`] |
//! | 8 | parse | [`template`] |
//! | 9 | filter | [`filter`] |
//! | 10 | check for benchmarks, and novelty | [`novelty`], [`benchmark`] |
//! | 11 | accept; export; report | [`pipeline`], [`export`], [`report`] |
//!
//! # The layers
//!
//! ```text
//! main -> cli -> { pipeline viewer } -> config
//!   -> { pool template ledger limit provider store filter novelty benchmark dataset
//!        export report simulator metrics }
//!   -> { task chat usd event summary embedding clock histogram host
//!        headroom failpoint }
//! ```
//!
//! Left may import anything to its right; siblings inside the first braces do not import each other.
//! `tests/layers.rs` holds the code to this table.

pub mod chat;
pub mod clock;
pub mod embedding;
pub mod event;
pub mod failpoint;
pub mod headroom;
pub mod histogram;
pub mod host;
pub mod summary;
pub mod task;
pub mod usd;

pub mod benchmark;
pub mod dataset;
pub mod export;
pub mod filter;
pub mod ledger;
pub mod limit;
pub mod metrics;
pub mod novelty;
pub mod pool;
pub mod provider;
pub mod report;
pub mod simulator;
pub mod store;
pub mod template;

pub mod config;

pub mod pipeline;
pub mod viewer;

pub mod cli;
