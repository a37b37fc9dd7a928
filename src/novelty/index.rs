//! The exact ROUGE-L index: every entry is either compared or proved unable to win.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::iter;

use rayon::prelude::*;

use super::cutoff::{Cutoff, SHORT, TREE_MAX};
use super::entries::Entries;
use super::lcs::Pattern;
use super::listing::{Indexed, Met, Probe};
use super::meetings::Meetings;
use super::rouge_l::f1;
use super::signature::{Brief, Folded};
use super::tokenize::Tokenizer;
use super::tree::Tree;
use super::vocabulary::{Item, Placed, Vocabulary, placed};
use super::{NoveltyIndex, Similar, admit_in_turn};

/// Entries of up to [`TREE_MAX`] tokens are found through a [`Tree`], those of fewer than [`SHORT`]
/// through [`Meetings`]; longer ones are laid beside a text one by one, with their signatures first.
#[derive(Debug)]
pub(super) struct RougeLIndex {
    tokenizer: Tokenizer,
    texts: Texts,
    tree: Tree,
    meetings: Meetings,
    /// Entries by their number of tokens, those without tokens left out.
    by_length: BTreeMap<usize, Vec<u32>>,
}

/// What is known of the entries.
#[derive(Debug)]
struct Texts {
    cutoff: Cutoff,
    vocabulary: Vocabulary,
    entries: Entries,
}

impl Texts {
    /// An entry of the tree, as the tree was told of it.
    fn describe(&self, entry: u32) -> Indexed<'_> {
        let items =
            self.vocabulary.items(placed(self.entries.tokens(entry).iter().copied().map(Some)));
        Indexed::new(entry, items, &self.cutoff).expect("the tree was told of it")
    }
}

/// Texts of fewer bytes together are compared sooner than handed to other threads. In tests few are
/// to be enough.
const PARALLEL_FROM_BYTES: usize = if cfg!(test) { 64 } else { 1 << 14 };

thread_local! {
    /// Kept between texts: it counts over all entries.
    static MET: RefCell<Met> = RefCell::default();
}

/// A text to be judged.
struct Query {
    /// Its tokens in order; `None` for one that no entry has.
    tokens: Vec<Option<Item>>,
    /// The spellings of the unknown tokens, in order.
    unknown: Vec<Box<str>>,
    /// Its items that occur in entries, rarest first.
    items: Vec<Placed>,
    pattern: OnceCell<Pattern>,
    signature: OnceCell<Folded>,
}

impl Query {
    fn len(&self) -> usize {
        self.tokens.len()
    }

    /// As [`Pattern::lcs`].
    fn lcs(&self, tokens: &[Item], needed: usize) -> usize {
        self.pattern.get_or_init(|| Pattern::new(&self.tokens)).lcs(tokens, needed)
    }

    fn may_share(&self, needed: usize, signature: &[u64], len: usize) -> bool {
        let folded = || Folded::new(&self.items, self.len());
        self.signature.get_or_init(folded).may_share(needed, signature, len)
    }
}

impl RougeLIndex {
    pub(super) fn new(tokenizer: Tokenizer, threshold: f64) -> Self {
        Self {
            tokenizer,
            texts: Texts {
                cutoff: Cutoff::new(threshold),
                vocabulary: Vocabulary::default(),
                entries: Entries::default(),
            },
            tree: Tree::default(),
            meetings: Meetings::default(),
            by_length: BTreeMap::new(),
        }
    }

    fn query(&self, text: &str) -> Query {
        let (mut tokens, mut unknown) = (Vec::new(), Vec::new());
        self.tokenizer.for_each_token(text, |token| {
            let item = self.texts.vocabulary.get(token);
            if item.is_none() {
                unknown.push(token.into());
            }
            tokens.push(item);
        });
        let items = self.texts.vocabulary.items(placed(tokens.iter().copied()));
        Query { tokens, unknown, items, pattern: OnceCell::new(), signature: OnceCell::new() }
    }

    /// The most similar of the entries from `first` on that the text is a duplicate of.
    fn duplicate_of(&self, query: &Query, first: u32) -> Option<Similar> {
        let mut best = None;
        let row = self.texts.cutoff.row(query.len());
        let probe = Probe {
            items: &query.items,
            len: query.len(),
            row: &row,
            signature: Brief::new(&query.items),
            first,
        };
        MET.with_borrow_mut(|met| {
            self.tree.find(&probe, met);
            self.meetings.find(&probe, met);
            met.candidates.sort_unstable();
            met.candidates.dedup();
            for entry in met.candidates.drain(..) {
                let needed = usize::from(row.needed[self.texts.entries.len_of(entry)]);
                self.compare(query, entry, needed, &mut best);
            }
        });
        for (len, entries) in self.by_length.range(SHORT..) {
            let Some(needed) = self.texts.cutoff.needed(query.len(), *len) else { continue };
            for entry in entries.iter().filter(|entry| **entry >= first) {
                self.compare(query, *entry, needed, &mut best);
            }
        }
        best
    }

    /// Makes an entry the best if it shares at least `needed` tokens in order and scores higher than
    /// the best so far; entries come in any order.
    fn compare(&self, query: &Query, entry: u32, needed: usize, best: &mut Option<Similar>) {
        let entries = &self.texts.entries;
        let tokens = entries.tokens(entry);
        if query.may_share(needed, entries.signature(entry), tokens.len()) {
            let lcs = query.lcs(tokens, needed);
            let found = Similar { entry, score: f1(lcs, query.len(), tokens.len()) };
            if lcs >= needed && best.is_none_or(|best| found.is_before(best)) {
                *best = Some(found);
            }
        }
    }

    fn add(&mut self, query: Query) -> u32 {
        let mut unknown = query.unknown.iter();
        let number = |token: &Option<Item>| {
            token.or_else(|| unknown.next().map(|spelling| self.texts.vocabulary.number(spelling)))
        };
        let tokens: Vec<Item> = query.tokens.iter().filter_map(number).collect();
        let mut items = query.items;
        if items.len() < tokens.len() {
            items = self.texts.vocabulary.number_items(placed(tokens.iter().copied().map(Some)));
        }
        let entry = self.texts.entries.push(&tokens, &items);
        if tokens.is_empty() {
            return entry;
        }
        self.by_length.entry(tokens.len()).or_default().push(entry);
        self.list(entry, items);
        entry
    }

    fn list(&mut self, entry: u32, items: Vec<Placed>) {
        if items.len() < SHORT
            && let Some(indexed) = Indexed::new(entry, items, &self.texts.cutoff)
        {
            if indexed.items.len() <= TREE_MAX {
                self.tree.insert(&indexed, &|entry| self.texts.describe(entry));
            } else {
                self.meetings.insert(&indexed);
            }
        }
    }

    /// The groups of entries with the highest score that any of them could have, the highest first.
    ///
    /// That bound is highest for entries as long as the text has known tokens and falls on both
    /// sides, so the groups are visited outwards from there.
    fn most_promising_first(&self, query: &Query) -> impl Iterator<Item = (f64, usize, &[u32])> {
        let known = query.items.len();
        let bounded = move |(&len, entries)| {
            let entries: &Vec<u32> = entries;
            (f1(known.min(len), query.len(), len), len, &entries[..])
        };
        let mut shorter = self.by_length.range(..known).rev().map(bounded).peekable();
        let mut longer = self.by_length.range(known..).map(bounded).peekable();
        iter::from_fn(move || match (shorter.peek(), longer.peek()) {
            (Some((a, ..)), Some((b, ..))) if a > b => shorter.next(),
            (Some(_), None) => shorter.next(),
            _ => longer.next(),
        })
    }
}

impl NoveltyIndex for RougeLIndex {
    fn len(&self) -> usize {
        self.texts.entries.len()
    }

    fn insert(&mut self, text: &str) -> u32 {
        let query = self.query(text);
        self.add(query)
    }

    fn duplicate_of(&self, text: &str) -> Option<Similar> {
        self.duplicate_of(&self.query(text), 0)
    }

    fn admit(&mut self, text: &str) -> Result<u32, Similar> {
        let query = self.query(text);
        match self.duplicate_of(&query, 0) {
            Some(similar) => Err(similar),
            None => Ok(self.add(query)),
        }
    }

    fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Similar>> {
        if texts.iter().map(|text| text.len()).sum::<usize>() < PARALLEL_FROM_BYTES {
            return admit_in_turn(texts.iter(), most, |text| self.admit(text));
        }
        let first = number(self.len());
        let found: Vec<Option<Similar>> =
            texts.par_iter().map(|text| self.duplicate_of(&self.query(text), 0)).collect();
        admit_in_turn(texts.iter().zip(found), most, |(text, found)| {
            // What was compared in parallel has not been compared with its predecessors here.
            let query = self.query(text);
            let among_these = self.duplicate_of(&query, first);
            let similar = found.filter(|f| among_these.is_none_or(|a| !a.is_before(*f)));
            match similar.or(among_these) {
                Some(similar) => Err(similar),
                None => Ok(self.add(query)),
            }
        })
    }

    fn most_similar(&self, text: &str, count: usize) -> Vec<Similar> {
        let query = self.query(text);
        let mut best: Vec<Similar> = Vec::new();
        for (bound, len, entries) in self.most_promising_first(&query) {
            let mut bar = Bar::new(&best, count, &query, len);
            // At an equal bound an entry inserted earlier could still take the place.
            if count == 0 || bound < bar.score {
                break;
            }
            for &entry in entries {
                if !query.may_share(bar.needed, self.texts.entries.signature(entry), len) {
                    continue;
                }
                let lcs = query.lcs(self.texts.entries.tokens(entry), bar.needed);
                let found = Similar { entry, score: f1(lcs, query.len(), len) };
                if lcs >= bar.needed {
                    let place = best.partition_point(|other| other.is_before(found));
                    best.insert(place, found);
                    best.truncate(count);
                    bar = Bar::new(&best, count, &query, len);
                }
            }
        }
        best
    }
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("memory ends before 2^32 texts")
}

/// What an entry of one length needs to be among the most similar.
struct Bar {
    /// The score that it must equal.
    score: f64,
    /// The longest common subsequence that gives so much.
    needed: usize,
}

impl Bar {
    fn new(best: &[Similar], count: usize, query: &Query, len: usize) -> Self {
        let score = if best.len() < count { 0.0 } else { best.last().map_or(0.0, |b| b.score) };
        let longest = query.items.len().min(len);
        let (mut low, mut high) = (1, longest + 1);
        while low < high {
            let middle = low.midpoint(high);
            if f1(middle, query.len(), len) >= score { high = middle } else { low = middle + 1 }
        }
        Self { score, needed: low }
    }
}
