//! Reports: what a person reads about a run.
