//! The run directory: a SQLite journal of attempts, responses and verdicts.
