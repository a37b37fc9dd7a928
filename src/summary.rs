//! Totals of a run: what was asked, bought, rejected and accepted.
