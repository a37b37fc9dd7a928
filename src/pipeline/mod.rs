//! The pipeline: the only place that knows several subsystems.
//!
//! [`Prepared::open`] opens a run and takes up what an earlier session left; [`Prepared::run`]
//! sends requests until something stops it. Inside, workers carry requests over the network and a
//! single collector owns everything else:
//!
//! ```text
//! collector: sample, render, reserve -> worker: permit, durable attempt, HTTP, durable response,
//!     settle -> collector: judge in the order of the journal -> verdicts in the journal
//! ```

mod backlog;
mod batch;
mod bought;
mod checks;
mod collector;
mod dedup;
mod endpoint;
mod failure;
mod figures;
mod footprint;
mod foundation;
mod judge;
mod lane;
mod lookback;
mod memory;
mod plan;
mod prepare;
mod progress;
mod recent;
mod replay;
mod request;
mod retry;
mod shared;
mod shutdown;
mod site;
mod split;
mod waits;
mod watchdog;
mod worker;

pub use dedup::{
    DedupError, DedupInput, DedupOutputs, DedupProgress, DedupRules, DedupTotals, DuplicateRule,
    dedup,
};
pub use failure::RunError;
pub use figures::run_figures;
pub use lookback::Lookback;
pub use plan::{PhasePlan, Plan, estimate};
pub use prepare::{Outcome, PrepareError, Prepared, is_simulated, stored_settings};
pub use progress::{LaneSnapshot, Snapshot};
pub use replay::{ReplayTotals, replay};
pub use shutdown::{Shutdown, listen};
pub use split::{Division, Shares, SharesError, SplitRules, divide};
