//! Reports: what a person or a script reads about a run.

pub mod figures;
pub(crate) mod html;
mod json;
mod numbers;
mod text;

use std::path::PathBuf;

use crate::summary::{RunState, StopReason, Summary};
use crate::usd::Usd;

pub use html::to_html;
pub use json::{to_json, to_json_line, to_value};
pub use numbers::{bytes, count, duration};
pub use text::to_text;

/// A run with its totals, to be told about.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The run directory.
    pub run: PathBuf,
    /// The provider's name.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// Whether the completions are made up.
    pub simulated: bool,
    /// The model of the outputs, where it is another one.
    pub output_model: Option<String>,
    /// Accepted tasks wanted.
    pub target: u64,
    /// The cap.
    pub budget: Option<Usd>,
    /// Whether the run is under way.
    pub state: RunState,
    /// Why its last session ended.
    pub stop_reason: Option<StopReason>,
    /// What went wrong, if something did.
    pub message: Option<String>,
    /// The totals over all sessions.
    pub summary: Summary,
}
