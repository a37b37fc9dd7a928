//! Which entries are worth a comparison: `MinHash` signatures, cut into bands (Broder, "On the
//! resemblance and containment of documents", 1997; Leskovec, Rajaraman and Ullman, "Mining of
//! Massive Datasets", chapter 3).
//!
//! The smallest hash of a text's n-grams under a random order is that of another text with a
//! probability that is their Jaccard similarity. Entries are listed under the hashes of each band;
//! those that agree with a text in any whole band are its candidates.

use hashbrown::HashMap;

use super::ngrams::{mix, upper};

/// Random orders of the n-grams, at most.
pub(super) const ORDERS: usize = 128;
/// Of the texts exactly as similar as the threshold at most so many are not found; of those that are
/// more similar, fewer.
const MISSED: f64 = 0.005;

/// How a signature is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) bands: usize,
    /// Hashes in a band.
    pub(super) rows: usize,
}

impl Shape {
    /// The longest bands, which have the fewest candidates, that miss few enough.
    pub(super) fn new(threshold: f64) -> Self {
        let shapes = (1..=ORDERS).rev().map(|rows| Self { bands: ORDERS / rows, rows });
        let mut fit = shapes.filter(|shape| shape.missed(threshold) <= MISSED);
        fit.next().unwrap_or(Self { bands: ORDERS, rows: 1 })
    }

    /// The probability that two texts of that similarity share no band.
    ///
    /// Multiplied step by step: the result of `powi` may differ between machines.
    pub(super) fn missed(self, similarity: f64) -> f64 {
        let power = |base: f64, times: usize| (0..times).fold(1.0, |product, _| product * base);
        power(1.0 - power(similarity, self.rows), self.bands)
    }

    /// One number for each band of the signature of a text with these n-grams.
    pub(super) fn keys(self, ngrams: &[u32]) -> Vec<u32> {
        let first_of = |order: &Order| ngrams.iter().map(|ngram| order.place(*ngram)).min();
        let bands = FAMILY.chunks_exact(self.rows).take(self.bands);
        bands
            .map(|orders| {
                let smallest = orders.iter().map(|order| first_of(order).unwrap_or(u32::MAX));
                upper(smallest.fold(0, |key: u64, hash| mix(key ^ u64::from(hash))))
            })
            .collect()
    }
}

/// A random order of the 32-bit numbers: multiply, add and shift by random numbers, which is
/// strongly universal (Dietzfelbinger, "Universal hashing and k-wise independent random variables
/// via integer arithmetic without primes", 1996).
struct Order {
    factor: u64,
    summand: u64,
}

impl Order {
    fn place(&self, ngram: u32) -> u32 {
        upper(self.factor.wrapping_mul(u64::from(ngram)).wrapping_add(self.summand))
    }
}

/// The orders, from `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014) with seed 1.
static FAMILY: [Order; ORDERS] = family();

const fn family() -> [Order; ORDERS] {
    let mut family = [const { Order { factor: 0, summand: 0 } }; ORDERS];
    let (mut state, mut i) = (1, 0);
    while i < ORDERS {
        let (factor, summand) = (split_mix(&mut state), split_mix(&mut state));
        family[i] = Order { factor, summand };
        i += 1;
    }
    family
}

const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *state;
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// No further entry.
const END: u32 = u32::MAX;

/// The entries, listed by the keys of their bands.
#[derive(Debug)]
pub(super) struct Bands {
    shape: Shape,
    /// For each band, the latest entry with a key.
    latest: Vec<HashMap<u32, u32>>,
    /// For each entry and band, the entry before it with the same key, or [`END`].
    earlier: Vec<u32>,
}

impl Bands {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, latest: vec![HashMap::new(); shape.bands], earlier: Vec::new() }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Lists the next entry; one without n-grams has no keys.
    pub(super) fn push(&mut self, entry: u32, keys: &[u32]) {
        for (latest, key) in self.latest.iter_mut().zip(keys) {
            self.earlier.push(latest.insert(*key, entry).unwrap_or(END));
        }
        self.earlier.resize((entry as usize + 1) * self.shape.bands, END);
    }

    /// The entries that have one of the keys, each once, in order.
    pub(super) fn candidates(&self, keys: &[u32]) -> Vec<u32> {
        let mut found = Vec::new();
        for (band, (latest, key)) in self.latest.iter().zip(keys).enumerate() {
            let mut entry = latest.get(key).copied().unwrap_or(END);
            while entry != END {
                found.push(entry);
                entry = self.earlier[entry as usize * self.shape.bands + band];
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_cut_for_the_threshold() {
        for (threshold, bands, rows) in [
            (0.0, 128, 1),
            (0.3, 64, 2),
            (0.5, 42, 3),
            (0.6, 42, 3),
            (0.7, 32, 4),
            (0.8, 21, 6),
            (1.0, 1, 128),
        ] {
            let shape = Shape::new(threshold);
            assert_eq!(shape, Shape { bands, rows }, "{threshold}");
            if threshold > 0.0 {
                assert!(shape.missed(threshold) <= MISSED);
            }
        }
    }

    // The reference implementation's first numbers from that seed.
    #[test]
    fn random_numbers_are_the_published_ones() {
        let mut state = 1_234_567;
        let numbers = [split_mix(&mut state), split_mix(&mut state)];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn candidates_share_a_band() {
        let mut bands = Bands::new(Shape { bands: 2, rows: 64 });
        for (entry, keys) in (0..).zip([&[1, 2][..], &[], &[1, 3], &[2, 1]]) {
            bands.push(entry, keys);
        }
        assert_eq!(bands.candidates(&[1, 2]), [0, 2]);
        assert_eq!(bands.candidates(&[2, 3]), [2, 3]);
        assert_eq!(bands.candidates(&[3, 9]), [0; 0]);
    }
}
