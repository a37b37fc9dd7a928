//! The index of a combination: every similarity has its own, and each is asked in turn.

use super::embedding::{self, EmbeddingIndex};
use super::{NoveltyIndex, Similar, admit_in_turn};
use crate::embedding::Embedding;

/// The texts of a pool, judged by several similarities.
#[derive(Debug)]
pub struct CombinedIndex {
    parts: Vec<(&'static str, Box<dyn NoveltyIndex>)>,
    embedding: Option<EmbeddingIndex>,
    len: u32,
}

/// A text to be judged, with its embedding where it has one.
///
/// A blank text has none and is no duplicate by it. Nor needs one a text that another similarity
/// calls a duplicate.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The text.
    pub text: &'a str,
    /// Its embedding.
    pub embedding: Option<&'a Embedding>,
}

/// A text is a duplicate of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duplicate {
    /// The entry, and how similar the text is to it by the similarity that decided.
    pub of: Similar,
    /// The name of that similarity.
    pub by: &'static str,
}

/// A text could only be judged by its embedding, and that was not given. The index is of no further
/// use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text {place} has no embedding")]
pub struct NoEmbedding {
    /// Its place among the texts, from 0.
    pub place: usize,
}

/// What keeps a text out of the index.
enum Kept {
    Out(Duplicate),
    Unjudged(NoEmbedding),
}

/// Whether a text has an embedding at all: no API gives one to a text without a visible character.
pub fn is_embeddable(text: &str) -> bool {
    !text.trim().is_empty()
}

impl CombinedIndex {
    pub(super) fn new(
        parts: Vec<(&'static str, Box<dyn NoveltyIndex>)>,
        embedding: Option<EmbeddingIndex>,
    ) -> Self {
        Self { parts, embedding, len: 0 }
    }

    /// How many texts have been inserted.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing has been inserted.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a text, whether or not it is a duplicate, and returns its entry number.
    ///
    /// With the similarity `embedding`, its embedding has to follow in [`Self::insert_embedding`]
    /// before anything is judged.
    pub fn insert(&mut self, text: &str) -> u32 {
        for (_, index) in &mut self.parts {
            index.insert(text);
        }
        let entry = self.len;
        // Memory ends before 2^32 texts.
        self.len += 1;
        entry
    }

    /// Adds the embedding of the first text that has got none yet; `None` for a blank text.
    /// Without the similarity `embedding` it is of no use.
    pub fn insert_embedding(&mut self, embedding: Option<&Embedding>) {
        if let Some(index) = &mut self.embedding {
            index.insert(embedding);
        }
    }

    /// How many of the texts have got their embeddings, or turned out blank.
    pub fn embedded(&self) -> usize {
        self.embedding.as_ref().map_or(0, EmbeddingIndex::len)
    }

    /// Whether texts are judged by their embeddings.
    pub fn needs_embeddings(&self) -> bool {
        self.embedding.is_some()
    }

    /// The entry of which a text is a duplicate, by the first similarity that finds one, embeddings
    /// apart.
    pub fn duplicate_by_text(&self, text: &str) -> Option<Duplicate> {
        let mut parts = self.parts.iter();
        parts.find_map(|(by, index)| index.duplicate_of(text).map(|of| Duplicate { of, by }))
    }

    /// The entry of which a text is a duplicate by its embedding, if it has one.
    pub fn duplicate_by_embedding(&self, subject: &Subject<'_>) -> Option<Duplicate> {
        let of = self.embedding.as_ref()?.duplicate_of(subject.embedding?, 0)?;
        Some(Duplicate { of, by: embedding::NAME })
    }

    /// Inserts those texts that are novel, one after the other, until `most` are in; gives a result
    /// for each text that was looked at: its entry, or the entry of which it is a duplicate by the
    /// first similarity that finds one.
    ///
    /// Several threads take part, as in [`NoveltyIndex::admit_all`], where there is one similarity
    /// or the work is with embeddings.
    ///
    /// # Errors
    /// [`NoEmbedding`]. Without the similarity `embedding` there is no error.
    pub fn admit_all(
        &mut self,
        subjects: &[Subject<'_>],
        most: usize,
    ) -> Result<Vec<Result<u32, Duplicate>>, NoEmbedding> {
        if let ([(by, index)], None) = (&mut self.parts[..], &self.embedding) {
            let texts: Vec<&str> = subjects.iter().map(|subject| subject.text).collect();
            let results = index.admit_all(&texts, most).into_iter();
            let results = results.map(|result| result.map_err(|of| Duplicate { of, by }));
            let results: Vec<_> = results.collect();
            // Entries are numbered, so the last novel text says how many there are.
            let last = results.iter().rev().find_map(|result| result.ok());
            self.len = last.map_or(self.len, |entry| entry + 1);
            return Ok(results);
        }
        let before = self.len;
        let found = self.duplicates_by_embedding(subjects);
        let subjects = subjects.iter().zip(found).enumerate();
        let results = admit_in_turn(subjects, most, |(place, (subject, found))| {
            match self.duplicate_of(subject, found, before) {
                Some(Ok(duplicate)) => Err(Kept::Out(duplicate)),
                Some(Err(())) => Err(Kept::Unjudged(NoEmbedding { place })),
                None => {
                    self.insert_embedding(subject.embedding);
                    Ok(self.insert(subject.text))
                }
            }
        });
        let judged = results.into_iter().map(|result| match result {
            Ok(entry) => Ok(Ok(entry)),
            Err(Kept::Out(duplicate)) => Ok(Err(duplicate)),
            Err(Kept::Unjudged(error)) => Err(error),
        });
        judged.collect()
    }

    /// What each text is a duplicate of among the entries so far.
    fn duplicates_by_embedding(&self, subjects: &[Subject<'_>]) -> Vec<Option<Similar>> {
        match &self.embedding {
            None => vec![None; subjects.len()],
            Some(index) => {
                let embeddings: Vec<_> = subjects.iter().map(|one| one.embedding).collect();
                index.duplicates_of(&embeddings)
            }
        }
    }

    /// What a text is a duplicate of, if of the entries before `before` it is like `found`; an error
    /// when that can't be told.
    fn duplicate_of(
        &self,
        subject: &Subject<'_>,
        found: Option<Similar>,
        before: u32,
    ) -> Option<Result<Duplicate, ()>> {
        if let Some(duplicate) = self.duplicate_by_text(subject.text) {
            return Some(Ok(duplicate));
        }
        let index = self.embedding.as_ref()?;
        let Some(embedding) = subject.embedding else {
            return is_embeddable(subject.text).then_some(Err(()));
        };
        let since = index.duplicate_of(embedding, before);
        let found = found.filter(|found| since.is_none_or(|since| !since.is_before(*found)));
        found.or(since).map(|of| Ok(Duplicate { of, by: embedding::NAME }))
    }

    /// The entries that are most similar to a text by the first similarity, as
    /// [`NoveltyIndex::most_similar`].
    pub fn most_similar(&self, subject: &Subject<'_>, count: usize) -> Vec<Similar> {
        match (self.parts.first(), &self.embedding, subject.embedding) {
            (Some((_, index)), ..) => index.most_similar(subject.text, count),
            (None, Some(index), Some(embedding)) => index.most_similar(embedding, count),
            _ => Vec::new(),
        }
    }
}

impl<'a> From<&'a str> for Subject<'a> {
    /// A text without an embedding.
    fn from(text: &'a str) -> Self {
        Self { text, embedding: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::novelty::{Combination, Measure};

    fn index(text: &str) -> CombinedIndex {
        Combination::parse(text, None).unwrap().index()
    }

    /// An embedding that counts letters: texts with the same ones are alike in meaning.
    fn embedding(text: &str) -> Option<Embedding> {
        let count = |letter| text.chars().filter(|c| *c == letter).count();
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let counts: Vec<f32> = ('a'..='z').map(|letter| count(letter) as f32).collect();
        Embedding::new(&counts).ok()
    }

    #[test]
    fn the_verdict_names_the_first_that_decides() {
        let texts = [
            "In one sentence, explain why the sky looks blue",
            "List the days and the week",
            "Explain why the sky looks blue in one sentence",
            "List all the days of the week",
            "tsiL eht syad dna eht keew",
            "List the months of the year",
        ];
        let embeddings = texts.map(embedding);
        let subjects: Vec<_> = texts.iter().zip(&embeddings).collect();
        let subjects = subjects.iter().map(|(text, e)| Subject { text, embedding: e.as_ref() });
        let subjects: Vec<_> = subjects.collect();
        let by = |names| {
            let results = index(names).admit_all(&subjects, 9).unwrap();
            let by = |result: Result<u32, Duplicate>| result.err().map(|d| (d.by, d.of.entry));
            results.into_iter().map(by).collect::<Vec<_>>()
        };
        let (rouge, minhash) = (Some(("rouge-l", 1)), Some(("minhash", 0)));
        assert_eq!(by("rouge-l+minhash"), [None, None, minhash, rouge, None, None]);
        let meaning = Some(("embedding", 1));
        let judged = by("rouge-l+minhash+embedding@0.95");
        assert_eq!(judged, [None, None, minhash, rouge, meaning, None]);
    }

    #[test]
    fn what_only_its_embedding_can_judge_needs_one() {
        let new = || index("rouge-l+embedding");
        let known = embedding("Name a tree that bears fruit");
        let known = Subject { text: "Name a tree that bears fruit", embedding: known.as_ref() };
        let subjects = [known, " ".into(), known.text.into(), "Write a poem".into()];
        assert_eq!(new().admit_all(&subjects, 9), Err(NoEmbedding { place: 3 }));
        let results = new().admit_all(&subjects[..3], 9).unwrap();
        let duplicate = Duplicate { of: Similar { entry: 0, score: 1.0 }, by: "rouge-l" };
        assert_eq!(results, [Ok(0), Ok(1), Err(duplicate)]);
    }

    #[test]
    fn embeddings_may_follow_their_texts() {
        let mut index = index("embedding");
        let texts = ["ai", " ", "oooo u"];
        for text in texts {
            index.insert(text);
        }
        assert_eq!(index.len(), 3);
        for text in texts {
            index.insert_embedding(embedding(text).as_ref());
        }
        let embedding = embedding("ooooo u");
        let subject = Subject { text: "ooooo u", embedding: embedding.as_ref() };
        let results = index.admit_all(&[subject], 1).unwrap();
        assert_eq!(results[0].unwrap_err().of.entry, 2);
        assert_eq!(index.most_similar(&subject, 1)[0].entry, 2);
    }

    proptest! {
        #[test]
        fn a_text_is_novel_when_all_parts_say_so(
            texts in vec(vec(proptest::sample::select(&["write ", "a ", "poem ", "on ", "rain "][..]), 0..7), 0..24),
            most in 0_usize..20, with_embedding in any::<bool>(),
        ) {
            let texts: Vec<String> = texts.iter().map(|words| words.concat()).collect();
            let embeddings: Vec<_> = texts.iter().map(|text| embedding(text)).collect();
            let subjects: Vec<_> = texts.iter().zip(&embeddings)
                .map(|(text, embedding)| Subject { text, embedding: embedding.as_ref() }).collect();
            let last = if with_embedding { "+embedding@0.97" } else { "" };
            let combination = Combination::parse(&format!("rouge-l@0.8+minhash@0.6{last}"), None).unwrap();
            let text_index = |place: usize| match combination.parts()[place].measure {
                Measure::Text(similarity) => similarity.index(combination.parts()[place].threshold),
                Measure::Embedding => unreachable!("it is the last"),
            };
            let mut apart = [text_index(0), text_index(1)];
            let mut meaning = EmbeddingIndex::new(if with_embedding { 0.97 } else { 1.0 });
            let (mut index, mut novel) = (combination.index(), 0);
            let results = index.admit_all(&subjects, most).unwrap();
            for (subject, result) in subjects.iter().zip(&results) {
                let found = [
                    ("rouge-l", apart[0].duplicate_of(subject.text)),
                    ("minhash", apart[1].duplicate_of(subject.text)),
                    ("embedding", subject.embedding.and_then(|e| meaning.duplicate_of(e, 0))),
                ];
                let first = found.into_iter().find_map(|(by, of)| of.map(|of| Duplicate { of, by }));
                prop_assert_eq!(result.err(), first);
                if result.is_ok() {
                    novel += 1;
                    meaning.insert(subject.embedding);
                    for index in &mut apart {
                        index.insert(subject.text);
                    }
                }
            }
            prop_assert!(results.len() == texts.len() || novel == most);
            prop_assert_eq!(index.len(), novel);
        }
    }
}
