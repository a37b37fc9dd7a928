//! Packed texts: many short strings in few large allocations.

/// How many bytes of text one chunk holds.
///
/// A chunk is allocated whole, so this is also the most memory that waits unused. Text that grows
/// in one `String` would have up to half of its memory unused, and twice as much while it moves.
const CHUNK_BYTES: usize = 1 << 20;

/// Triples of texts, in order, in chunks that never move.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    /// The number of its first triple.
    first: u64,
    text: String,
    /// Where each text ends in `text`, three a triple. Each text starts where the one before ends.
    ends: Vec<u32>,
}

impl Chunk {
    fn new(first: u64, bytes: usize) -> Self {
        Self { first, text: String::with_capacity(bytes), ends: Vec::new() }
    }

    fn len(&self) -> usize {
        self.ends.len() / 3
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.text.capacity() - self.text.len() >= bytes
    }

    fn push(&mut self, texts: [&str; 3]) {
        for text in texts {
            self.text.push_str(text);
            let end = u32::try_from(self.text.len())
                .expect("a chunk holds 1 MiB, or one task that is short enough for an example");
            self.ends.push(end);
        }
    }

    fn get(&self, index: usize) -> Option<[&str; 3]> {
        let at = index.checked_mul(3)?;
        let text = |n: usize| {
            let start = n.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before))?;
            self.text.get(*start as usize..*self.ends.get(n)? as usize)
        };
        Some([text(at)?, text(at + 1)?, text(at + 2)?])
    }
}

impl Arena {
    /// How many triples there are.
    pub(super) fn len(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.first + chunk.len() as u64)
    }

    /// Adds a triple and gives its number, from 0. Together the texts must be below 4 GiB.
    pub(super) fn push(&mut self, texts: [&str; 3]) -> u64 {
        let number = self.len();
        let bytes = texts.iter().map(|text| text.len()).sum();
        if !self.chunks.last().is_some_and(|chunk| chunk.has_room_for(bytes)) {
            if let Some(full) = self.chunks.last_mut() {
                full.ends.shrink_to_fit();
            }
            self.chunks.push(Chunk::new(number, bytes.max(CHUNK_BYTES)));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(texts);
        }
        number
    }

    /// The n-th triple, from 0.
    pub(super) fn get(&self, number: u64) -> Option<[&str; 3]> {
        let after = self.chunks.partition_point(|chunk| chunk.first <= number);
        let chunk = self.chunks.get(after.checked_sub(1)?)?;
        chunk.get(usize::try_from(number - chunk.first).ok()?)
    }

    /// Bytes allocated, those waiting for more text included.
    #[cfg(test)]
    fn allocated_bytes(&self) -> usize {
        let chunk = |c: &Chunk| c.text.capacity() + c.ends.capacity() * size_of::<u32>();
        self.chunks.capacity() * size_of::<Chunk>() + self.chunks.iter().map(chunk).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_little_more_than_the_text() {
        let mut arena = Arena::default();
        let (instruction, output) = ("i".repeat(60), "o".repeat(180));
        let mut text_bytes = 0;
        for _ in 0..100_000 {
            arena.push([&instruction, "", &output]);
            text_bytes += instruction.len() + output.len();
        }
        assert_eq!(arena.len(), 100_000);
        let allocated = arena.allocated_bytes();
        assert!(allocated * 10 < text_bytes * 12, "{allocated} bytes for {text_bytes} of text");
    }

    #[test]
    fn a_triple_larger_than_a_chunk_fits() {
        let mut arena = Arena::default();
        let large = "x".repeat(CHUNK_BYTES + 1);
        arena.push(["a", "b", "c"]);
        arena.push(["", &large, ""]);
        arena.push(["d", "", "e"]);
        assert_eq!(arena.get(0), Some(["a", "b", "c"]));
        assert_eq!(arena.get(1), Some(["", &*large, ""]));
        assert_eq!(arena.get(2), Some(["d", "", "e"]));
        assert_eq!(arena.get(3), None);
    }

    proptest! {
        #[test]
        fn gives_back_what_was_pushed(
            triples in prop::collection::vec(prop::array::uniform3(".{0,12}"), 0..40),
            repeats in 1_usize..400,
        ) {
            let mut arena = Arena::default();
            // Repeated, so that several chunks are filled.
            let stretched: Vec<[String; 3]> =
                triples.iter().map(|t| t.clone().map(|text| text.repeat(repeats))).collect();
            for (n, [a, b, c]) in stretched.iter().enumerate() {
                prop_assert_eq!(arena.push([a, b, c]), n as u64);
            }
            for (n, [a, b, c]) in stretched.iter().enumerate() {
                prop_assert_eq!(arena.get(n as u64), Some([&**a, &**b, &**c]));
            }
            prop_assert_eq!(arena.get(triples.len() as u64), None);
        }
    }
}
