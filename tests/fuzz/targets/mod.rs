//! What every reader of foreign data has to hold, whatever the bytes: one function a target.
//!
//! A fuzzer calls these (`fuzz/`), and so does `cargo test`, over the inputs that are kept. Beyond
//! "does not panic" they say what must come out: texts that read back, two ways of reading that agree,
//! an output that is bounded by the input.

pub mod batches;
pub mod configuration;
pub mod datasets;
pub mod embeddings;
pub mod novelty;
pub mod prices;
pub mod refusals;
pub mod replies;
pub mod salvage;
pub mod seeds;
pub mod templates;
pub mod values;

use std::borrow::Cow;
use std::path::Path;

use instructmill::provider::ApiKey;

/// One target: it panics when the bytes break a promise.
pub type Check = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Check); 12] = [
    ("batches", batches::check),
    ("configuration", configuration::check),
    ("datasets", datasets::check),
    ("embeddings", embeddings::check),
    ("novelty", novelty::check),
    ("prices", prices::check),
    ("refusals", refusals::check),
    ("replies", replies::check),
    ("salvage", salvage::check),
    ("seeds", seeds::check),
    ("templates", templates::check),
    ("values", values::check),
];

/// A key that the corpora have in them, whole and in pieces.
const KEY: &str = "sk-0123456789abcdef";

fn key() -> ApiKey {
    ApiKey::new(KEY.to_owned()).expect("it has the form of a key")
}

/// The first bytes, which choose among settings (zero where there are none), and the rest.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    match bytes.split_first_chunk() {
        Some((choices, rest)) => (*choices, rest),
        None => ([0; N], &[]),
    }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// One of a list, chosen by a byte.
fn choose<T>(choices: &[T], byte: u8) -> &T {
    &choices[usize::from(byte) % choices.len()]
}

/// Calls `read` with a file that has these bytes.
fn with_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: tempfile::TempDir =
            tempfile::tempdir().expect("a place to write to is all it asks for");
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("input");
        std::fs::write(&path, bytes).expect("a place to write to is all it asks for");
        read(&path)
    })
}

/// Panics unless a person can be shown the text: one line, with nothing that steers a terminal.
fn assert_presentable(text: &str) {
    let is_hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    assert!(!text.contains(|c: char| c.is_control() || is_hidden(c)), "{text:?}");
}
