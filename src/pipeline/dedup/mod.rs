//! Deduplication of a file: each record is compared with all that were kept before it.
//!
//! ```text
//! dataset: a batch of records and their texts -> known: verdicts in their order
//!     -> dataset: the kept ones written; trail: the removed ones explained
//! ```

mod known;
mod spool;
mod trail;

use std::fmt;
use std::io::{self, Write};

use self::known::{Known, Verdict};
use self::trail::Trail;
use crate::dataset::{DatasetError, Format, Reader, Selection, Source};
use crate::novelty::Combination;
use crate::pool::mostly_ascii_texts;

/// What counts as a duplicate.
#[derive(Debug, Clone)]
pub struct DedupRules {
    /// Which text of a record is compared.
    pub selection: Selection,
    /// What makes a text a duplicate.
    pub duplicates: DuplicateRule,
}

/// What makes a text a duplicate.
#[derive(Debug, Clone)]
pub enum DuplicateRule {
    /// These similarities.
    By(Combination),
    /// The first records decide.
    ByScript {
        /// When they are mostly ASCII.
        ascii: Combination,
        /// When they are not.
        other: Combination,
    },
}

/// A file to read, in its format.
#[derive(Debug)]
pub struct DedupInput {
    /// The bytes.
    pub source: Source,
    /// How they are read.
    pub format: &'static dyn Format,
}

/// Where the results go. All of them are best buffered.
pub struct DedupOutputs<'w> {
    /// The kept records, in the format and the order of the input.
    pub kept: &'w mut (dyn Write + Send),
    /// A JSON line for each removed record: its row, text, score and content, and what it is a
    /// duplicate of.
    pub removed: Option<&'w mut dyn Write>,
    /// A JSON line for each record that has duplicates: where it is, its text, and the rows and
    /// scores of those removed.
    pub clusters: Option<&'w mut dyn Write>,
}

impl fmt::Debug for DedupOutputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupOutputs").finish_non_exhaustive()
    }
}

/// How far a deduplication is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DedupProgress {
    /// The file being read.
    pub file: String,
    /// Records of it read.
    pub read: u64,
    /// Records of the input removed so far.
    pub removed: u64,
    /// Bytes of it read.
    pub bytes: u64,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
}

/// What a deduplication came to.
#[derive(Debug, Clone)]
pub struct DedupTotals {
    /// Records read.
    pub read: u64,
    /// Records kept.
    pub kept: u64,
    /// Records removed as duplicates of an earlier one.
    pub removed: u64,
    /// Records removed as duplicates of one in another set.
    pub removed_by_against: u64,
    /// Records of the other sets.
    pub against: u64,
    /// The name of the input's format.
    pub format: &'static str,
    /// The name of its shape; `None` without records and when fields are named.
    pub shape: Option<&'static str>,
    /// What made a text a duplicate.
    pub duplicates: Combination,
    /// Whether the first records decided it.
    pub is_similarity_chosen: bool,
}

/// A deduplication failed. Nothing of its outputs is of use.
#[derive(Debug, thiserror::Error)]
pub enum DedupError {
    /// An input is at fault, or the kept records can't be written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The removed records can't be written.
    #[error("cannot write the removed records: {0}")]
    Removed(#[source] io::Error),
    /// The clusters can't be written.
    #[error("cannot write the clusters: {0}")]
    Clusters(#[source] io::Error),
    /// The texts for the removed records and clusters can't be put aside.
    #[error("cannot write a temporary file: {0}")]
    Spool(#[source] io::Error),
}

/// Called after each batch of records.
type Watch<'w> = &'w mut dyn FnMut(&DedupProgress);

/// Keeps every record of the input whose text is no duplicate of one before it, nor of one in the
/// sets of `against`, which are read first. The order stays.
///
/// Besides the index, memory grows with the input only for [`DedupOutputs::removed`] and
/// [`DedupOutputs::clusters`]: by 16 bytes for each entry of the index, and for clusters by 24 for
/// each record removed.
///
/// # Errors
///
/// [`DedupError`]; what has been written is then not whole.
pub fn dedup<'w>(
    rules: &DedupRules,
    input: DedupInput,
    against: Vec<DedupInput>,
    outputs: DedupOutputs<'w>,
    watch: Watch<'w>,
) -> Result<DedupTotals, DedupError> {
    let DedupOutputs { kept, removed, clusters } = outputs;
    let mut reader = Reader::new(input.source, input.format, rules.selection.clone(), kept)?;
    let first_batch = reader.advance()?;
    let duplicates = match &rules.duplicates {
        DuplicateRule::By(duplicates) => duplicates,
        DuplicateRule::ByScript { ascii, other } => {
            if mostly_ascii_texts(reader.texts()) {
                ascii
            } else {
                other
            }
        }
    };
    let mut sieve = Sieve {
        known: Known::new(duplicates),
        trail: Trail::new(removed, clusters),
        against: 0,
        watch,
    };
    for other in against {
        sieve.learn(other, &rules.selection)?;
    }
    let counts = sieve.pass(&mut reader, first_batch)?;
    let totals = DedupTotals {
        read: counts.read(),
        kept: counts.kept,
        removed: counts.removed,
        removed_by_against: counts.removed_by_against,
        against: sieve.against,
        format: reader.format(),
        shape: reader.shape(),
        duplicates: duplicates.clone(),
        is_similarity_chosen: matches!(rules.duplicates, DuplicateRule::ByScript { .. }),
    };
    reader.finish()?;
    sieve.trail.map_or(Ok(()), Trail::finish)?;
    Ok(totals)
}

/// What became of the records so far.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    kept: u64,
    removed: u64,
    removed_by_against: u64,
}

impl Counts {
    fn read(self) -> u64 {
        self.kept + self.removed + self.removed_by_against
    }
}

/// Lets through what is novel.
struct Sieve<'w> {
    known: Known,
    trail: Option<Trail<'w>>,
    /// Entries of the index that are records of other sets: the first ones.
    against: u64,
    watch: Watch<'w>,
}

impl Sieve<'_> {
    /// Takes all records of another set as known.
    fn learn(&mut self, other: DedupInput, selection: &Selection) -> Result<(), DedupError> {
        let mut nowhere = io::sink();
        let mut reader = Reader::new(other.source, other.format, selection.clone(), &mut nowhere)?;
        if let Some(trail) = &mut self.trail {
            trail.start_file(reader.file(), "against");
        }
        let mut read = 0;
        loop {
            let count = reader.advance()?;
            if count == 0 {
                return Ok(());
            }
            self.known.insert(reader.texts());
            if let Some(trail) = &mut self.trail {
                for (row, text) in (read + 1..).zip(reader.texts()) {
                    trail.add_entry(row, text)?;
                }
            }
            self.against += count as u64;
            read += count as u64;
            self.tell(&reader, read, 0);
        }
    }

    /// Judges the records of the input, of which the first batch is in hand.
    fn pass(&mut self, reader: &mut Reader<'_>, first_batch: usize) -> Result<Counts, DedupError> {
        if let Some(trail) = &mut self.trail {
            trail.start_file(reader.file(), "input");
        }
        let mut counts = Counts::default();
        let mut in_hand = first_batch;
        while in_hand > 0 {
            let verdicts = self.known.judge(reader.texts());
            self.explain(reader, &verdicts)?;
            for (index, verdict) in verdicts.iter().enumerate() {
                match verdict {
                    Ok(_) => {
                        reader.keep(index)?;
                        counts.kept += 1;
                    }
                    Err(duplicate) if u64::from(duplicate.of.entry) < self.against => {
                        counts.removed_by_against += 1;
                    }
                    Err(_) => counts.removed += 1,
                }
            }
            self.tell(reader, counts.read(), counts.read() - counts.kept);
            in_hand = reader.advance()?;
        }
        Ok(counts)
    }

    fn tell(&mut self, reader: &Reader<'_>, read: u64, removed: u64) {
        let (bytes, size) = reader.progress();
        let file = reader.file().to_owned();
        (self.watch)(&DedupProgress { file, read, removed, bytes, size });
    }

    /// Notes the verdicts where somebody wants to know.
    fn explain(&mut self, reader: &Reader<'_>, verdicts: &[Verdict]) -> Result<(), DedupError> {
        let Some(trail) = &mut self.trail else { return Ok(()) };
        for (index, (text, verdict)) in reader.texts().zip(verdicts).enumerate() {
            let Some(record) = reader.record(index) else { break };
            match *verdict {
                Ok(_) => trail.add_entry(record.place.row, text)?,
                Err(duplicate) => trail.add_duplicate(record, text, duplicate)?,
            }
        }
        Ok(())
    }
}
