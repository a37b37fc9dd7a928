//! Numbers for tokens, in the order in which they were first met.
//!
//! The order serves the index: frequent words are met early, so a high number tells a rare token. To
//! count how frequent each is, and to build the index again by that, was measured to gain nothing.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// The number of a token, or of a token's second, third and further occurrence in one text.
pub(super) type Item = u32;

/// An item of a text and where the text has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    pub(super) item: Item,
    /// How many tokens come before it; [`ANYWHERE`] when the text has the token more than once.
    pub(super) place: u16,
}

/// The place of an item that has several, or of one that comes very late.
pub(super) const ANYWHERE: u16 = u16::MAX;

/// The known tokens of a text, each at its place.
pub(super) fn placed(tokens: impl IntoIterator<Item = Option<Item>>) -> Vec<Placed> {
    let places = (0..ANYWHERE).chain(std::iter::repeat(ANYWHERE));
    let tokens = tokens.into_iter().zip(places);
    tokens.filter_map(|(token, place)| token.map(|item| Placed { item, place })).collect()
}

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
    pub(super) fn items(&self, mut tokens: Vec<Placed>) -> Vec<Placed> {
        tokens.sort_unstable_by(|a, b| b.cmp(a));
        if tokens.windows(2).all(|pair| pair[0].item != pair[1].item) {
            return tokens;
        }
        let mut items = Vec::with_capacity(tokens.len());
        for run in tokens.chunk_by(|a, b| a.item == b.item) {
            let Placed { item: token, place } = run[0];
            let place = if run.len() == 1 { place } else { ANYWHERE };
            items.push(Placed { item: token, place });
            let further = (1..).zip(run.get(1..).unwrap_or_default());
            items.extend(further.filter_map(|(nth, _)| {
                let item = *self.repetitions.get(&(token, nth))?;
                Some(Placed { item, place })
            }));
        }
        items.sort_unstable_by(|a, b| b.cmp(a));
        items
    }

    /// The items of a text that becomes an entry: every repetition has a number afterwards.
    pub(super) fn number_items(&mut self, mut tokens: Vec<Placed>) -> Vec<Placed> {
        tokens.sort_unstable();
        for run in tokens.chunk_by(|a, b| a.item == b.item) {
            for (nth, Placed { item: token, .. }) in (1..).zip(run.get(1..).unwrap_or_default()) {
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

    fn numbers(items: Vec<Placed>) -> Vec<Item> {
        items.into_iter().map(|placed| placed.item).collect()
    }

    fn items(vocabulary: &Vocabulary, text: &str) -> Vec<Item> {
        numbers(vocabulary.items(placed(text.split(' ').map(|token| vocabulary.get(token)))))
    }

    fn add(vocabulary: &mut Vocabulary, text: &str) -> Vec<Item> {
        let tokens = placed(text.split(' ').map(|token| Some(vocabulary.number(token))));
        numbers(vocabulary.number_items(tokens))
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

    #[test]
    fn only_an_item_that_occurs_once_has_a_place() {
        let mut vocabulary = Vocabulary::default();
        let tokens = placed("b a b c".split(' ').map(|token| Some(vocabulary.number(token))));
        let places = |items: Vec<Placed>| -> Vec<(Item, u16)> {
            items.into_iter().map(|placed| (placed.item, placed.place)).collect()
        };
        let expected = [(3, ANYWHERE), (2, 3), (1, 1), (0, ANYWHERE)];
        assert_eq!(places(vocabulary.number_items(tokens)), expected);
        // Unknown words count, and so does a repetition that nobody had.
        let tokens = placed([None, Some(2), Some(1), Some(2)]);
        assert_eq!(places(vocabulary.items(tokens)), [(2, ANYWHERE), (1, 2)]);
    }
}
