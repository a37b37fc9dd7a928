//! Splits: which tasks train a model and which test it, so that what is alike stays together.
//!
//! Accepted tasks are no duplicates of each other, but a task at 0.65 is close to one: a model that
//! was trained on the first is not tested by the second. Tasks that are alike by a lower threshold
//! than the run's form clusters, also through others between them, and a cluster is in one split.
//!
//! The seed puts the clusters in an order, and in this order they fill the smaller splits; what has no
//! room goes to the largest, so that a cluster of half the data does not make a test of it. Each
//! round then lays all tasks beside those of the other splits (in an index; the largest split needs
//! none, since being alike goes both ways), joins the clusters that meet across, and shares out anew;
//! rounds go on until none meet. So only pairs across splits are ever looked for, and none is
//! overlooked that the similarity's index finds.

use std::fmt;
use std::str::FromStr;

use crate::novelty::{Combination, CombinedIndex};
use crate::store::{RunReader, StoreError};
use crate::task::{AcceptedTask, Compared};

/// The names of the splits and their shares of the tasks, which add up to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    parts: Vec<(String, f64)>,
}

/// Why a text gives no shares. Each message says how to mend it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SharesError {
    /// A part without `=`, or without a number behind it.
    #[error("`{part}` is no share: write NAME=SHARE, as in train=0.98,test=0.02")]
    NotAShare {
        /// The part.
        part: String,
    },
    /// A name that cannot be part of a file's name or that data sets do not take.
    #[error("`{name}` is no name for a split: use letters, digits and _")]
    Name {
        /// The name.
        name: String,
    },
    /// A name that is there twice.
    #[error("the split `{name}` is named twice")]
    Repeated {
        /// The name.
        name: String,
    },
    /// More splits than make sense.
    #[error("{count} splits are too many: there can be {MAX_SPLITS}")]
    TooMany {
        /// How many were named.
        count: usize,
    },
    /// They do not add up.
    #[error("the shares add up to {sum}: make it 1")]
    Sum {
        /// What they add up to.
        sum: f64,
    },
}

const MAX_SPLITS: usize = 16;

impl Shares {
    /// The names of the splits, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// The splits with their shares, in order.
    pub fn parts(&self) -> &[(String, f64)] {
        &self.parts
    }

    fn largest(&self) -> usize {
        let shares = self.parts.iter().enumerate();
        shares.max_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place)
    }
}

/// As it is written.
impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter().map(|(name, share)| format!("{name}={share}"));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

fn narrow(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// Reads `train=0.98,test=0.02`.
impl FromStr for Shares {
    type Err = SharesError;

    fn from_str(text: &str) -> Result<Self, SharesError> {
        let mut parts: Vec<(String, f64)> = Vec::new();
        for part in text.split(',') {
            let wrong = || SharesError::NotAShare { part: part.trim().to_owned() };
            let (name, share) = part.split_once('=').ok_or_else(wrong)?;
            let (name, share) = (name.trim().to_owned(), share.trim().parse::<f64>());
            let share = share.ok().filter(|share| *share > 0.0 && *share <= 1.0);
            let share = share.ok_or_else(wrong)?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(SharesError::Name { name });
            }
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(SharesError::Repeated { name });
            }
            parts.push((name, share));
        }
        if parts.len() > MAX_SPLITS {
            return Err(SharesError::TooMany { count: parts.len() });
        }
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            // Shares such as 0.1 have no exact double, and nobody wants to read the difference.
            return Err(SharesError::Sum { sum: (sum * 1e6).round() / 1e6 });
        }
        Ok(Self { parts })
    }
}

/// How tasks are divided.
#[derive(Debug)]
pub struct SplitRules<'a> {
    /// Into what.
    pub shares: &'a Shares,
    /// Seeds the choice.
    pub seed: u64,
    /// What is too alike to be in different splits.
    pub alike: &'a Combination,
    /// The text that is compared.
    pub compared: Compared,
}

/// Which split each task is in.
#[derive(Debug, Default)]
pub struct Division {
    /// By the number of the task; [`NOT_SELECTED`](Self::NOT_SELECTED) for those left out.
    splits: Vec<u8>,
    /// How many tasks are kept with another that is alike.
    pub together: u64,
}

impl Division {
    const NOT_SELECTED: u8 = u8::MAX;

    /// The place of a task's split in the list; `None` when it was not selected.
    pub fn of(&self, task: &AcceptedTask) -> Option<usize> {
        let split = self.splits.get(usize::try_from(task.id).ok()?)?;
        (*split != Self::NOT_SELECTED).then_some(usize::from(*split))
    }
}

/// Divides the accepted tasks of a run that `select` takes.
///
/// Memory: some 30 bytes a task, and the novelty index of all splits but the largest. Time: a round is
/// two readings of the run and a look-up for each task; the lower the threshold, the more rounds.
///
/// # Errors
/// [`StoreError`] when the journal cannot be read.
pub fn divide(
    reader: &RunReader,
    rules: &SplitRules<'_>,
    select: impl Fn(&AcceptedTask) -> bool,
) -> Result<Division, StoreError> {
    let mut clusters = Clusters::default();
    let mut selected = Vec::new();
    reader.for_each_accepted::<StoreError>("", |task| {
        selected.push(select(task));
        clusters.parents.push(u32::try_from(task.id).unwrap_or(u32::MAX));
        Ok(())
    })?;
    loop {
        let splits = share_out(&mut clusters, &selected, rules);
        if !join_across(reader, rules, &splits, &mut clusters)? {
            let sizes = clusters.sizes(&selected).into_iter();
            let together = sizes.filter(|size| *size > 1).map(u64::from).sum();
            return Ok(Division { splits, together });
        }
    }
}

/// Fills the splits with whole clusters, in the order that the seed gives them.
fn share_out(clusters: &mut Clusters, selected: &[bool], rules: &SplitRules<'_>) -> Vec<u8> {
    let sizes = clusters.sizes(selected);
    let mut order: Vec<(u64, u32)> = (0..)
        .zip(&sizes)
        .filter(|(_, size)| **size > 0)
        .map(|(first, _)| (rank(rules.seed, first), first))
        .collect();
    order.sort_unstable();
    let tasks: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    let largest = rules.shares.largest();
    let mut room: Vec<u64> =
        rules.shares.parts.iter().map(|(_, share)| part_of(tasks, *share)).collect();
    if let Some(room) = room.get_mut(largest) {
        *room = 0;
    }
    let mut split_of = vec![narrow(largest); sizes.len()];
    for (_, first) in order {
        let size = sizes.get(first as usize).copied().unwrap_or_default().into();
        let Some(place) = room.iter().position(|room| *room >= size) else { continue };
        if let (Some(room), Some(split)) = (room.get_mut(place), split_of.get_mut(first as usize)) {
            *room -= size;
            *split = narrow(place);
        }
    }
    let split = |(task, selected): (u32, &bool)| {
        let of_cluster = split_of.get(clusters.first_of(task) as usize).copied();
        of_cluster.filter(|_| *selected).unwrap_or(Division::NOT_SELECTED)
    };
    (0..).zip(selected).map(split).collect()
}

/// Where a cluster is in the order.
fn rank(seed: u64, first: u32) -> u64 {
    // Spread out, because neighbouring seeds must not give like orders.
    let spread = (seed ^ u64::from(first).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    fastrand::Rng::with_seed(spread).u64(..)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a count of tasks, rounded to whole ones"
)]
fn part_of(tasks: u64, share: f64) -> u64 {
    (tasks as f64 * share).round() as u64
}

/// Joins the clusters of tasks that are alike and in different splits. Says whether there were any.
fn join_across(
    reader: &RunReader,
    rules: &SplitRules<'_>,
    splits: &[u8],
    clusters: &mut Clusters,
) -> Result<bool, StoreError> {
    let mut indexes = Indexes::new(rules);
    let split_of = |task: &AcceptedTask| {
        let split = usize::try_from(task.id).ok().and_then(|id| splits.get(id));
        split.copied().filter(|split| *split != Division::NOT_SELECTED)
    };
    reader.for_each_accepted::<StoreError>("", |task| {
        if let Some(split) = split_of(task) {
            indexes.insert(split, task, rules.compared);
        }
        Ok(())
    })?;
    let mut joined = false;
    reader.for_each_accepted::<StoreError>("", |task| {
        if let Some(split) = split_of(task) {
            let text = rules.compared.text(&task.task);
            for other in indexes.alike_elsewhere(split, &text) {
                clusters.join(u32::try_from(task.id).unwrap_or(u32::MAX), other);
                joined = true;
            }
        }
        Ok(())
    })?;
    Ok(joined)
}

/// The texts of all splits but the largest.
struct Indexes {
    /// `None` for the largest; with each, the tasks by the index's entry numbers.
    by_split: Vec<Option<(CombinedIndex, Vec<u32>)>>,
}

impl Indexes {
    fn new(rules: &SplitRules<'_>) -> Self {
        let largest = rules.shares.largest();
        let index = |split| (split != largest).then(|| (rules.alike.index(), Vec::new()));
        Self { by_split: (0..rules.shares.parts.len()).map(index).collect() }
    }

    fn insert(&mut self, split: u8, task: &AcceptedTask, compared: Compared) {
        if let Some(Some((index, tasks))) = self.by_split.get_mut(usize::from(split)) {
            index.insert(&compared.text(&task.task));
            tasks.push(u32::try_from(task.id).unwrap_or(u32::MAX));
        }
    }

    /// A task that is like a text, in each other split that has one.
    fn alike_elsewhere(&self, split: u8, text: &str) -> Vec<u32> {
        let others = self.by_split.iter().enumerate();
        let others = others.filter(|(other, _)| *other != usize::from(split));
        let alike = others.filter_map(|(_, indexed)| {
            let (index, tasks) = indexed.as_ref()?;
            let entry = index.duplicate_by_text(text)?.of.entry;
            tasks.get(usize::try_from(entry).ok()?).copied()
        });
        alike.collect()
    }
}

/// Sets of tasks that are alike, each named by its first task.
#[derive(Debug, Default)]
struct Clusters {
    /// A task of the same cluster that came before, or the task itself.
    parents: Vec<u32>,
}

impl Clusters {
    fn parent(&self, task: u32) -> u32 {
        self.parents.get(task as usize).copied().unwrap_or(task)
    }

    fn set(&mut self, task: u32, parent: u32) {
        if let Some(place) = self.parents.get_mut(task as usize) {
            *place = parent;
        }
    }

    fn first_of(&mut self, mut task: u32) -> u32 {
        loop {
            let parent = self.parent(task);
            if parent == task {
                return task;
            }
            let above = self.parent(parent);
            self.set(task, above);
            task = above;
        }
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.first_of(a), self.first_of(b));
        self.set(a.max(b), a.min(b));
    }

    /// How many selected tasks each cluster has, by its first task.
    fn sizes(&mut self, selected: &[bool]) -> Vec<u32> {
        let mut sizes = vec![0_u32; self.parents.len()];
        for (task, selected) in (0..).zip(selected) {
            let first = self.first_of(task);
            if let Some(size) = sizes.get_mut(first as usize) {
                *size += u32::from(*selected);
            }
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_or_refused() {
        let shares: Shares = " train = 0.98, test=0.02".parse().unwrap();
        assert_eq!(shares.names().collect::<Vec<_>>(), ["train", "test"]);
        assert_eq!(shares.largest(), 0);
        assert_eq!("a=0.1,b=0.2,c=0.7".parse::<Shares>().unwrap().largest(), 2);

        let refusal = |text: &str| text.parse::<Shares>().unwrap_err().to_string();
        let texts = ["train", "a=x", "a=-1,b=2", "a=0.5,a=0.5", "a=0.1,b=0.2", "../x=1", "a=1,"];
        insta::assert_snapshot!(texts.map(refusal).join("\n"), @"
        `train` is no share: write NAME=SHARE, as in train=0.98,test=0.02
        `a=x` is no share: write NAME=SHARE, as in train=0.98,test=0.02
        `a=-1` is no share: write NAME=SHARE, as in train=0.98,test=0.02
        the split `a` is named twice
        the shares add up to 0.3: make it 1
        `../x` is no name for a split: use letters, digits and _
        `` is no share: write NAME=SHARE, as in train=0.98,test=0.02
        ");
    }

    #[test]
    fn clusters_are_named_by_their_first_task() {
        let mut clusters = Clusters { parents: (0..6).collect() };
        for (a, b) in [(5, 3), (3, 1), (2, 4)] {
            clusters.join(a, b);
        }
        let firsts = [0, 1, 2, 3, 4, 5].map(|task| clusters.first_of(task));
        assert_eq!(firsts, [0, 1, 2, 1, 2, 1]);
        assert_eq!(clusters.sizes(&[true, true, true, false, true, true]), [1, 2, 2, 0, 0, 0]);
    }

    #[test]
    fn smaller_splits_are_filled_with_whole_clusters() {
        let shares: Shares = "train=0.7,test=0.2,dev=0.1".parse().unwrap();
        let alike = Combination::parse("rouge-l", None).unwrap();
        // Task 0 is in a cluster that is half of all and has room in the largest split only.
        let mut clusters = Clusters { parents: (0..1_000).collect() };
        for task in 1..500 {
            clusters.join(0, task);
        }
        for pair in (500..1_000).step_by(2) {
            clusters.join(pair, pair + 1);
        }
        let selected = vec![true; 1_000];
        let draw = |seed, clusters: &mut Clusters| {
            let compared = Compared::Instruction;
            share_out(
                clusters,
                &selected,
                &SplitRules { shares: &shares, seed, alike: &alike, compared },
            )
        };
        let splits = draw(1, &mut clusters);
        let count = |split| splits.iter().map(|other| usize::from(*other == split)).sum::<usize>();
        assert_eq!([0, 1, 2].map(count), [700, 200, 100]);
        assert!(splits[..500].iter().all(|split| *split == 0));
        assert!(splits[500..].chunks(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(splits, draw(1, &mut clusters));
        assert_ne!(splits, draw(2, &mut clusters));
    }
}
