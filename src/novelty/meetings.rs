//! An inverted index of long texts, which are to be met several times.
//!
//! Like a [`Tree`](super::tree::Tree) it lists an entry under its rarest items, but long texts have too
//! many of those to split lists by the next item. Instead, of two texts with `m` and `n` items that
//! share at least `o`, at least `k` shared ones are among the first `m - o + k` of one and the first
//! `n - o + k` of the other: so they are to be met `k` times.

use super::cutoff::{MEETING_CLASSES, meeting_class};
use super::listing::{Indexed, Listed, Met, Probe};
use super::postings::{List, Lists, Posting};

/// Lists shorter than this are not split by length. In tests few entries are to be enough.
const SPLIT_BY_LENGTH_FROM: usize = if cfg!(test) { 8 } else { 1_024 };

#[derive(Debug, Default)]
pub(super) struct Meetings {
    /// By item.
    roots: Vec<Node>,
    by_length: Vec<[Node; MEETING_CLASSES]>,
    lists: Lists<Meeting>,
    /// One more than the highest entry.
    entries: usize,
}

/// An entry in a list.
#[derive(Debug, Clone, Copy, Default)]
struct Meeting {
    entry: u32,
    len: u8,
    longest_partner: u8,
    place: u8,
}

impl Posting for Meeting {
    fn longest_partner(&self) -> u8 {
        self.longest_partner
    }
}

/// The entries with an item in common, and perhaps about the same length.
#[derive(Debug, Clone, Copy, Default)]
enum Node {
    #[default]
    Empty,
    List(List<Meeting>),
    /// Split by length; the number tells where it is in `by_length`.
    Lengths(u32),
}

impl Meetings {
    pub(super) fn insert(&mut self, entry: &Indexed<'_>) {
        self.entries = self.entries.max(entry.entry as usize + 1);
        for rank in 0..entry.ranks(1) {
            let listed = Listed { rank, depth: 1 };
            let meeting = Meeting {
                entry: entry.entry,
                len: entry.len(),
                longest_partner: entry.longest_partner(listed),
                place: entry.place(listed),
            };
            let item = entry.items[rank].item as usize;
            if self.roots.len() <= item {
                self.roots.resize(item + 1, Node::Empty);
            }
            let root = &mut self.roots[item];
            if let Node::Lengths(split) = root {
                self.by_length[*split as usize][meeting_class(entry.items.len())]
                    .push(meeting, &mut self.lists);
            } else if root.push(meeting, &mut self.lists) >= SPLIT_BY_LENGTH_FROM {
                self.split_by_length(item);
            }
        }
    }

    /// Replaces a list by lists of entries of about one length.
    fn split_by_length(&mut self, item: usize) {
        let split = u32::try_from(self.by_length.len()).expect("memory ends before 2^32 nodes");
        let mut nodes = [Node::Empty; MEETING_CLASSES];
        if let Node::List(list) = std::mem::replace(&mut self.roots[item], Node::Lengths(split)) {
            for meeting in self.lists.get(&list).to_vec() {
                nodes[meeting_class(usize::from(meeting.len))].push(meeting, &mut self.lists);
            }
            self.lists.release(&list);
        }
        self.by_length.push(nodes);
    }

    /// Finds every entry that shares as many items with the text as it needs to, and some others.
    pub(super) fn find(&self, probe: &Probe<'_>, met: &mut Met) {
        let Some(least) = probe.row.least_in_meetings() else { return };
        for (rank, placed) in probe.items.iter().enumerate() {
            let most_shared = probe.most_shared(Listed { rank, depth: 1 });
            if most_shared < least {
                break;
            }
            match self.roots.get(placed.item as usize) {
                Some(Node::List(list)) => self.scan(probe, list, rank, met),
                Some(Node::Lengths(split)) => {
                    let nodes = &self.by_length[*split as usize];
                    for (node, needed) in nodes.iter().zip(&probe.row.meetings) {
                        if let Node::List(list) = node
                            && usize::from(*needed) <= most_shared
                        {
                            self.scan(probe, list, rank, met);
                        }
                    }
                }
                Some(Node::Empty) | None => {}
            }
        }
        met.take_hits(probe.row.hits_wanted);
    }

    #[expect(clippy::needless_bitwise_bool, reason = "a branch that cannot be foreseen costs more")]
    fn scan(&self, probe: &Probe<'_>, list: &List<Meeting>, rank: usize, met: &mut Met) {
        let list = self.lists.get(list);
        let reach = probe.reach(rank);
        // Of those that are needed, this is the first but one, two, ... at the latest.
        let most_needed =
            probe.most_shared(Listed { rank, depth: 1 }) + usize::from(probe.row.hits_wanted) - 1;
        let partner = probe.partner();
        let possible = list.iter().take_while(|meeting| meeting.longest_partner >= partner);
        let hits = possible.map(|meeting| {
            let needed = probe.row.needed[usize::from(meeting.len)];
            let counts = (usize::from(needed) <= most_needed)
                & (meeting.entry >= probe.first)
                & reach.allows(needed, meeting.place, meeting.len);
            (meeting.entry, counts)
        });
        met.reserve(self.entries, list.len());
        met.hit_each(hits);
    }
}

impl Node {
    /// Adds to a list. Returns its length if it has just filled its block, 0 otherwise.
    fn push(&mut self, meeting: Meeting, lists: &mut Lists<Meeting>) -> usize {
        if let Self::List(list) = self {
            if lists.push(list, meeting) { list.len() } else { 0 }
        } else {
            *self = Self::List(List::One(meeting));
            0
        }
    }
}
