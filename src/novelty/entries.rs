//! The texts of an index, as numbers, packed.

use super::signature::{fill, words_for};
use super::vocabulary::{Item, Placed};

/// Every entry's tokens in their order, and its signature.
#[derive(Debug, Default)]
pub(super) struct Entries {
    places: Vec<Place>,
    tokens: Vec<Item>,
    signatures: Vec<u64>,
}

/// Where an entry's tokens and signature begin.
#[derive(Debug, Clone, Copy)]
struct Place {
    tokens: u32,
    signature: u32,
    len: u32,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a text and returns its number.
    pub(super) fn push(&mut self, tokens: &[Item], items: &[Placed]) -> u32 {
        let number = index(self.places.len());
        self.places.push(Place {
            tokens: index(self.tokens.len()),
            signature: index(self.signatures.len()),
            len: index(tokens.len()),
        });
        self.tokens.extend_from_slice(tokens);
        let start = self.signatures.len();
        self.signatures.resize(start + words_for(tokens.len()), 0);
        fill(&mut self.signatures[start..], items);
        number
    }

    /// How many tokens an entry has.
    pub(super) fn len_of(&self, entry: u32) -> usize {
        self.places[entry as usize].len as usize
    }

    pub(super) fn tokens(&self, entry: u32) -> &[Item] {
        let place = self.places[entry as usize];
        &self.tokens[place.tokens as usize..][..place.len as usize]
    }

    pub(super) fn signature(&self, entry: u32) -> &[u64] {
        let place = self.places[entry as usize];
        &self.signatures[place.signature as usize..][..words_for(place.len as usize)]
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("an index of 2^32 tokens would need 16 GB for them alone")
}
