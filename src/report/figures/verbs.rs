//! How often each verb and object occurs.

use std::collections::{BTreeMap, HashMap};

use super::{Opening, opening_of};

/// A verb with its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbCount<'a> {
    /// The verb.
    pub verb: &'a str,
    /// How many instructions have it.
    pub count: u64,
    /// Objects, each with the number of instructions that have it, the most frequent first.
    pub objects: Vec<(&'a str, u64)>,
}

/// How often each verb and object occurs.
#[derive(Debug, Default)]
pub struct VerbTally {
    orders: HashMap<String, HashMap<String, u64>>,
    questions: BTreeMap<String, u64>,
    others: u64,
    named: u64,
}

impl VerbTally {
    /// Counts an instruction.
    pub fn note(&mut self, instruction: &str) {
        match opening_of(instruction) {
            Opening::Order(verb, object) => {
                self.named += 1;
                let objects = self.orders.entry(verb).or_default();
                *objects.entry(object.unwrap_or_default()).or_default() += 1;
            }
            Opening::Question(word) => *self.questions.entry(word).or_default() += 1,
            Opening::Other => self.others += 1,
        }
    }

    /// Instructions in which a verb was found.
    pub fn named(&self) -> u64 {
        self.named
    }

    /// Instructions with a verb and an object.
    pub fn with_object(&self) -> u64 {
        let objects = self.orders.values().flatten();
        objects.filter(|(object, _)| !object.is_empty()).map(|(_, count)| count).sum()
    }

    /// Instructions that begin with a question word.
    pub fn questions(&self) -> u64 {
        self.questions.values().sum()
    }

    /// Instructions that begin otherwise.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// How many different verbs, and pairs of verb and object, there are.
    pub fn different(&self) -> (usize, usize) {
        let pairs = self.orders.values().flat_map(HashMap::keys);
        (self.orders.len(), pairs.filter(|object| !object.is_empty()).count())
    }

    /// The most frequent verbs, each with its most frequent objects.
    pub fn top(&self, verbs: usize, objects: usize) -> Vec<VerbCount<'_>> {
        let totals = self.orders.iter().map(|(verb, with)| (verb.as_str(), with.values().sum()));
        most_frequent(totals, verbs)
            .into_iter()
            .map(|(verb, count)| {
                let with = self.orders.get(verb).into_iter().flatten();
                let named = with.filter(|(object, _)| !object.is_empty());
                let objects = most_frequent(named.map(|(o, n)| (o.as_str(), *n)), objects);
                VerbCount { verb, count, objects }
            })
            .collect()
    }
}

/// The first by count, and by name where counts are equal.
fn most_frequent<'a>(
    counts: impl Iterator<Item = (&'a str, u64)>,
    most: usize,
) -> Vec<(&'a str, u64)> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    counts.truncate(most);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_equals_by_name() {
        let mut tally = VerbTally::default();
        for instruction in
            ["Write a poem.", "Write a poem.", "Write a song.", "Name it.", "Add it.", "Why?", "x"]
        {
            tally.note(instruction);
        }
        let top = tally.top(2, 1);
        let write = VerbCount { verb: "write", count: 3, objects: vec![("poem", 2)] };
        let add = VerbCount { verb: "add", count: 1, objects: vec![] };
        assert_eq!(top, [write, add]);
        assert_eq!(
            (tally.named(), tally.with_object(), tally.questions(), tally.others()),
            (5, 3, 1, 1)
        );
        assert_eq!(tally.different(), (3, 2));
    }
}
