//! Inputs out of others, by a number that makes the same input again.

use fastrand::Rng;

/// Inputs stop growing here, in bytes.
const MAX_BYTES: usize = 20_000;

/// What inputs gain besides single bytes: what readers look for, and what other readers fell over.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "{", "}", "[", "]", "\"", "\\", ":", ",", "\\u", "\\ud83d", "\u{feff}", "###", "4. Input:", "<!--", "-->",
    "NaN", "-Infinity", "1e999", "18446744073709551616", "-0.0", "null", "instruction", "tasks", "//", "/*",
    "```", "“", "'", "\r\n", "\u{0}", "\u{202e}", "\u{9b}", "<think>", "</think>", "sk-0123456789abcdef",
    "\\u0073k-", "\"\"", "=== 2 ===", "@0.7", ">=", "\n\n", "İ", "给",
];

/// The input of a number, made of the inputs of a corpus.
pub fn mutated(corpus: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let mut bytes = random.choice(corpus).cloned().unwrap_or_default();
    for _ in 0..1 << random.u32(0..6) {
        mutate(&mut bytes, corpus, &mut random);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Rng) {
    let from = random.usize(0..=bytes.len());
    let to = random.usize(from..=(from + 40).min(bytes.len()));
    match random.u32(0..8) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => bytes.insert(from, random.u8(..)),
        3 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << random.u32(0..8)),
        // The first bytes of most inputs choose among settings.
        4 => bytes.iter_mut().take(2).for_each(|byte| *byte = random.u8(..)),
        5 => insert(bytes, from, random.choice(TOKENS).copied().unwrap_or_default().as_bytes()),
        6 => {
            let piece = bytes.get(from..to).unwrap_or_default().repeat(1 << random.u32(0..9));
            insert(bytes, from, &piece);
        }
        _ => {
            let other = random.choice(corpus).cloned().unwrap_or_default();
            insert(bytes, from, other.get(random.usize(..=other.len())..).unwrap_or_default());
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let piece = piece.iter().copied().take(MAX_BYTES.saturating_sub(bytes.len()));
    drop(bytes.splice(at..at, piece));
}
