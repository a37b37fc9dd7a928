//! Similarities together, written as `rouge-l+minhash@0.8`: a text is a duplicate when any of them
//! says so.

use std::fmt;

use super::embedding::EmbeddingIndex;
use super::{CombinedIndex, Measure};

/// What makes a text a duplicate: one similarity or several, each with its threshold, in the order
/// in which they are asked.
#[derive(Debug, Clone)]
pub struct Combination {
    parts: Vec<Part>,
}

/// One similarity of a [`Combination`].
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// How tasks are compared.
    pub measure: Measure,
    /// A text more similar than this is a duplicate; above 0.0 and at most 1.0.
    pub threshold: f64,
}

/// Why a text names no combination.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CombinationError {
    /// A name that no similarity has.
    #[error("`{name}` is no similarity: {}", instead(.name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// A similarity that is named twice.
    #[error("`{name}` is named twice")]
    Repeated {
        /// The similarity.
        name: &'static str,
    },
    /// Embeddings cost money, so only what no other similarity turns away should need one.
    #[error("`embedding` costs money and is asked last: write it behind `{name}`")]
    NotLast {
        /// The similarity that stands behind it.
        name: &'static str,
    },
    /// What stands behind `@`, or a threshold given apart, is not one.
    #[error("`{threshold}` is no threshold for `{name}`: give a number above 0 and at most 1, as in {name}@{}", default_of(.name))]
    Threshold {
        /// The similarity.
        name: &'static str,
        /// What stands there.
        threshold: String,
    },
    /// The first similarity has two thresholds.
    #[error("`{name}@{written}` and the threshold {given} contradict each other: give one of them")]
    TwoThresholds {
        /// The similarity.
        name: &'static str,
        /// Behind `@`.
        written: f64,
        /// Apart from it.
        given: f64,
    },
}

impl Combination {
    /// Reads names joined by `+`, each with `@` and its threshold or its default one.
    ///
    /// `threshold` is that of the first similarity where it is given apart.
    ///
    /// # Errors
    /// [`CombinationError`], naming the similarity.
    pub fn parse(text: &str, threshold: Option<f64>) -> Result<Self, CombinationError> {
        let mut parts: Vec<Part> = Vec::new();
        for part in text.split('+') {
            let apart = threshold.filter(|_| parts.is_empty());
            let part = Part::parse(part.trim(), apart)?;
            let name = part.name();
            if parts.iter().any(|other| other.name() == name) {
                return Err(CombinationError::Repeated { name });
            }
            if parts.last().is_some_and(|last| last.measure.is_embedding()) {
                return Err(CombinationError::NotLast { name });
            }
            parts.push(part);
        }
        Ok(Self { parts })
    }

    /// The similarities, in order; at least one.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The similarity that is asked first, with its threshold.
    pub fn first(&self) -> Part {
        self.parts[0]
    }

    /// Its text in a form of which there is only one, with the threshold of the first similarity
    /// left out: [`Self::parse`] reads it back together with that.
    pub fn to_text(&self) -> String {
        let further = self.parts.iter().skip(1);
        let further = further.map(|part| format!("+{}@{}", part.name(), part.threshold));
        self.first().name().to_owned() + &further.collect::<String>()
    }

    /// An empty index.
    pub fn index(&self) -> CombinedIndex {
        let mut embedding = None;
        let mut texts = Vec::with_capacity(self.parts.len());
        for Part { measure, threshold } in &self.parts {
            match measure {
                Measure::Text(similarity) => {
                    texts.push((similarity.name(), similarity.index(*threshold)));
                }
                Measure::Embedding => embedding = Some(EmbeddingIndex::new(*threshold)),
            }
        }
        CombinedIndex::new(texts, embedding)
    }

    /// Whether tasks are compared by embeddings too.
    pub fn needs_embeddings(&self) -> bool {
        self.parts.iter().any(|part| part.measure.is_embedding())
    }
}

/// `rouge-l above 0.7 or minhash above 0.8`.
impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            let or = if place == 0 { "" } else { " or " };
            write!(f, "{or}{} above {}", part.name(), part.threshold)?;
        }
        Ok(())
    }
}

impl Part {
    /// The name of the similarity.
    pub fn name(&self) -> &'static str {
        self.measure.name()
    }

    fn parse(text: &str, apart: Option<f64>) -> Result<Self, CombinationError> {
        let (name, written) = match text.split_once('@') {
            Some((name, threshold)) => (name.trim_end(), Some(threshold.trim())),
            None => (text, None),
        };
        let unknown = || CombinationError::Unknown { name: name.to_owned() };
        let measure = Measure::by_name(name).ok_or_else(unknown)?;
        let name = measure.name();
        let no_threshold =
            |threshold: &str| CombinationError::Threshold { name, threshold: threshold.to_owned() };
        let read = |text: &str| text.parse().map_err(|_not_a_number| no_threshold(text));
        let written: Option<f64> = written.map(read).transpose()?;
        let threshold = match (written, apart) {
            // The same number twice is what a run stores when it was written behind the name.
            (Some(written), Some(given)) if written.to_bits() != given.to_bits() => {
                return Err(CombinationError::TwoThresholds { name, written, given });
            }
            _ => written.or(apart).unwrap_or_else(|| measure.default_threshold()),
        };
        // Written so that NaN is out of the range.
        if threshold > 0.0 && threshold <= 1.0 {
            return Ok(Self { measure, threshold });
        }
        Err(no_threshold(&threshold.to_string()))
    }
}

/// What to write in place of a name that nothing has.
fn instead(name: &str) -> String {
    let names = || Measure::all().map(Measure::name);
    let close = names().map(|known| (strsim::jaro_winkler(name, known), known));
    match close.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8) {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn default_of(name: &str) -> f64 {
    Measure::by_name(name).map_or(0.7, Measure::default_threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_written_given_or_the_default() {
        for (text, threshold, stored, shown) in [
            ("rouge-l", None, "rouge-l", "rouge-l above 0.7"),
            ("minhash", None, "minhash", "minhash above 0.65"),
            ("rouge-l@0.5", None, "rouge-l", "rouge-l above 0.5"),
            ("rouge-l@0.5", Some(0.5), "rouge-l", "rouge-l above 0.5"),
            (
                "rouge-l+minhash",
                Some(0.6),
                "rouge-l+minhash@0.65",
                "rouge-l above 0.6 or minhash above 0.65",
            ),
            (
                "minhash @ 0.90 + rouge-l-unicode@1",
                None,
                "minhash+rouge-l-unicode@1",
                "minhash above 0.9 or rouge-l-unicode above 1",
            ),
        ] {
            let combination = Combination::parse(text, threshold).unwrap();
            assert_eq!(
                (combination.to_text(), combination.to_string()),
                (stored.into(), shown.into())
            );
            let again = Combination::parse(stored, Some(combination.first().threshold)).unwrap();
            assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error =
            |text: &str, threshold| Combination::parse(text, threshold).unwrap_err().to_string();
        insta::assert_snapshot!(error("rogue-l", None), @"`rogue-l` is no similarity: did you mean `rouge-l`?");
        insta::assert_snapshot!(error("rouge-l+", None), @"`` is no similarity: there are rouge-l, rouge-l-unicode, minhash, embedding");
        insta::assert_snapshot!(error("minhash+rouge-l+minhash@0.9", None), @"`minhash` is named twice");
        insta::assert_snapshot!(error("embedding+rouge-l", None), @"`embedding` costs money and is asked last: write it behind `rouge-l`");
        insta::assert_snapshot!(error("rouge-l+minhash@high", None), @"`high` is no threshold for `minhash`: give a number above 0 and at most 1, as in minhash@0.65");
        insta::assert_snapshot!(error("minhash@", None), @"`` is no threshold for `minhash`: give a number above 0 and at most 1, as in minhash@0.65");
        insta::assert_snapshot!(error("rouge-l@1.5", None), @"`1.5` is no threshold for `rouge-l`: give a number above 0 and at most 1, as in rouge-l@0.7");
        insta::assert_snapshot!(error("rouge-l", Some(f64::NAN)), @"`NaN` is no threshold for `rouge-l`: give a number above 0 and at most 1, as in rouge-l@0.7");
        insta::assert_snapshot!(error("rouge-l@0.5+minhash", Some(0.7)), @"`rouge-l@0.5` and the threshold 0.7 contradict each other: give one of them");
    }
}
