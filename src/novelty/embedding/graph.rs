//! Large indexes: a graph of neighbours (HNSW, Malkov and Yashunin 2016) that leads to the rows near a
//! text without a look at most others.
//!
//! The graph only proposes rows; their scores are computed as by a scan. It is built one row after
//! the other, so that it is the same each time, from half the size on at which it takes over: two rows
//! with each new one, so that no insertion takes long.

use std::fmt;

use hnsw_rs::prelude::{Distance, Hnsw};

use super::rows::{Rows, dot};

/// Neighbours of a row in the graph; twice as many in its lowest layer.
const NEIGHBOURS: usize = 16;
/// Rows that are looked at for the neighbours of a new one.
const LOOKED_AT_TO_INSERT: usize = 96;
/// Rows that are looked at for those near a text.
const LOOKED_AT_TO_FIND: usize = 512;
/// Rows that are proposed.
const PROPOSED: usize = 8;
const LAYERS: usize = 16;

/// The graph over the rows of an index.
pub(super) struct Graph {
    exact_up_to: usize,
    rows: Hnsw<'static, i16, Angle>,
    len: usize,
}

/// One less the cosine of vectors of about the same length.
struct Angle;

impl Distance<i16> for Angle {
    fn eval(&self, a: &[i16], b: &[i16]) -> f32 {
        const UNIT: f64 = 32_767.0 * 32_767.0;
        #[expect(clippy::cast_possible_truncation, reason = "more than it takes to order rows")]
        let distance = (1.0 - f64::from(dot(a, b)) / UNIT).max(0.0) as f32;
        distance
    }
}

impl Graph {
    /// A graph that proposes rows when there are more than `exact_up_to`.
    pub(super) fn new(exact_up_to: usize) -> Self {
        let graph =
            Hnsw::new(NEIGHBOURS, 2 * exact_up_to.max(1), LAYERS, LOOKED_AT_TO_INSERT, Angle);
        Self { exact_up_to, rows: graph, len: 0 }
    }

    /// Takes up rows that were added.
    pub(super) fn follow(&mut self, rows: &Rows) {
        let half = self.exact_up_to / 2;
        let due = (2 * rows.len().saturating_sub(half)).min(rows.len());
        for row in self.len..due {
            self.rows.insert((rows.components(row), row));
        }
        self.len = self.len.max(due);
    }

    /// Rows that are probably the most similar to a text; `None` while a scan is to find them.
    pub(super) fn propose(&self, components: &[i16]) -> Option<Vec<usize>> {
        (self.len > self.exact_up_to).then(|| {
            let found = self.rows.search(components, PROPOSED, LOOKED_AT_TO_FIND);
            found.iter().map(hnsw_rs::hnsw::Neighbour::get_origin_id).collect()
        })
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmbeddingIndex;
    use crate::embedding::Embedding;
    use crate::novelty::Similar;

    fn embedding(rng: &mut fastrand::Rng, near: Option<&[f32]>) -> (Vec<f32>, Embedding) {
        let noise = if near.is_some() { 0.25 } else { 1.0 };
        let own = (0..48).map(|_| noise * (rng.f32() + rng.f32() - 1.0));
        let vector: Vec<f32> = match near {
            Some(near) => near.iter().zip(own).map(|(a, b)| a + b).collect(),
            None => own.collect(),
        };
        let embedding = Embedding::new(&vector).unwrap();
        (vector, embedding)
    }

    #[test]
    fn duplicates_are_found_beyond_the_exact_size_and_the_same_each_time() {
        let mut rng = fastrand::Rng::with_seed(2);
        let vectors: Vec<_> = (0..3_000).map(|_| embedding(&mut rng, None)).collect();
        let build = || {
            let mut index = EmbeddingIndex::with_graph_from(0.9, 500);
            for (_, embedding) in &vectors {
                index.insert(Some(embedding));
            }
            index
        };
        let (index, again) = (build(), build());
        let mut scan = EmbeddingIndex::new(0.9);
        for (_, embedding) in &vectors {
            scan.insert(Some(embedding));
        }
        let (mut wanted, mut found) = (0, 0);
        for (vector, _) in &vectors {
            let (_, copy) = embedding(&mut rng, Some(vector));
            let (by_graph, by_scan) = (index.duplicate_of(&copy, 0), scan.duplicate_of(&copy, 0));
            assert_eq!(by_graph, again.duplicate_of(&copy, 0));
            let is_known = |similar: Similar| scan.most_similar(&copy, 9).contains(&similar);
            assert!(by_graph.is_none_or(is_known));
            wanted += usize::from(by_scan.is_some());
            found += usize::from(by_scan.is_some() && by_graph == by_scan);
        }
        assert!(wanted > 1_000 && found * 100 >= wanted * 99, "{found} of {wanted}");
    }
}
