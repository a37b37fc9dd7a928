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

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::cutoff::{TREE_CLASSES, tree_class};
use super::listing::{Indexed, Listed, Met, Probe};
use super::postings::{List, Lists, Posting, touch};
use super::signature::Brief;
use super::vocabulary::Item;

/// Lists shorter than this are not split by length. In tests few entries are to be enough.
const SPLIT_BY_LENGTH_FROM: usize = if cfg!(test) { 8 } else { 1_024 };

/// Lists of about one length shorter than this are not split by item.
const SPLIT_BY_ITEM_FROM: usize = if cfg!(test) { 4 } else { 512 };

#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By item.
    roots: Vec<Node>,
    by_length: Vec<[Node; TREE_CLASSES]>,
    /// By number of the split and next item.
    by_item: HashTable<(u32, Item, Node)>,
    hasher: DefaultHashBuilder,
    /// For each split by item the entries that stayed.
    rests: Vec<Node>,
    lists: Lists<Shared>,
}

/// One entry in a list, with what rules most entries out before their text is looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Shared {
    entry: u32,
    signature: Brief,
}

impl Posting for Shared {
    fn longest_partner(&self) -> u8 {
        self.signature.longest_partner()
    }
}

/// The entries with some items in common, and perhaps about the same length.
#[derive(Debug, Clone, Copy, Default)]
enum Node {
    #[default]
    Empty,
    List(List<Shared>),
    /// Split by length; the number tells where it is in `by_length`.
    Lengths(u32),
    /// Split by the next item; the number tells where its rest is in `rests`.
    Items(u32),
}

/// Where a node is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root(Item),
    Length { split: u32, class: usize },
    Item { split: u32, item: Item },
    Rest { split: u32 },
}

/// Lists stand for no more items in common than this.
const DEPTH_MAX: usize = 3;

/// An entry that would go into more lists than this when its list is split stays in the rest.
const GOES_INTO_MAX: usize = 8;

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
            let place = Place::child(split, entry.items[rank].item);
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
        match self.push(place, Shared::new(entry, listed)) {
            Node::Lengths(split) => {
                let class = tree_class(entry.items.len());
                self.add(entry, Place::Length { split, class }, listed, describe);
            }
            Node::Items(split) => self.add_below(entry, split, listed, describe),
            Node::List(list) if matches!(place, Place::Root(_)) => {
                if list.len() >= SPLIT_BY_LENGTH_FROM {
                    self.split_by_length(place, &list);
                }
            }
            Node::List(list) => {
                if list.len() >= SPLIT_BY_ITEM_FROM && goes_below(entry, listed) {
                    let item = entry.items[listed.rank].item;
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
        if goes_below(entry, listed) {
            self.list(entry, Some(split), listed.rank + 1, listed.depth + 1, describe);
        } else {
            self.push(Place::Rest { split }, Shared::new(entry, listed));
        }
    }

    /// Adds to the list at a place. Returns what is there when more is to be done: a split, or a list
    /// whose length has just doubled.
    fn push(&mut self, place: Place, posting: Shared) -> Node {
        let Self { roots, by_length, by_item, hasher, rests, lists } = self;
        let node = match place {
            Place::Root(item) => {
                let item = item as usize;
                if roots.len() <= item {
                    roots.resize(item + 1, Node::Empty);
                }
                &mut roots[item]
            }
            Place::Length { split, class } => &mut by_length[split as usize][class],
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
    fn split_by_length(&mut self, place: Place, list: &List<Shared>) {
        let split = index(self.by_length.len());
        self.by_length.push([Node::Empty; TREE_CLASSES]);
        for posting in self.replace(place, list, Node::Lengths(split)) {
            let class = tree_class(usize::from(posting.signature.len()));
            self.push(Place::Length { split, class }, posting);
        }
    }

    /// Replaces a list by lists under the next item of its entries, if most of them would move.
    /// Its entries are listed for `item`, the `depth`-th in common.
    fn split_by_item<'a>(
        &mut self,
        place: Place,
        list: &List<Shared>,
        item: Item,
        depth: usize,
        describe: &dyn Fn(u32) -> Indexed<'a>,
    ) {
        let described = self.lists.get(list).iter().map(|posting| describe(posting.entry));
        let entries: Vec<(Indexed<'a>, Listed)> = described
            .filter_map(|entry| {
                let rank = entry.items.iter().position(|other| other.item == item)?;
                Some((entry, Listed { rank, depth }))
            })
            .collect();
        let movable = entries.iter().filter(|(entry, listed)| goes_below(entry, *listed)).count();
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

    fn replace(&mut self, place: Place, list: &List<Shared>, by: Node) -> Vec<Shared> {
        let postings = self.lists.get(list).to_vec();
        self.lists.release(list);
        match place {
            Place::Root(item) => self.roots[item as usize] = by,
            Place::Length { split, class } => {
                self.by_length[split as usize][class] = by;
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
    ///
    /// All lists are found, and fetched from memory together, before the first is looked through: one
    /// after the other, most of the time would be spent waiting for them.
    pub(super) fn find(&self, probe: &Probe<'_>, met: &mut Met) {
        let Some(least) = probe.row.least_in_tree() else { return };
        let mut lists = Vec::with_capacity(32);
        self.find_below(probe, least, None, Listed { rank: 0, depth: 1 }, &mut lists);
        let bounds = Bounds::new(probe);
        for (listed, list) in lists {
            scan(probe, &bounds, listed, list, met);
        }
    }

    fn find_below<'a>(
        &'a self,
        probe: &Probe<'_>,
        least: usize,
        split: Option<u32>,
        from: Listed,
        lists: &mut Vec<Found<'a>>,
    ) {
        for (rank, placed) in probe.items.iter().enumerate().skip(from.rank) {
            let (item, listed) = (placed.item, Listed { rank, ..from });
            if probe.most_shared(listed) < least {
                break;
            }
            let node = match split {
                None => self.roots.get(item as usize),
                Some(split) => {
                    let is_it = |node: &(u32, Item, Node)| (node.0, node.1) == (split, item);
                    let hash = self.hasher.hash_one(path(split, item));
                    self.by_item.find(hash, is_it).map(|(_, _, node)| node)
                }
            };
            if let Some(node) = node {
                self.find_in(probe, least, node, listed, lists);
            }
        }
    }

    fn find_in<'a>(
        &'a self,
        probe: &Probe<'_>,
        least: usize,
        node: &'a Node,
        listed: Listed,
        lists: &mut Vec<Found<'a>>,
    ) {
        match node {
            Node::Empty => {}
            Node::List(list) => {
                let list = self.lists.get(list);
                touch(list);
                lists.push((listed, list));
            }
            Node::Lengths(split) => {
                let most_shared = probe.most_shared(listed);
                let nodes = &self.by_length[*split as usize];
                for (node, needed) in nodes.iter().zip(&probe.row.tree) {
                    if usize::from(*needed) <= most_shared {
                        self.find_in(probe, least, node, listed, lists);
                    }
                }
            }
            Node::Items(split) => {
                self.find_in(probe, least, &self.rests[*split as usize], listed, lists);
                let next = Listed { rank: listed.rank + 1, depth: listed.depth + 1 };
                self.find_below(probe, least, Some(*split), next, lists);
            }
        }
    }
}

/// A list that was found.
type Found<'a> = (Listed, &'a [Shared]);

/// By the length of an entry, how many items only one of it and a text can have.
struct Bounds([u8; 64]);

impl Bounds {
    fn new(probe: &Probe<'_>) -> Self {
        let mut most = [0; 64];
        for (len, (most, needed)) in most.iter_mut().zip(&*probe.row.needed).enumerate() {
            let differing = (probe.items.len() + len).checked_sub(2 * usize::from(*needed));
            *most = differing.map_or(0, |differing| u8::try_from(differing).unwrap_or(u8::MAX));
        }
        Self(most)
    }

    fn of(&self, len: u8) -> u32 {
        u32::from(self.0[usize::from(len % 64)])
    }
}

fn scan(probe: &Probe<'_>, bounds: &Bounds, listed: Listed, list: &[Shared], met: &mut Met) {
    let most_shared = probe.most_shared(listed);
    let partner = probe.partner().min(63);
    for Shared { entry, signature } in list {
        if signature.longest_partner() < partner {
            break;
        }
        let len = signature.len();
        let needed = usize::from(probe.row.needed[usize::from(len)]);
        // The first alone rules nearly all of them out, so that the branch is foreseen.
        if probe.signature.differing(*signature) <= bounds.of(len)
            && *entry >= probe.first
            && needed <= most_shared
            && probe.may_share(needed, *signature, usize::from(len))
        {
            met.candidates.push(*entry);
        }
    }
}

impl Shared {
    fn new(entry: &Indexed<'_>, listed: Listed) -> Self {
        let signature = entry.signature.with(entry.len(), entry.longest_partner(listed));
        Self { entry: entry.entry, signature }
    }
}

/// Whether the entry, when a list is split by item, goes on to the lists that stand for one more
/// item in common.
///
/// Texts that have nearly all items in common stay together however often they are split, so
/// without bounds they would multiply.
fn goes_below(entry: &Indexed<'_>, listed: Listed) -> bool {
    let goes_into = entry.ranks(listed.depth + 1) - (listed.rank + 1);
    entry.fewest > listed.depth && listed.depth < DEPTH_MAX && goes_into <= GOES_INTO_MAX
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("memory ends before 2^32 nodes")
}

fn path(split: u32, item: Item) -> u64 {
    u64::from(split) << 32 | u64::from(item)
}
