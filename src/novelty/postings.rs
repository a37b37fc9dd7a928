//! Many short lists in few large allocations.

use std::hint;

/// Bytes that come from memory together, on most processors.
const CACHE_LINE: usize = 64;

/// One entry in a list.
pub(super) trait Posting: Copy + Default {
    /// The longest text of which the entry can be a duplicate when the item of this list is the
    /// rarest they share; 255 for that and all longer ones.
    fn longest_partner(&self) -> u8;
}

/// A list, as its owner keeps it; the contents are in [`Lists`].
#[derive(Debug, Clone, Copy)]
pub(super) enum List<P> {
    /// Most lists have a single posting.
    One(P),
    /// `len` postings in a block of the class whose blocks just hold them.
    Block { number: u32, len: u32 },
}

/// The contents of all lists with more than one posting.
///
/// Blocks of one size are kept together, so that a list that has moved to a larger block leaves
/// room for another.
#[derive(Debug)]
pub(super) struct Lists<P> {
    /// Blocks of 2, 4, 8, ... postings.
    classes: Vec<Class<P>>,
}

#[derive(Debug)]
struct Class<P> {
    postings: Vec<P>,
    free: Vec<u32>,
}

impl<P> Default for Lists<P> {
    fn default() -> Self {
        Self { classes: Vec::new() }
    }
}

impl<P> Default for Class<P> {
    fn default() -> Self {
        Self { postings: Vec::new(), free: Vec::new() }
    }
}

impl<P> List<P> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Block { len, .. } => *len as usize,
        }
    }
}

impl<P: Posting> Lists<P> {
    pub(super) fn get<'a>(&'a self, list: &'a List<P>) -> &'a [P] {
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
    pub(super) fn push(&mut self, list: &mut List<P>, posting: P) -> bool {
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
            let at = before.partition_point(|p| p.longest_partner() >= posting.longest_partner());
            postings.copy_within(at..len as usize, at + 1);
            postings[at] = posting;
        }
        (len + 1).is_power_of_two()
    }

    /// Gives up a list; its block is free afterwards.
    pub(super) fn release(&mut self, list: &List<P>) {
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
            postings.resize(grown, P::default());
            u32::try_from(number).expect("memory ends before 2^32 blocks")
        })
    }
}

/// Reads from every cache line of a list, so that several lists are fetched from memory together
/// before the first of them is looked through.
pub(super) fn touch<P: Posting>(list: &[P]) {
    for posting in list.iter().step_by(CACHE_LINE / size_of::<P>()) {
        hint::black_box(posting.longest_partner());
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

    /// An entry and its longest partner.
    #[derive(Debug, Clone, Copy, Default)]
    struct Plain(u32, u8);

    impl Posting for Plain {
        fn longest_partner(&self) -> u8 {
            self.1
        }
    }

    proptest! {
        #[test]
        fn lists_keep_what_they_were_given(pushes in vec(0_usize..7, 1..600), released in 0_usize..7) {
            let mut lists = Lists::default();
            let mut kept: Vec<Option<List<Plain>>> = vec![None; 7];
            let mut expected: Vec<Vec<u32>> = vec![Vec::new(); 7];
            for (entry, which) in (0..).zip(pushes) {
                if entry == 300 && let Some(list) = kept[released].take() {
                    lists.release(&list);
                    expected[released].clear();
                }
                match &mut kept[which] {
                    Some(list) => {
                        let filled = lists.push(list, Plain(entry, 0));
                        prop_assert_eq!(filled, (expected[which].len() + 1).is_power_of_two());
                    }
                    none => *none = Some(List::One(Plain(entry, 0))),
                }
                expected[which].push(entry);
            }
            for (list, expected) in kept.iter().zip(expected) {
                let found = list.as_ref().map_or(&[][..], |list| lists.get(list));
                prop_assert_eq!(found.iter().map(|p| p.0).collect::<Vec<_>>(), expected);
            }
        }
    }
}
