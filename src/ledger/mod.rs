//! Money: prices, reservations and the budget that is never exceeded.
//!
//! The invariant, after every operation: `spent + reserved + unconfirmed <= budget`. A request may
//! leave only with a [`Reservation`] for its worst-case cost. How an attempt ends decides what its
//! reservation becomes: the reported cost (answered), nothing (refused without charge), or the
//! whole worst case (unconfirmed: nobody knows whether the provider bills it).
//!
//! The one way past the budget is a provider that bills more than the bound it was given, such as
//! more output tokens than `max_tokens`. The ledger then records the truth and grants no further
//! reservation.

#![warn(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod account;
#[cfg(test)]
mod account_tests;
mod bound;
mod compare;
mod encoding;
mod facts;
mod price;
mod prompt;
mod table;

pub use account::{BudgetReached, Ledger, Reservation, Totals};
pub use bound::{cost_of, is_enough, is_plausible, prompt_token_bound};
pub use compare::{Comparison, Difference, compare};
pub use encoding::Encoding;
pub use facts::ModelFacts;
pub use price::{LongContext, Price, PriceError, Rates, per_million};
pub use prompt::PromptBound;
pub use table::{Entry, PriceTable, PriceTableError};
