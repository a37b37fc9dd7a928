//! `generate --pilot USD`: a small part of the run first, so that the estimate of the whole is from
//! what requests really take.

use super::failure::{CliError, say};
use super::generate::{DONE, Ended, Stage};
use crate::config::RunConfig;
use crate::store::RunDir;
use crate::summary::StopReason;
use crate::usd::Usd;

/// A pilot, and what follows it.
pub(super) struct Pilot {
    /// The most that it may spend.
    pub(super) amount: Usd,
    /// Whether a person has agreed to everything already.
    pub(super) yes: bool,
    pub(super) stage: Stage,
}

impl Pilot {
    /// Runs the pilot as a session of its own, and then the rest in another, whose plan says what the
    /// pilot has shown. A run that has sent requests needs no pilot any more. `resolve` gives the
    /// configuration again.
    pub(super) fn run(
        &self,
        config: RunConfig,
        dir: &RunDir,
        resolve: impl FnOnce() -> Result<RunConfig, CliError>,
        session: impl Fn(RunConfig, Stage) -> Result<Ended, CliError>,
    ) -> Result<Ended, CliError> {
        let simulated = config.source.is_simulated();
        let config = self.limited(config)?;
        let was_begun = dir.exists() && dir.read()?.summary()?.attempts.sent > 0;
        let ended = if was_begun {
            Ended::NotBegun(DONE)
        } else {
            match session(config, self.stage)? {
                ended if is_over(&ended) => ended,
                // Its target was reached, something went wrong, or it was the whole budget.
                ended => return Ok(ended),
            }
        };
        if !(self.yes || self.stage.ask || simulated) {
            say("\nThe pilot is over, and nobody is there to ask: --yes goes on.");
            return Ok(ended);
        }
        say("\nThe pilot is over; its tasks are kept. The rest, by what it took:");
        let rest = Stage { after_pilot: true, ..self.stage };
        Ok(match session(resolve()?, rest)? {
            // What the pilot brought is reported all the same.
            Ended::NotBegun(_) => ended,
            ran @ Ended::Ran(_) => ran,
        })
    }

    /// The configuration with a budget that allows the pilot alone. The settings that are stored keep
    /// the whole budget.
    fn limited(&self, config: RunConfig) -> Result<RunConfig, CliError> {
        let amount = self.amount;
        if amount.is_zero() {
            let message = "--pilot: a pilot of 0 buys nothing: give an amount in USD";
            return Err(CliError::usage(message));
        }
        if let Some(budget) = config.budget.filter(|budget| amount > *budget) {
            let message = format!("--pilot: {amount} USD is more than the budget of {budget} USD");
            return Err(CliError::usage(message));
        }
        let is_pilot = config.budget.is_some_and(|budget| amount < budget);
        let budget = config.budget.map(|budget| budget.min(amount));
        Ok(RunConfig { budget, is_pilot, ..config })
    }
}

/// Whether a pilot ended because its own budget did, and more of the run's is left.
fn is_over(ended: &Ended) -> bool {
    matches!(ended, Ended::Ran(outcome) if outcome.reason == StopReason::Pilot)
}
