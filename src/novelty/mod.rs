//! Novelty: whether a candidate is too similar to a task already in the pool.
