//! Similarities together, written as `rouge-l+minhash@0.8`: a text is a duplicate when any of them
//! says so.

use std::fmt;

use super::{NoveltyIndex, SIMILARITIES, Similar, Similarity, by_name};

/// What makes a text a duplicate: one similarity or several, each with its threshold, in the order
/// in which they are asked.
#[derive(Debug, Clone)]
pub struct Combination {
    parts: Vec<Part>,
}

/// One similarity of a [`Combination`].
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// How texts are compared.
    pub similarity: &'static dyn Similarity,
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
            let name = part.similarity.name();
            if parts.iter().any(|other| other.similarity.name() == name) {
                return Err(CombinationError::Repeated { name });
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
        let further = further.map(|part| format!("+{}@{}", part.similarity.name(), part.threshold));
        self.first().similarity.name().to_owned() + &further.collect::<String>()
    }

    /// An empty index.
    pub fn index(&self) -> CombinedIndex {
        let index = |part: &Part| (part.similarity.name(), part.similarity.index(part.threshold));
        CombinedIndex { parts: self.parts.iter().map(index).collect() }
    }
}

/// `rouge-l above 0.7 or minhash above 0.8`.
impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Part { similarity, threshold }) in self.parts.iter().enumerate() {
            let or = if place == 0 { "" } else { " or " };
            write!(f, "{or}{} above {threshold}", similarity.name())?;
        }
        Ok(())
    }
}

impl Part {
    fn parse(text: &str, apart: Option<f64>) -> Result<Self, CombinationError> {
        let (name, written) = match text.split_once('@') {
            Some((name, threshold)) => (name.trim_end(), Some(threshold.trim())),
            None => (text, None),
        };
        let unknown = || CombinationError::Unknown { name: name.to_owned() };
        let similarity = by_name(name).ok_or_else(unknown)?;
        let name = similarity.name();
        let no_threshold =
            |threshold: &str| CombinationError::Threshold { name, threshold: threshold.to_owned() };
        let read = |text: &str| text.parse().map_err(|_not_a_number| no_threshold(text));
        let written: Option<f64> = written.map(read).transpose()?;
        let threshold = match (written, apart) {
            // The same number twice is what a run stores when it was written behind the name.
            (Some(written), Some(given)) if written.to_bits() != given.to_bits() => {
                return Err(CombinationError::TwoThresholds { name, written, given });
            }
            _ => written.or(apart).unwrap_or_else(|| similarity.default_threshold()),
        };
        // Written so that NaN is out of the range.
        if threshold > 0.0 && threshold <= 1.0 {
            return Ok(Self { similarity, threshold });
        }
        Err(no_threshold(&threshold.to_string()))
    }
}

/// What to write in place of a name that nothing has.
fn instead(name: &str) -> String {
    let names = || SIMILARITIES.iter().map(|similarity| similarity.name());
    let close = names().map(|known| (strsim::jaro_winkler(name, known), known));
    match close.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8) {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn default_of(name: &str) -> f64 {
    by_name(name).map_or(0.7, Similarity::default_threshold)
}

/// The texts of a pool, judged by several similarities.
#[derive(Debug)]
pub struct CombinedIndex {
    parts: Vec<(&'static str, Box<dyn NoveltyIndex>)>,
}

/// A text is a duplicate of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duplicate {
    /// The entry, and how similar the text is to it by the similarity that decided.
    pub of: Similar,
    /// The name of that similarity.
    pub by: &'static str,
}

impl CombinedIndex {
    /// How many texts have been inserted.
    pub fn len(&self) -> usize {
        self.parts.first().map_or(0, |(_, index)| index.len())
    }

    /// Whether nothing has been inserted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a text, whether or not it is a duplicate, and returns its entry number.
    pub fn insert(&mut self, text: &str) -> u32 {
        let entries = self.parts.iter_mut().map(|(_, index)| index.insert(text));
        entries.fold(0, |_, entry| entry)
    }

    /// The entry of which a text is a duplicate, by the first similarity that finds one.
    pub fn duplicate_of(&self, text: &str) -> Option<Duplicate> {
        self.parts
            .iter()
            .find_map(|(by, index)| index.duplicate_of(text).map(|of| Duplicate { of, by }))
    }

    /// Inserts a text if it is novel.
    ///
    /// # Errors
    /// The entry of which it is a duplicate.
    pub fn admit(&mut self, text: &str) -> Result<u32, Duplicate> {
        if let [(by, index)] = &mut self.parts[..] {
            return index.admit(text).map_err(|of| Duplicate { of, by });
        }
        match self.duplicate_of(text) {
            Some(duplicate) => Err(duplicate),
            None => Ok(self.insert(text)),
        }
    }

    /// Inserts those texts that are novel, one after the other, until `most` are in; gives a result
    /// for each text that was looked at, that of [`Self::admit`].
    ///
    /// A single similarity uses several threads, as in [`NoveltyIndex::admit_all`].
    pub fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Duplicate>> {
        if let [(by, index)] = &mut self.parts[..] {
            let results = index.admit_all(texts, most).into_iter();
            return results.map(|result| result.map_err(|of| Duplicate { of, by })).collect();
        }
        let mut admitted = 0;
        let mut results = Vec::with_capacity(texts.len());
        for text in texts {
            if admitted == most {
                break;
            }
            let result = self.admit(text);
            admitted += usize::from(result.is_ok());
            results.push(result);
        }
        results
    }

    /// The entries that are most similar to a text by the first similarity, as
    /// [`NoveltyIndex::most_similar`].
    pub fn most_similar(&self, text: &str, count: usize) -> Vec<Similar> {
        self.parts.first().map(|(_, index)| index.most_similar(text, count)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Combination {
        Combination::parse(text, None).unwrap()
    }

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
        insta::assert_snapshot!(error("rouge-l+", None), @"`` is no similarity: there are rouge-l, rouge-l-unicode, minhash");
        insta::assert_snapshot!(error("minhash+rouge-l+minhash@0.9", None), @"`minhash` is named twice");
        insta::assert_snapshot!(error("rouge-l+minhash@high", None), @"`high` is no threshold for `minhash`: give a number above 0 and at most 1, as in minhash@0.65");
        insta::assert_snapshot!(error("minhash@", None), @"`` is no threshold for `minhash`: give a number above 0 and at most 1, as in minhash@0.65");
        insta::assert_snapshot!(error("rouge-l@1.5", None), @"`1.5` is no threshold for `rouge-l`: give a number above 0 and at most 1, as in rouge-l@0.7");
        insta::assert_snapshot!(error("rouge-l", Some(f64::NAN)), @"`NaN` is no threshold for `rouge-l`: give a number above 0 and at most 1, as in rouge-l@0.7");
        insta::assert_snapshot!(error("rouge-l@0.5+minhash", Some(0.7)), @"`rouge-l@0.5` and the threshold 0.7 contradict each other: give one of them");
    }

    #[test]
    fn the_verdict_names_the_first_that_decides() {
        let mut index = parse("rouge-l+minhash").index();
        for text in ["In one sentence, explain why the sky looks blue", "List the days of the week"]
        {
            assert!(index.admit(text).is_ok());
        }
        let by = |text: &str| {
            index.duplicate_of(text).map(|duplicate| (duplicate.by, duplicate.of.entry))
        };
        assert_eq!(by("Explain why the sky looks blue in one sentence"), Some(("minhash", 0)));
        assert_eq!(by("List all the days of the week"), Some(("rouge-l", 1)));
        assert_eq!(by("List the months of the year"), None);
    }

    proptest! {
        #[test]
        fn a_text_is_novel_when_all_parts_say_so(
            texts in vec(vec(proptest::sample::select(&["write ", "a ", "poem ", "on ", "rain "][..]), 0..7), 0..24),
            most in 0_usize..20,
        ) {
            let texts: Vec<String> = texts.iter().map(|words| words.concat()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let combination = parse("rouge-l@0.8+minhash@0.6");
            let mut apart = combination.parts().to_vec().into_iter()
                .map(|part| part.similarity.index(part.threshold)).collect::<Vec<_>>();
            let (mut index, mut novel) = (combination.index(), 0);
            let results = index.admit_all(&texts, most);
            for (text, result) in texts.iter().zip(&results) {
                let found = [("rouge-l", apart[0].duplicate_of(text)), ("minhash", apart[1].duplicate_of(text))];
                let first = found.into_iter().find_map(|(by, of)| of.map(|of| Duplicate { of, by }));
                prop_assert_eq!(result.err(), first);
                if result.is_ok() {
                    novel += 1;
                    for index in &mut apart {
                        index.insert(text);
                    }
                }
            }
            prop_assert!(results.len() == texts.len() || novel == most);
            prop_assert_eq!(index.len(), novel);
        }
    }
}
