//! Numbers for tokens, in the order in which they were first met.
//!
//! The order serves the index: frequent words are met early, so a high number tells a rare token. To
//! count how frequent each is, and to build the index again by that, was measured to gain nothing.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// The number of a token, or of a token's second, third and further occurrence in one text.
pub(super) type Item = u32;

/// Every token met, and every repetition of it within one text.
///
/// A repetition counts as an item of its own, so that two texts share as many items as they share
/// tokens with their repetitions.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    hasher: DefaultHashBuilder,
    /// The numbers of all tokens, by their spelling.
    tokens: HashTable<Item>,
    /// The numbers of repetitions, by token and how many occurrences come before.
    repetitions: HashMap<(Item, u32), Item>,
    /// All spellings, one after the other.
    spellings: String,
    /// Where each item's spelling ends; a repetition has none.
    ends: Vec<u32>,
}

impl Vocabulary {
    /// The number of a token, if it was met.
    pub(super) fn get(&self, token: &str) -> Option<Item> {
        let hash = self.hasher.hash_one(token);
        self.tokens.find(hash, |item| self.spelling(*item) == token).copied()
    }

    /// The number of a token, a new one if it was not met before.
    pub(super) fn number(&mut self, token: &str) -> Item {
        let hash = self.hasher.hash_one(token);
        let (spellings, ends) = (&self.spellings, &self.ends);
        if let Some(item) = self.tokens.find(hash, |item| spelling(spellings, ends, *item) == token)
        {
            return *item;
        }
        self.spellings.push_str(token);
        let item = self.add_item();
        let (spellings, ends, hasher) = (&self.spellings, &self.ends, &self.hasher);
        let rehash = |item: &Item| hasher.hash_one(spelling(spellings, ends, *item));
        self.tokens.insert_unique(hash, item, rehash);
        item
    }

    /// The items of a text with those tokens, rarest first; repetitions that no entry has are left
    /// out.
    pub(super) fn items(&self, mut tokens: Vec<Item>) -> Vec<Item> {
        tokens.sort_unstable_by(|a, b| b.cmp(a));
        if tokens.windows(2).all(|pair| pair[0] != pair[1]) {
            return tokens;
        }
        let mut items = Vec::with_capacity(tokens.len());
        for run in tokens.chunk_by(|a, b| a == b) {
            items.push(run[0]);
            let further = (1..).zip(run.get(1..).unwrap_or_default());
            items.extend(further.filter_map(|(nth, token)| self.repetitions.get(&(*token, nth))));
        }
        items.sort_unstable_by(|a, b| b.cmp(a));
        items
    }

    /// The items of a text that becomes an entry: every repetition has a number afterwards.
    pub(super) fn number_items(&mut self, mut tokens: Vec<Item>) -> Vec<Item> {
        tokens.sort_unstable();
        for run in tokens.chunk_by(|a, b| a == b) {
            for (nth, token) in (1..).zip(run.get(1..).unwrap_or_default()) {
                if !self.repetitions.contains_key(&(*token, nth)) {
                    let item = self.add_item();
                    self.repetitions.insert((*token, nth), item);
                }
            }
        }
        self.items(tokens)
    }

    fn add_item(&mut self) -> Item {
        let item = index(self.ends.len());
        self.ends.push(index(self.spellings.len()));
        item
    }

    fn spelling(&self, item: Item) -> &str {
        spelling(&self.spellings, &self.ends, item)
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("4 GiB of different tokens are more than memory holds with them")
}

fn spelling<'a>(spellings: &'a str, ends: &[u32], item: Item) -> &'a str {
    let item = item as usize;
    let start = item.checked_sub(1).map_or(0, |before| ends[before]);
    spellings.get(start as usize..ends[item] as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(vocabulary: &Vocabulary, text: &str) -> Vec<Item> {
        vocabulary.items(text.split(' ').filter_map(|t| vocabulary.get(t)).collect())
    }

    fn add(vocabulary: &mut Vocabulary, text: &str) -> Vec<Item> {
        let tokens = text.split(' ').map(|t| vocabulary.number(t)).collect();
        vocabulary.number_items(tokens)
    }

    #[test]
    fn a_token_keeps_its_number() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.get("b"), None);
        assert_eq!(add(&mut vocabulary, "b a"), [1, 0]);
        assert_eq!(add(&mut vocabulary, "a c b"), [2, 1, 0]);
        assert_eq!((vocabulary.get("b"), vocabulary.get("d")), (Some(0), None));
        for i in 0..5_000 {
            vocabulary.number(&format!("t{i}"));
        }
        assert_eq!(items(&vocabulary, "c t4999 a"), [5_002, 2, 1]);
    }

    #[test]
    fn repetitions_are_items_of_their_own() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(add(&mut vocabulary, "a b a a"), [3, 2, 1, 0]);
        assert_eq!(add(&mut vocabulary, "b a b"), [4, 1, 0]);
        assert_eq!(items(&vocabulary, "a a c"), [2, 0]);
        // Nobody had `a` four times.
        assert_eq!(items(&vocabulary, "a a a a"), [3, 2, 0]);
    }
}
