//! Money: prices, reservations and the budget that is never exceeded.
