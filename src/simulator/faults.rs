//! Faults on demand: what can go wrong between a client and a provider.

use std::str::FromStr;

use super::random::{Salt, stream};

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    RateLimited,
    ServerError,
    Unavailable,
    Timeout,
    Drop,
    DropBefore,
    Cut,
    Garbage,
    Html,
    Length,
    NoUsage,
    NegativeUsage,
    Empty,
    ContentType,
    Error200,
    Refusal,
    Reasoning,
    UploadCut,
    CreateLost,
    BatchFailed,
    BatchExpired,
    ResultsCut,
    ResultsOdd,
}

/// Every fault by name, with what it does.
pub static FAULTS: &[(&str, &str)] = &[
    ("429", "refused: rate limit (free)"),
    ("500", "refused: internal error (free)"),
    ("503", "refused: unavailable (free)"),
    ("timeout", "billed, but no answer ever comes"),
    ("drop", "billed, then the connection is closed without a byte of an answer"),
    ("drop-before", "the connection is closed before anything is generated (free)"),
    ("cut", "billed, but the body ends half-way"),
    ("garbage", "billed, but the body is broken JSON"),
    ("html", "billed, but the body is a web page"),
    ("length", "billed; the text is cut and finish_reason is length"),
    ("no-usage", "billed, but the answer does not say how much"),
    ("negative-usage", "billed, but the answer says -1"),
    ("empty", "billed, but the text is empty"),
    ("content-type", "billed; the answer is called text/plain"),
    ("error-200", "status 200 with an error object (free)"),
    ("refusal", "billed; the model declines"),
    ("reasoning", "billed; hidden reasoning takes the whole output limit, and there is no text"),
    ("upload-cut", "the connection closes before a file for a batch is stored (free)"),
    ("create-lost", "a batch is created, and the connection closes without an answer"),
    ("batch-failed", "a batch is not accepted (free)"),
    ("batch-expired", "a batch expires half-way: half of its requests are answered"),
    ("results-cut", "results of a batch end half-way"),
    ("results-odd", "results of a batch are shuffled, with repeated, foreign and broken lines"),
];

const KINDS: [Fault; 23] = [
    Fault::RateLimited,
    Fault::ServerError,
    Fault::Unavailable,
    Fault::Timeout,
    Fault::Drop,
    Fault::DropBefore,
    Fault::Cut,
    Fault::Garbage,
    Fault::Html,
    Fault::Length,
    Fault::NoUsage,
    Fault::NegativeUsage,
    Fault::Empty,
    Fault::ContentType,
    Fault::Error200,
    Fault::Refusal,
    Fault::Reasoning,
    Fault::UploadCut,
    Fault::CreateLost,
    Fault::BatchFailed,
    Fault::BatchExpired,
    Fault::ResultsCut,
    Fault::ResultsOdd,
];

impl Fault {
    /// Whether the client gets the answer whole, as far as it gets one.
    pub(super) fn is_whole(self) -> bool {
        !self.is_silent() && !matches!(self, Self::Cut | Self::Garbage | Self::Html)
    }

    /// Whether it befalls batches only.
    pub(super) fn is_of_batches(self) -> bool {
        matches!(
            self,
            Self::UploadCut
                | Self::CreateLost
                | Self::BatchFailed
                | Self::BatchExpired
                | Self::ResultsCut
                | Self::ResultsOdd
        )
    }

    /// Whether the connection closes, once the answer is billed, without a byte of it.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Self::Timeout | Self::Drop)
    }
}

/// Which faults happen and how often. Written as `429:0.02,drop:0.01`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults(Vec<(usize, f64)>);

/// The text is no list of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// An item is not `NAME:PROBABILITY`.
    #[error("`{0}` is not NAME:PROBABILITY, such as drop:0.01")]
    Form(String),
    /// No fault has that name.
    #[error("there is no fault `{0}`: one of {names}", names = names())]
    Unknown(String),
    /// Not from 0 to 1, or more than 1 in all.
    #[error("the probabilities must be from 0 to 1, and not more than 1 in all")]
    Probability,
}

fn names() -> String {
    FAULTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut faults = Vec::new();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        for item in items {
            let form = || FaultsError::Form(item.to_owned());
            let (name, share) = item.split_once(':').ok_or_else(form)?;
            let share: f64 = share.trim().parse().map_err(|_ignored| form())?;
            let known = FAULTS.iter().position(|(known, _)| *known == name.trim());
            let index = known.ok_or_else(|| FaultsError::Unknown(name.to_owned()))?;
            if !(0.0..=1.0).contains(&share) {
                return Err(FaultsError::Probability);
            }
            faults.push((index, share));
        }
        // A little over one is what adding decimal fractions in binary makes of one.
        if faults.iter().map(|(_, share)| share).sum::<f64>() > 1.0 + 1e-9 {
            return Err(FaultsError::Probability);
        }
        Ok(Self(faults))
    }
}

impl Faults {
    /// The fault that a request meets, with its name.
    pub(super) fn draw(&self, seed: u64, request: u64) -> Option<(Fault, &'static str)> {
        if self.0.is_empty() {
            return None;
        }
        let mut point = stream(seed, Salt::Fault, request).f64();
        for (index, share) in &self.0 {
            if point < *share {
                return Some((*KINDS.get(*index)?, FAULTS.get(*index)?.0));
            }
            point -= share;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_mistakes_named() {
        assert_eq!("".parse(), Ok(Faults::default()));
        assert_eq!("429:0.5, cut:0.5".parse(), Ok(Faults(vec![(0, 0.5), (6, 0.5)])));
        assert!(matches!("drop".parse::<Faults>(), Err(FaultsError::Form(_))));
        assert!(matches!("dropp:0.1".parse::<Faults>(), Err(FaultsError::Unknown(_))));
        for bad in ["drop:2", "drop:-1", "drop:nan", "drop:0.6,cut:0.6"] {
            assert_eq!(bad.parse::<Faults>(), Err(FaultsError::Probability), "{bad}");
        }
    }

    #[test]
    fn faults_come_as_often_as_asked_and_the_same_each_time() {
        let faults: Faults = "drop:0.25".parse().unwrap();
        let drawn = |seed| (0..4_000).filter(|n| faults.draw(seed, *n).is_some()).count();
        assert!((900..1_100).contains(&drawn(1)), "{}", drawn(1));
        assert_eq!(faults.draw(3, 17), faults.draw(3, 17));
    }

    #[test]
    fn every_name_has_its_kind() {
        assert_eq!(FAULTS.len(), KINDS.len());
    }
}
