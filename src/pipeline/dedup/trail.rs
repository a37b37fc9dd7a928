//! What was removed and why: the lines of `--removed` and `--clusters`.

use std::io::{self, Write};

use serde::Serialize;

use super::DedupError;
use super::spool::TextSpool;
use crate::dataset::Record;
use crate::novelty::Duplicate;

/// Where the entries of the index come from, and what was removed because of them. It costs memory
/// by the record, and exists only when somebody wants to know.
pub(super) struct Trail<'w> {
    removed: Option<&'w mut dyn Write>,
    clusters: Option<&'w mut dyn Write>,
    files: Vec<Entries>,
    /// The row of each entry, in its file.
    rows: Vec<u64>,
    texts: TextSpool,
    /// For the clusters: each duplicate, and its row in the input.
    duplicates: Vec<(Duplicate, u64)>,
    line: Vec<u8>,
}

/// The entries of one file.
struct Entries {
    first: usize,
    name: String,
    from: &'static str,
}

/// A record that stays, or is compared with, in the JSON of both files.
#[derive(Serialize)]
struct Origin<'a> {
    /// `input` or `against`.
    from: &'a str,
    file: &'a str,
    row: u64,
    text: String,
}

#[derive(Serialize)]
struct RemovedLine<'a> {
    row: u64,
    text: &'a str,
    similarity: &'a str,
    score: f64,
    duplicate_of: Origin<'a>,
    record: Record<'a>,
}

#[derive(Serialize)]
struct ClusterLine<'a> {
    #[serde(flatten)]
    origin: Origin<'a>,
    duplicates: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    row: u64,
    similarity: &'static str,
    score: f64,
}

impl<'w> Trail<'w> {
    /// `None` when nobody wants to know.
    pub(super) fn new(
        removed: Option<&'w mut dyn Write>,
        clusters: Option<&'w mut dyn Write>,
    ) -> Option<Self> {
        (removed.is_some() || clusters.is_some()).then(|| Self {
            removed,
            clusters,
            files: Vec::new(),
            rows: Vec::new(),
            texts: TextSpool::new(),
            duplicates: Vec::new(),
            line: Vec::new(),
        })
    }

    /// The next entries are records of this file.
    pub(super) fn start_file(&mut self, name: &str, from: &'static str) {
        self.files.push(Entries { first: self.rows.len(), name: name.to_owned(), from });
    }

    /// The record in that row is the next entry.
    pub(super) fn add_entry(&mut self, row: u64, text: &str) -> Result<(), DedupError> {
        self.rows.push(row);
        self.texts.push(text).map_err(DedupError::Spool)
    }

    /// The record is removed as a duplicate of that entry.
    pub(super) fn add_duplicate(
        &mut self,
        record: Record<'_>,
        text: &str,
        duplicate: Duplicate,
    ) -> Result<(), DedupError> {
        let row = record.place.row;
        if self.clusters.is_some() {
            self.duplicates.push((duplicate, row));
        }
        if let Some(out) = self.removed.take() {
            let duplicate_of =
                origin(&self.files, &self.rows, &mut self.texts, duplicate.of.entry)?;
            let (similarity, score) = (duplicate.by, duplicate.of.score);
            let line = RemovedLine { row, text, similarity, score, duplicate_of, record };
            write_line(out, &mut self.line, &line).map_err(DedupError::Removed)?;
            self.removed = Some(out);
        }
        Ok(())
    }

    /// Writes the clusters, in the order of their first records.
    pub(super) fn finish(mut self) -> Result<(), DedupError> {
        let Some(out) = self.clusters else { return Ok(()) };
        // Stable, so that the members stay in their order.
        self.duplicates.sort_by_key(|(duplicate, _)| duplicate.of.entry);
        for cluster in self.duplicates.chunk_by(|(a, _), (b, _)| a.of.entry == b.of.entry) {
            let Some((first, _)) = cluster.first() else { continue };
            let origin = origin(&self.files, &self.rows, &mut self.texts, first.of.entry)?;
            let member = |(duplicate, row): &(Duplicate, u64)| Member {
                row: *row,
                similarity: duplicate.by,
                score: duplicate.of.score,
            };
            let duplicates = cluster.iter().map(member).collect();
            let line = ClusterLine { origin, duplicates };
            write_line(out, &mut self.line, &line).map_err(DedupError::Clusters)?;
        }
        Ok(())
    }
}

fn origin<'a>(
    files: &'a [Entries],
    rows: &[u64],
    texts: &mut TextSpool,
    entry: u32,
) -> Result<Origin<'a>, DedupError> {
    let index = entry as usize;
    let file = files.iter().rfind(|file| file.first <= index);
    let (from, file) = file.map_or(("", ""), |file| (file.from, &*file.name));
    let row = rows.get(index).copied().unwrap_or_default();
    Ok(Origin { from, file, row, text: texts.get(entry).map_err(DedupError::Spool)? })
}

fn write_line(out: &mut dyn Write, line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    out.write_all(line)
}
