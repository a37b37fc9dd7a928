//! Many short lists in few large allocations.

use super::signature::Brief;

/// One entry in a list, with what rules most entries out before their text is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Posting {
    pub(super) entry: u32,
    /// How many tokens the entry has.
    pub(super) len: u8,
    /// The longest text of which the entry can be a duplicate when the item of this list is the
    /// rarest they share; 255 for that and all longer ones.
    pub(super) longest_partner: u8,
    /// The entry's [`Brief`] signature.
    pub(super) signature: Brief,
}

/// A list, as its owner keeps it; the contents are in [`Lists`].
#[derive(Debug, Clone, Copy)]
pub(super) enum List {
    /// Most lists have a single posting.
    One(Posting),
    /// `len` postings in a block of the class whose blocks just hold them.
    Block { number: u32, len: u32 },
}

/// The contents of all lists with more than one posting.
///
/// Blocks of one size are kept together, so that a list that has moved to a larger block leaves
/// room for another.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Blocks of 2, 4, 8, ... postings.
    classes: Vec<Class>,
}

#[derive(Debug, Default)]
struct Class {
    postings: Vec<Posting>,
    free: Vec<u32>,
}

impl List {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Block { len, .. } => *len as usize,
        }
    }
}

impl Lists {
    pub(super) fn get<'a>(&'a self, list: &'a List) -> &'a [Posting] {
        match list {
            List::One(posting) => std::slice::from_ref(posting),
            List::Block { number, len } => {
                let class = class_of(*len);
                &self.classes[class].postings[start(class, *number)..][..*len as usize]
            }
        }
    }

    /// Adds a posting, those with the longest partners first. Returns whether the list has just
    /// filled its block.
    pub(super) fn push(&mut self, list: &mut List, posting: Posting) -> bool {
        let len = match *list {
            List::One(first) => {
                let number = self.take(0);
                let at = start(0, number);
                self.classes[0].postings[at] = first;
                *list = List::Block { number, len: 1 };
                1
            }
            List::Block { number, len } if len.is_power_of_two() => {
                let class = class_of(len);
                let (from, to) = (start(class, number), self.take(class + 1));
                let (smaller, larger) = self.classes.split_at_mut(class + 1);
                let full = &smaller[class].postings[from..][..len as usize];
                larger[0].postings[start(class + 1, to)..][..len as usize].copy_from_slice(full);
                self.classes[class].free.push(number);
                *list = List::Block { number: to, len };
                len
            }
            List::Block { len, .. } => len,
        };
        if let List::Block { number, len: new_len } = list {
            *new_len = len + 1;
            let class = class_of(*new_len);
            let block = start(class, *number);
            let postings = &mut self.classes[class].postings[block..][..*new_len as usize];
            let before = &postings[..len as usize];
            let at = before.partition_point(|p| p.longest_partner >= posting.longest_partner);
            postings.copy_within(at..len as usize, at + 1);
            postings[at] = posting;
        }
        (len + 1).is_power_of_two()
    }

    /// Gives up a list; its block is free afterwards.
    pub(super) fn release(&mut self, list: &List) {
        if let List::Block { number, len } = *list {
            self.classes[class_of(len)].free.push(number);
        }
    }

    fn take(&mut self, class: usize) -> u32 {
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, Class::default);
        }
        let Class { postings, free } = &mut self.classes[class];
        free.pop().unwrap_or_else(|| {
            let number = postings.len() >> (class + 1);
            let grown = postings.len() + (2 << class);
            if grown > postings.capacity() {
                // Half again would waste as much as doubling saves in copying.
                postings.reserve_exact((postings.len() / 4).max(2 << class));
            }
            postings.resize(grown, Posting::default());
            u32::try_from(number).expect("memory ends before 2^32 blocks")
        })
    }
}

/// The class of the blocks that a list of `len` postings, at least one, is in.
fn class_of(len: u32) -> usize {
    len.max(2).next_power_of_two().ilog2() as usize - 1
}

fn start(class: usize, number: u32) -> usize {
    (number as usize) << (class + 1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn posting(entry: u32) -> Posting {
        Posting { entry, ..Posting::default() }
    }

    proptest! {
        #[test]
        fn lists_keep_what_they_were_given(pushes in vec(0_usize..7, 1..600), released in 0_usize..7) {
            let mut lists = Lists::default();
            let mut kept: Vec<Option<List>> = vec![None; 7];
            let mut expected: Vec<Vec<u32>> = vec![Vec::new(); 7];
            for (entry, which) in (0..).zip(pushes) {
                if entry == 300 && let Some(list) = kept[released].take() {
                    lists.release(&list);
                    expected[released].clear();
                }
                match &mut kept[which] {
                    Some(list) => {
                        let filled = lists.push(list, posting(entry));
                        prop_assert_eq!(filled, (expected[which].len() + 1).is_power_of_two());
                    }
                    none => *none = Some(List::One(posting(entry))),
                }
                expected[which].push(entry);
            }
            for (list, expected) in kept.iter().zip(expected) {
                let found = list.as_ref().map_or(&[][..], |list| lists.get(list));
                prop_assert_eq!(found.iter().map(|p| p.entry).collect::<Vec<_>>(), expected);
            }
        }
    }
}
