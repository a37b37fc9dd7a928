//! The embeddings of an index, row by row, and the exact scan over them.
//!
//! A row is laid beside a text a [`SECTION`] of the components at a time. After each section the
//! rest can add at most the product of what is left of both lengths (Cauchy and Schwarz), and a row
//! that can no longer come above the least score is left. All of it is in whole numbers, rounded so
//! that no row is left that could. At a threshold of 0.9 most rows are left after a third.

use crate::embedding::{Embedding, square};

/// Components between two looks at what is left.
const SECTION: usize = 64;
/// Rows in a block: a unit of work for a thread, and of memory.
const BLOCK: usize = 1_024;

/// The embeddings, all of one model and so of one length.
#[derive(Debug, Default)]
pub(super) struct Rows {
    dimensions: usize,
    len: usize,
    blocks: Vec<Block>,
    /// The smallest sum of squares of a row.
    least_square: u32,
}

#[derive(Debug)]
struct Block {
    components: Vec<i16>,
    /// For each row and section, the length of what comes after it, rounded up.
    rests: Vec<u16>,
    /// For each row, the sum of its squares.
    squares: Vec<u32>,
}

/// A text to be laid beside rows.
#[derive(Debug)]
pub(super) struct Query<'a> {
    components: &'a [i16],
    rests: Vec<u16>,
    square: u32,
}

/// A text that is laid beside rows, with what they have to come above.
#[derive(Debug)]
pub(super) struct Probe<'q> {
    query: &'q Query<'q>,
    least: f64,
    /// The sum of products that gives no more than the least score in any row.
    bar: i32,
}

impl Query<'_> {
    /// How many components it has.
    pub(super) fn len(&self) -> usize {
        self.components.len()
    }

    pub(super) fn components(&self) -> &[i16] {
        self.components
    }
}

impl Rows {
    /// Adds a row; `false` for one of another length, which is of another model and like none.
    pub(super) fn push(&mut self, embedding: &Embedding) -> bool {
        if self.len == 0 {
            (self.dimensions, self.least_square) = (embedding.dimensions(), u32::MAX);
        }
        if embedding.dimensions() != self.dimensions {
            return false;
        }
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Block::new(self.dimensions));
        }
        let block = self.blocks.last_mut().expect("pushed above at the latest");
        block.components.extend_from_slice(embedding.components());
        block.rests.extend(rests(embedding.components()));
        block.squares.push(embedding.square());
        self.least_square = self.least_square.min(embedding.square());
        self.len += 1;
        true
    }

    /// A text to be laid beside rows; `None` when it is like none, being of another length.
    pub(super) fn query<'a>(&self, embedding: &'a Embedding) -> Option<Query<'a>> {
        let components = embedding.components();
        (components.len() == self.dimensions).then(|| Query {
            components,
            rests: rests(components).collect(),
            square: embedding.square(),
        })
    }

    /// How many rows there are.
    #[cfg_attr(not(feature = "hnsw"), expect(dead_code, reason = "for the graph"))]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The components of a row.
    pub(super) fn components(&self, row: usize) -> &[i16] {
        &self.blocks[row / BLOCK].components[row % BLOCK * self.dimensions..][..self.dimensions]
    }

    /// How similar a row is to a text.
    pub(super) fn score(&self, query: &Query<'_>, row: usize) -> f64 {
        let square = self.blocks[row / BLOCK].squares[row % BLOCK];
        cosine(dot(query.components, self.components(row)), query.square, square)
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn block_of(&self, row: usize) -> usize {
        (row / BLOCK).min(self.blocks.len())
    }

    /// A text for which rows with a score above `least` are looked for.
    pub(super) fn probe<'q>(&self, query: &'q Query<'q>, least: f64) -> Probe<'q> {
        Probe { query, least, bar: self.bar(query, least) }
    }

    /// Calls `each` with the place of the probe, the row and its score, for every row of a block, from
    /// row `first` of all on, that comes above what the probe asks; it gives what is asked from then
    /// on. Every row is fetched once, however many probes there are.
    pub(super) fn scan(
        &self,
        probes: &mut [Probe<'_>],
        block: usize,
        first: usize,
        mut each: impl FnMut(usize, usize, f64) -> f64,
    ) {
        let rows = &self.blocks[block];
        let from = first.saturating_sub(block * BLOCK);
        for row in from..rows.squares.len() {
            for (place, probe) in probes.iter_mut().enumerate() {
                let query = probe.query;
                let Some(product) = rows.product(query, row, probe.bar) else { continue };
                let score = cosine(product, query.square, rows.squares[row]);
                if score > probe.least {
                    probe.least = each(place, block * BLOCK + row, score);
                    probe.bar = self.bar(query, probe.least);
                }
            }
        }
    }

    /// No product of this or less gives a score above `least`, whatever the row.
    fn bar(&self, query: &Query<'_>, least: f64) -> i32 {
        let lengths = (f64::from(query.square) * f64::from(self.least_square)).sqrt();
        // A little less, for the rounding of this product and of the score.
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^31, and saturating")]
        let bar = (least * lengths * (1.0 - 1e-12)).floor() as i32;
        bar.saturating_sub(1)
    }
}

impl Block {
    fn new(dimensions: usize) -> Self {
        Self {
            components: Vec::with_capacity(BLOCK * dimensions),
            rests: Vec::with_capacity(BLOCK * dimensions.div_ceil(SECTION)),
            squares: Vec::with_capacity(BLOCK),
        }
    }

    /// The sum of the products of a row's components with a text's; `None` when it is not above
    /// `bar`.
    fn product(&self, query: &Query<'_>, row: usize, bar: i32) -> Option<i32> {
        let (len, sections) = (query.components.len(), query.rests.len());
        let row_components = &self.components[row * len..][..len];
        let row_rests = &self.rests[row * sections..][..sections];
        let pairs = query.components.chunks(SECTION).zip(row_components.chunks(SECTION));
        let mut product = 0_i32;
        for ((a, b), (rest_a, rest_b)) in pairs.zip(query.rests.iter().zip(row_rests)) {
            product = product.wrapping_add(dot(a, b));
            // At most 2^30 and a little: what is left of two lengths of about 2^15.
            let rest = i32::from(*rest_a) * i32::from(*rest_b);
            if product.saturating_add(rest) <= bar {
                return None;
            }
        }
        Some(product)
    }
}

/// The sum of products. It never leaves an `i32` ([`Embedding`] says why), so the order in which a
/// processor's lanes add is of no account.
pub(super) fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)))
}

/// For each section the length of what comes after it, rounded up.
fn rests(components: &[i16]) -> impl Iterator<Item = u16> + '_ {
    let ends = (SECTION..components.len() + SECTION).step_by(SECTION);
    ends.map(|end| {
        let rest = square(components.get(end..).unwrap_or_default());
        let root = rest.isqrt();
        let up = root + u32::from(root * root < rest);
        u16::try_from(up).unwrap_or(u16::MAX)
    })
}

/// The cosine from the sum of products and both sums of squares; 1.0 for a row and itself, since
/// the root of a square is exact.
pub(super) fn cosine(product: i32, square_a: u32, square_b: u32) -> f64 {
    (f64::from(product.max(0)) / (f64::from(square_a) * f64::from(square_b)).sqrt()).min(1.0)
}
