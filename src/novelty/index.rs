//! The exact ROUGE-L index: every entry is either compared or proved unable to win.

use std::collections::{BTreeMap, HashMap};
use std::iter;

use super::lcs::Pattern;
use super::rouge_l::f1;
use super::signature::Signature;
use super::tokenize::Tokenizer;
use super::{Finding, NoveltyIndex};

/// Entries grouped by their number of tokens.
///
/// A text is compared with the groups of the most promising lengths first. What it meets there
/// bounds the rest from below: a group is left out when even a full match would score less than
/// the best so far, an entry when its [`Signature`] shows that it shares too few tokens.
#[derive(Debug)]
pub(super) struct RougeLIndex {
    tokenizer: Tokenizer,
    threshold: f64,
    /// The number of every token met in an entry.
    vocabulary: HashMap<Box<str>, u32>,
    /// Entries by their number of tokens; those without tokens are in none.
    groups: BTreeMap<usize, Group>,
    len: usize,
}

/// Entries with the same number of tokens, in order of insertion.
#[derive(Debug, Default)]
struct Group {
    entries: Vec<u32>,
    signatures: Vec<Signature>,
    /// The tokens of all entries, one entry after the other.
    tokens: Vec<u32>,
}

/// A text to be judged.
struct Query {
    pattern: Pattern,
    signature: Signature,
    /// How many tokens it has.
    len: usize,
    /// How many of them occur in some entry: the longest common subsequence possible.
    known: usize,
}

/// The best entry so far and its score.
type Best = Option<(u32, f64)>;

impl RougeLIndex {
    pub(super) fn new(tokenizer: Tokenizer, threshold: f64) -> Self {
        Self { tokenizer, threshold, vocabulary: HashMap::new(), groups: BTreeMap::new(), len: 0 }
    }

    /// The number of a token, new if it has none yet.
    fn intern(&mut self, token: &str) -> u32 {
        if let Some(id) = self.vocabulary.get(token) {
            return *id;
        }
        let id = number(self.vocabulary.len());
        self.vocabulary.insert(token.into(), id);
        id
    }

    fn query(&self, text: &str) -> Query {
        let mut tokens = Vec::new();
        self.tokenizer
            .for_each_token(text, |token| tokens.push(self.vocabulary.get(token).copied()));
        let mut known: Vec<u32> = tokens.iter().copied().flatten().collect();
        known.sort_unstable();
        Query {
            pattern: Pattern::new(&tokens),
            signature: Signature::new(&known),
            len: tokens.len(),
            known: known.len(),
        }
    }

    /// The groups with the highest score that any of their entries could have, the highest first.
    ///
    /// That bound is highest for entries as long as the text has known tokens and falls on both
    /// sides, so the groups are visited outwards from there.
    fn most_promising_first(&self, query: &Query) -> impl Iterator<Item = (f64, usize, &Group)> {
        let bounded = |(&len, group)| (f1(query.known.min(len), query.len, len), len, group);
        let mut shorter = self.groups.range(..query.known).rev().map(bounded).peekable();
        let mut longer = self.groups.range(query.known..).map(bounded).peekable();
        iter::from_fn(move || match (shorter.peek(), longer.peek()) {
            (Some((a, ..)), Some((b, ..))) if a > b => shorter.next(),
            (Some(_), None) => shorter.next(),
            _ => longer.next(),
        })
    }
}

impl NoveltyIndex for RougeLIndex {
    fn len(&self) -> usize {
        self.len
    }

    fn insert(&mut self, text: &str) -> u32 {
        let mut spelled = Vec::new();
        self.tokenizer.for_each_token(text, |token| spelled.push(Box::<str>::from(token)));
        let tokens: Vec<u32> = spelled.iter().map(|token| self.intern(token)).collect();
        let entry = number(self.len);
        if !tokens.is_empty() {
            self.groups.entry(tokens.len()).or_default().push(entry, tokens);
        }
        self.len += 1;
        entry
    }

    fn check(&self, text: &str) -> Finding {
        let query = self.query(text);
        let mut best = None;
        for (bound, len, group) in self.most_promising_first(&query) {
            // At an equal bound an entry inserted earlier could still take the lead.
            if best.is_some_and(|(_, score)| bound < score) {
                break;
            }
            best = group.improve(best, &query, len);
        }
        Finding { duplicate: best.is_some_and(|(_, score)| score > self.threshold), nearest: best }
    }
}

impl Group {
    fn push(&mut self, entry: u32, mut tokens: Vec<u32>) {
        self.entries.push(entry);
        self.tokens.extend_from_slice(&tokens);
        tokens.sort_unstable();
        self.signatures.push(Signature::new(&tokens));
    }

    /// The best of `best` and the group's entries, each of `len` tokens.
    fn improve(&self, mut best: Best, query: &Query, len: usize) -> Best {
        let mut bar = Bar::new(best, query, len);
        let entries = self.entries.iter().zip(&self.signatures).zip(self.tokens.chunks_exact(len));
        for ((&entry, signature), tokens) in entries {
            let needed = bar.for_entry(entry);
            if query.signature.shared_at_most(signature) < needed {
                continue;
            }
            let lcs = query.pattern.lcs(tokens);
            if lcs >= needed {
                best = Some((entry, f1(lcs, query.len, len)));
                bar = Bar::new(best, query, len);
            }
        }
        best
    }
}

/// The longest common subsequences with which an entry of one length takes the lead.
struct Bar {
    /// Entries before this one lead already with an equal score.
    leader: u32,
    to_equal: usize,
    to_exceed: usize,
}

impl Bar {
    fn new(best: Best, query: &Query, len: usize) -> Self {
        let Some((leader, score)) = best else {
            return Self { leader: 0, to_equal: 1, to_exceed: 1 };
        };
        let longest = query.known.min(len);
        let score_of = |lcs| f1(lcs, query.len, len);
        let to_equal = first_where(longest, |lcs| score_of(lcs) >= score);
        // Scores of one length are all different, so at most one LCS equals the best score.
        let to_exceed = to_equal + usize::from(score_of(to_equal) <= score);
        Self { leader, to_equal, to_exceed }
    }

    fn for_entry(&self, entry: u32) -> usize {
        if entry < self.leader { self.to_equal } else { self.to_exceed }
    }
}

/// The smallest number from 1 to `last` for which `holds`, or `last + 1`, when it holds for all
/// numbers from some point on.
fn first_where(last: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// An entry's or token's number.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("memory ends before four thousand million texts or tokens")
}
