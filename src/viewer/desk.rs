//! Answers from the store: rows for a page, a row beside its neighbour, marks.

use std::sync::{Arc, Mutex, PoisonError};

use super::live::{Follower, Live, Shared};
use super::query::{Cursor, Query};
use super::{ViewedRun, ViewerError};
use crate::event::Stage;
use crate::novelty::{Common, common};
use crate::store::{Marks, RowId, RunReader, SearchIndex, Step, StoreError, StoredRow, Tally};
use crate::task::{Candidate, TaskRef};

/// Rows of a page.
const ROWS_A_PAGE: usize = 40;
/// Matches are counted no further.
pub(super) const MOST_COUNTED: u64 = 1_000;

/// The store's reading side, for one request at a time.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) run: ViewedRun,
    live: Shared,
    store: Mutex<Store>,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) reader: RunReader,
    pub(super) index: SearchIndex,
}

/// Rows to be shown, and how they go on.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<(StoredRow, bool)>,
    /// Whether there are rows before the first one.
    pub(super) newer: bool,
    /// Whether there are rows after the last one.
    pub(super) older: bool,
    /// How many rows fit, no further than [`MOST_COUNTED`]; `None` where that is not counted.
    pub(super) matches: Option<u64>,
    /// The rules that there are to filter by, with their counts; the accepted tasks have none.
    pub(super) tallies: Vec<Tally>,
}

/// A row and what it was compared with.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) row: StoredRow,
    pub(super) marked: bool,
    pub(super) before: Option<RowId>,
    pub(super) after: Option<RowId>,
    pub(super) neighbour: Option<Neighbour>,
}

/// The nearest task.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) task: TaskRef,
    /// Where it is, unless it is a seed task.
    pub(super) place: Option<RowId>,
    /// Both texts with what they have in common, or why there is nothing to show.
    pub(super) texts: Result<Compared, String>,
}

#[derive(Debug)]
pub(super) struct Compared {
    pub(super) own: String,
    pub(super) other: String,
    pub(super) common: Common,
}

/// Opens the run, and begins to follow it.
pub(super) fn open(run: ViewedRun) -> Result<(Arc<Desk>, Follower), ViewerError> {
    let reader = run.dir.read()?;
    let index = SearchIndex::open(&run.dir, &reader)?;
    let live = Shared::default();
    let follower = Follower::start(run.dir.clone(), index.again()?, Arc::clone(&live));
    let store = Mutex::new(Store { reader, index });
    Ok((Arc::new(Desk { run, live, store }), follower))
}

impl Desk {
    pub(super) fn live(&self) -> Live {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with_store<T>(
        &self,
        read: impl FnOnce(&Store, &Marks) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = store.reader.marks()?;
        read(&store, &marks)
    }

    /// A connection of its own, for what takes long.
    pub(super) fn own_store(&self) -> Result<Store, StoreError> {
        let reader = self.run.dir.read()?;
        let index = self.store.lock().unwrap_or_else(PoisonError::into_inner).index.again()?;
        Ok(Store { reader, index })
    }

    pub(super) fn page(&self, query: &Query) -> Result<Page, StoreError> {
        self.with_store(|store, marks| {
            let mut page = shown(store, marks, query)?;
            page.tallies = store.reader.tallies()?;
            if !query.marked && query.filter.has_words() {
                page.matches = Some(store.index.count(&query.filter, MOST_COUNTED + 1)?);
            }
            Ok(page)
        })
    }

    pub(super) fn row(&self, id: RowId) -> Result<Option<Beside>, StoreError> {
        self.with_store(|store, marks| {
            let Some(row) = store.reader.row(id)? else { return Ok(None) };
            let beyond = |backwards| {
                let step = Step { backwards, from: Some(id) };
                Ok::<_, StoreError>(store.reader.places(step, 1)?.first().copied())
            };
            let neighbour =
                row.nearest.map(|task| self.neighbour(store, &row, task)).transpose()?;
            let (before, after) = (beyond(true)?, beyond(false)?);
            let marked = marks.rows().contains(&id);
            Ok(Some(Beside { row, marked, before, after, neighbour }))
        })
    }

    fn neighbour(
        &self,
        store: &Store,
        row: &StoredRow,
        task: TaskRef,
    ) -> Result<Neighbour, StoreError> {
        let (place, text) = match task {
            TaskRef::Seed(number) => (None, self.seed(number)),
            TaskRef::Accepted(_) | TaskRef::Open(_) => {
                let place = store.index.place_of(task)?;
                let found = place.map(|id| store.reader.row(id)).transpose()?.flatten();
                let text = found.map(|found| self.compared(&found.candidate));
                (
                    place,
                    text.ok_or_else(|| "It is not in the index yet: look again soon.".to_owned()),
                )
            }
        };
        let texts = text.map(|other| {
            let own = self.compared(&row.candidate);
            let common = common(self.similarity(row), &own, &other);
            Compared { own, other, common }
        });
        Ok(Neighbour { task, place, texts })
    }

    fn seed(&self, number: u64) -> Result<String, String> {
        let seeds = self.run.seeds.as_ref().map_err(Clone::clone)?;
        let seed = usize::try_from(number).ok().and_then(|number| seeds.get(number));
        seed.cloned().ok_or_else(|| "The seed file has no such task any more.".to_owned())
    }

    fn compared(&self, candidate: &Candidate) -> String {
        self.run.compare.text(candidate).into_owned()
    }

    /// The similarity that found the neighbour, as far as it is known: the rule of a duplicate, else
    /// the first of the run.
    fn similarity<'a>(&'a self, row: &'a StoredRow) -> &'a str {
        match &row.rejected_by {
            Some((Stage::Novelty, rule)) => rule,
            _ => self.run.similarity.split(['+', '@']).next().unwrap_or_default(),
        }
    }

    /// Marks a row as bad, or takes the mark away; whether there is such a row.
    pub(super) fn mark(&self, id: RowId, bad: bool) -> Result<bool, StoreError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.reader.row(id)?.is_none() {
            return Ok(false);
        }
        store.reader.marks()?.set(id, bad)?;
        Ok(true)
    }
}

/// The rows of a page in the order in which they are shown.
fn shown(store: &Store, marks: &Marks, query: &Query) -> Result<Page, StoreError> {
    let (from, upwards) = match query.cursor {
        Cursor::Start => (None, false),
        Cursor::After(row) => (Some(row), false),
        Cursor::Before(row) => (Some(row), true),
    };
    let step = Step { backwards: query.oldest_first == upwards, from };
    let mut ids = store.places(marks, query, step, ROWS_A_PAGE + 1)?;
    let more = ids.len() > ROWS_A_PAGE;
    ids.truncate(ROWS_A_PAGE);
    if upwards {
        ids.reverse();
    }
    let mut page = Page {
        newer: if upwards { more } else { from.is_some() },
        older: upwards || more,
        ..Page::default()
    };
    for id in ids {
        let row = store.reader.row(id)?;
        page.rows.extend(row.map(|row| (row, marks.rows().contains(&id))));
    }
    Ok(page)
}

impl Store {
    /// The next places of what is asked for.
    pub(super) fn places(
        &self,
        marks: &Marks,
        query: &Query,
        step: Step,
        most: usize,
    ) -> Result<Vec<RowId>, StoreError> {
        if query.marked {
            return Ok(marked(marks, step, most));
        }
        if query.filter.is_empty() {
            return self.reader.places(step, most);
        }
        self.index.places(&query.filter, step, most)
    }
}

fn marked(marks: &Marks, step: Step, most: usize) -> Vec<RowId> {
    let rows = marks.rows().iter().copied();
    let beyond = |row: &RowId| {
        step.from.is_none_or(|from| if step.backwards { *row < from } else { *row > from })
    };
    if step.backwards {
        rows.rev().filter(beyond).take(most).collect()
    } else {
        rows.filter(beyond).take(most).collect()
    }
}
