//! What a run has found out about its servers by trying, kept in its journal: a later session begins
//! with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lane::Lane;
use crate::store::{RunReader, StoreError};

/// The name under which a run stores what it found out.
pub(super) const FOUND_KEY: &str = "found";

/// What was found out about one site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Known {
    /// Requests per minute, where no limit is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests_per_minute: Option<u64>,
    /// Whether it refuses bursts within its limits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) smooth: bool,
    /// How many requests at once it makes use of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) concurrency: Option<usize>,
}

/// What was found out, by model and site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Memory(BTreeMap<String, Known>);

impl Memory {
    /// What earlier sessions found out. A text that cannot be read counts as nothing: it saves some
    /// trying, no more.
    pub(super) fn of(reader: &RunReader) -> Result<Self, StoreError> {
        let text = reader.meta(FOUND_KEY)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// What was found out about a model at a site.
    pub(super) fn known(&self, model: &str, site: &str) -> Known {
        self.0.get(&name(model, site)).copied().unwrap_or_default()
    }

    /// Takes note of what a lane knows now.
    pub(super) fn note(&mut self, lane: &Lane) {
        for site in lane.sites() {
            let (name, known) = (name(&lane.model, &site.name), site.known());
            if known == Known::default() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, known);
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn name(model: &str, site: &str) -> String {
    format!("{model} at {site}")
}
