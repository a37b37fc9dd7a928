//! Seeded random numbers: each purpose has its own stream for each request.

use fastrand::Rng;

/// What random numbers are for. Streams of different purposes have nothing to do with each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Salt {
    /// The text of an answer.
    Text = 1,
    /// The tasks that the writer keeps coming back to; the same in every request.
    Favourite = 2,
    /// Whether a request meets a fault.
    Fault = 3,
    /// How long an answer takes.
    Latency = 4,
    /// The direction of a piece of text, in embeddings.
    Direction = 5,
}

/// The numbers for one purpose and one index, such as a request's number.
pub(super) fn stream(seed: u64, salt: Salt, index: u64) -> Rng {
    let salted = mix(seed ^ mix(salt as u64));
    Rng::with_seed(mix(salted ^ index))
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): one-to-one, and each bit of the
/// result depends on every bit of `x`.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
