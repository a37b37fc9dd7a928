//! Filters: rules on a candidate's own text, in the original's order.
