//! An inverted index that splits the lists which grow long.
//!
//! Two texts that share at least `o` of their items, `m` and `n` in number, leave out at most
//! `m - o` and `n - o` of them. With the items of both in one order, rarest first, the rarest that
//! they share is therefore among the first `m - o + 1` of one and the first `n - o + 1` of the other
//! (prefix filtering: Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins in
//! data cleaning", 2006). So an entry is listed under its first items only and looked for under a
//! text's first items only.
//!
//! A list that has become long is split by the length of its entries, because `o` and with it the
//! places that count depend on both lengths. A list of entries of one length that is long again is
//! split by the next item: what holds for the rarest shared item holds for the second rarest, one
//! place later, and so on. So frequent words are split until what is left is short.
//!
//! Long texts have too many items for that. They are not split by item but must be met several
//! times: at least `k` shared items are among the first `m - o + k` and `n - o + k`.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::cutoff::{CLASSES, class_of};
use super::listing::{Indexed, Listed, Met, Probe};
use super::postings::{List, Lists, Posting};
use super::vocabulary::Item;

/// Lists shorter than this are not split by length. In tests few entries are to be enough.
const SPLIT_BY_LENGTH_FROM: usize = if cfg!(test) { 8 } else { 1_024 };

/// Lists of about one length shorter than this are not split by item.
const SPLIT_BY_ITEM_FROM: usize = if cfg!(test) { 4 } else { 512 };

#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By item.
    roots: Vec<Node>,
    by_length: Vec<[Node; CLASSES]>,
    /// By number of the split and next item.
    by_item: HashTable<(u32, Item, Node)>,
    hasher: DefaultHashBuilder,
    /// For each split by item the entries that stayed.
    rests: Vec<Node>,
    lists: Lists,
}

/// The entries with some items in common, and perhaps about the same length.
#[derive(Debug, Clone, Copy, Default)]
enum Node {
    #[default]
    Empty,
    List(List),
    /// Split by length; the number tells where it is in `by_length`.
    Lengths(u32),
    /// Split by the next item; the number tells where its rest is in `rests`.
    Items(u32),
}

/// Where a node is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root(Item),
    Length { split: u32, class: u8 },
    Item { split: u32, item: Item },
    Rest { split: u32 },
}

/// Lists stand for no more items in common than this.
pub(super) const DEPTH_MAX: usize = 3;

/// An entry that would go into more lists than this when its list is split stays in the rest.
pub(super) const GOES_INTO_MAX: usize = 8;

impl Place {
    fn child(split: Option<u32>, item: Item) -> Self {
        split.map_or(Self::Root(item), |split| Self::Item { split, item })
    }
}

impl Tree {
    /// Adds an entry. `describe` tells of an earlier entry what was told when it was added.
    pub(super) fn insert<'a>(
        &mut self,
        entry: &Indexed<'_>,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        self.list(entry, None, 0, 1, describe);
    }

    /// Lists an entry under its items from the `from`-th on, each the `depth`-th in common.
    fn list<'a>(
        &mut self,
        entry: &Indexed<'_>,
        split: Option<u32>,
        from: usize,
        depth: usize,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        for rank in from..entry.ranks(depth) {
            let place = Place::child(split, entry.items[rank]);
            self.add(entry, place, Listed { rank, depth }, describe);
        }
    }

    fn add<'a>(
        &mut self,
        entry: &Indexed<'_>,
        place: Place,
        listed: Listed,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        match self.push(place, entry.posting(listed)) {
            Node::Lengths(split) => {
                let class = class_of(entry.items.len());
                self.add(entry, Place::Length { split, class }, listed, describe);
            }
            Node::Items(split) => self.add_below(entry, split, listed, describe),
            Node::List(list) if matches!(place, Place::Root(_)) => {
                if list.len() >= SPLIT_BY_LENGTH_FROM {
                    self.split_by_length(place, &list);
                }
            }
            Node::List(list) => {
                if list.len() >= SPLIT_BY_ITEM_FROM && entry.goes_below(listed) {
                    let item = entry.items[listed.rank];
                    self.split_by_item(place, &list, item, listed.depth, describe);
                }
            }
            Node::Empty => {}
        }
    }

    fn add_below<'a>(
        &mut self,
        entry: &Indexed<'_>,
        split: u32,
        listed: Listed,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        if entry.goes_below(listed) {
            self.list(entry, Some(split), listed.rank + 1, listed.depth + 1, describe);
        } else {
            self.push(Place::Rest { split }, entry.posting(listed));
        }
    }

    /// Adds to the list at a place. Returns what is there when more is to be done: a split, or a list
    /// whose length has just doubled.
    fn push(&mut self, place: Place, posting: Posting) -> Node {
        let Self { roots, by_length, by_item, hasher, rests, lists } = self;
        let node = match place {
            Place::Root(item) => {
                let item = item as usize;
                if roots.len() <= item {
                    roots.resize(item + 1, Node::Empty);
                }
                &mut roots[item]
            }
            Place::Length { split, class } => &mut by_length[split as usize][usize::from(class)],
            Place::Rest { split } => &mut rests[split as usize],
            Place::Item { split, item } => {
                let is_it = |node: &(u32, Item, Node)| (node.0, node.1) == (split, item);
                let rehash = |node: &(u32, Item, Node)| hasher.hash_one(path(node.0, node.1));
                let entry = by_item.entry(hasher.hash_one(path(split, item)), is_it, rehash);
                &mut entry.or_insert((split, item, Node::Empty)).into_mut().2
            }
        };
        match node {
            Node::Empty => {
                *node = Node::List(List::One(posting));
                Node::Empty
            }
            Node::List(list) => {
                if lists.push(list, posting) {
                    Node::List(*list)
                } else {
                    Node::Empty
                }
            }
            split => *split,
        }
    }

    /// Replaces a list by lists of entries of about one length.
    fn split_by_length(&mut self, place: Place, list: &List) {
        let split = index(self.by_length.len());
        self.by_length.push([Node::Empty; CLASSES]);
        for posting in self.replace(place, list, Node::Lengths(split)) {
            let class = class_of(usize::from(posting.len));
            self.push(Place::Length { split, class }, posting);
        }
    }

    /// Replaces a list by lists under the next item of its entries, if most of them would move.
    /// Its entries are listed for `item`, the `depth`-th in common.
    fn split_by_item<'a>(
        &mut self,
        place: Place,
        list: &List,
        item: Item,
        depth: usize,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        let described = self.lists.get(list).iter().map(|posting| describe(posting.entry));
        let entries: Vec<(Indexed<'a>, Listed)> = described
            .filter_map(|entry| {
                let rank = entry.items.iter().position(|other| *other == item)?;
                Some((entry, Listed { rank, depth }))
            })
            .collect();
        let movable = entries.iter().filter(|(entry, listed)| entry.goes_below(*listed)).count();
        if movable * 4 < entries.len() * 3 {
            return;
        }
        let split = index(self.rests.len());
        self.rests.push(Node::Empty);
        self.replace(place, list, Node::Items(split));
        for (entry, listed) in entries {
            self.add_below(&entry, split, listed, describe);
        }
    }

    fn replace(&mut self, place: Place, list: &List, by: Node) -> Vec<Posting> {
        let postings = self.lists.get(list).to_vec();
        self.lists.release(list);
        match place {
            Place::Root(item) => self.roots[item as usize] = by,
            Place::Length { split, class } => {
                self.by_length[split as usize][usize::from(class)] = by;
            }
            Place::Rest { split } => self.rests[split as usize] = by,
            Place::Item { split, item } => {
                let is_it = |node: &(u32, Item, Node)| (node.0, node.1) == (split, item);
                let hash = self.hasher.hash_one(path(split, item));
                if let Some(node) = self.by_item.find_mut(hash, is_it) {
                    node.2 = by;
                }
            }
        }
        postings
    }

    /// Finds every entry that shares as many items with the text as it needs to, and some others.
    pub(super) fn find(&self, probe: &Probe<'_>, met: &mut Met) {
        if probe.row.fewest.is_some_and(|fewest| fewest <= probe.items.len()) {
            self.find_below(probe, None, 0, 1, met);
        }
        met.forget_hits();
    }

    fn find_below(
        &self,
        probe: &Probe<'_>,
        split: Option<u32>,
        from: usize,
        depth: usize,
        met: &mut Met,
    ) {
        for (rank, item) in probe.items.iter().enumerate().skip(from) {
            let listed = Listed { rank, depth };
            if probe.most_shared(listed) < probe.row.least_before_hits {
                break;
            }
            let node = match split {
                None => self.roots.get(*item as usize),
                Some(split) => {
                    let is_it = |node: &(u32, Item, Node)| (node.0, node.1) == (split, *item);
                    let hash = self.hasher.hash_one(path(split, *item));
                    self.by_item.find(hash, is_it).map(|(_, _, node)| node)
                }
            };
            if let Some(node) = node {
                self.find_in(probe, node, listed, met);
            }
        }
    }

    fn find_in(&self, probe: &Probe<'_>, node: &Node, listed: Listed, met: &mut Met) {
        let most_shared = probe.most_shared(listed);
        match node {
            Node::Empty => {}
            Node::List(list) => self.scan(probe, list, most_shared, met),
            Node::Lengths(split) => {
                let nodes = &self.by_length[*split as usize];
                for (node, needed) in nodes.iter().zip(&probe.row.classes) {
                    if usize::from(*needed) <= most_shared {
                        self.find_in(probe, node, listed, met);
                    }
                }
            }
            Node::Items(split) => {
                self.find_in(probe, &self.rests[*split as usize], listed, met);
                self.find_below(probe, Some(*split), listed.rank + 1, listed.depth + 1, met);
            }
        }
    }

    fn scan(&self, probe: &Probe<'_>, list: &List, most_shared: usize, met: &mut Met) {
        for posting in self.lists.get(list) {
            if usize::from(posting.longest_partner) < probe.len.min(255) {
                break;
            }
            let len = usize::from(posting.len);
            if usize::from(probe.row.before_hits[len]) > most_shared || posting.entry < probe.first
            {
                continue;
            }
            if probe.row.hits_wanted(len) > 1 {
                met.hit(posting.entry);
            } else if probe.may_share(usize::from(probe.row.needed[len]), posting) {
                met.candidates.push(posting.entry);
            }
        }
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("memory ends before 2^32 nodes")
}

fn path(split: u32, item: Item) -> u64 {
    u64::from(split) << 32 | u64::from(item)
}
