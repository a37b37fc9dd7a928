//! Embeddings: the direction that a model gives a text, in which texts of like meaning are near
//! each other.
//!
//! An embedding is kept as whole numbers, so that what is computed from it is the same on every
//! machine, in whatever order a processor adds. It takes two bytes a dimension. The rounding moves a
//! cosine by about 0.00001, far less than servers' own answers differ from call to call.

use std::fmt;

/// A unit vector, each component a multiple of 1/32,767.
///
/// The sum of the products of two embeddings' components, in any order and after any number of
/// steps, fits an `i32`: it is at most the product of the lengths, which are about 32,767.
#[derive(Clone, PartialEq, Eq)]
pub struct Embedding(Box<[i16]>);

/// Components of an embedding, at most: far more than any model gives.
const MAX_DIMENSIONS: usize = 65_536;
/// What a length of one is as a whole number.
const UNIT: f64 = 32_767.0;
/// Rounding makes a length greater by half the root of the number of components at most.
const MAX_SQUARE: i64 = 32_895 * 32_895;

/// A vector has no direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// No components, or more than any model gives.
    #[error("it has {0} components")]
    Dimensions(usize),
    /// A component is no number.
    #[error("component {0} is not a finite number")]
    NotFinite(usize),
    /// Every component is zero.
    #[error("every component is zero")]
    Zero,
}

impl Embedding {
    /// The direction of a vector of any length.
    ///
    /// # Errors
    /// [`EmbeddingError`] when it has none.
    pub fn new(components: &[f32]) -> Result<Self, EmbeddingError> {
        if components.is_empty() || components.len() > MAX_DIMENSIONS {
            return Err(EmbeddingError::Dimensions(components.len()));
        }
        if let Some(place) = components.iter().position(|number| !number.is_finite()) {
            return Err(EmbeddingError::NotFinite(place));
        }
        // One after the other, in double precision: the same on every machine.
        let square = components.iter().map(|c| f64::from(*c) * f64::from(*c)).sum::<f64>();
        let scale = UNIT / square.sqrt();
        if !scale.is_finite() {
            return Err(EmbeddingError::Zero);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 32,767 either way")]
        let whole = |component: &f32| (f64::from(*component) * scale).round() as i16;
        let embedding = Self(components.iter().map(whole).collect());
        if embedding.square() == 0 { Err(EmbeddingError::Zero) } else { Ok(embedding) }
    }

    /// How many components it has.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// The components, in units of 1/32,767.
    pub fn components(&self) -> &[i16] {
        &self.0
    }

    /// The sum of the components' squares, about 32,767².
    pub fn square(&self) -> u32 {
        square(&self.0)
    }

    /// The components as little-endian bytes, two each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|component| component.to_le_bytes()).collect()
    }

    /// What [`Self::to_bytes`] gave; `None` when the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks();
        let components: Box<[i16]> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        let square = components.iter().map(|c| i64::from(*c) * i64::from(*c)).sum::<i64>();
        let known = rest.is_empty() && components.len() <= MAX_DIMENSIONS;
        (known && (1..=MAX_SQUARE).contains(&square)).then_some(Self(components))
    }
}

/// The sum of the squares of components of an embedding.
pub fn square(components: &[i16]) -> u32 {
    components.iter().map(|c| u32::from(c.unsigned_abs()).pow(2)).sum()
}

impl fmt::Debug for Embedding {
    /// Leaves the components out: there are hundreds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({} dimensions)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_vector_without_a_direction_is_refused() {
        for (components, error) in [
            (&[][..], EmbeddingError::Dimensions(0)),
            (&[1.0, f32::NAN], EmbeddingError::NotFinite(1)),
            (&[f32::INFINITY, 0.0], EmbeddingError::NotFinite(0)),
            (&[0.0, -0.0], EmbeddingError::Zero),
        ] {
            assert_eq!(Embedding::new(components), Err(error));
        }
        let long = vec![1.0; MAX_DIMENSIONS + 1];
        assert_eq!(Embedding::new(&long), Err(EmbeddingError::Dimensions(long.len())));
    }

    #[test]
    fn the_length_does_not_count() {
        for components in [[3.0e-30, 4.0e-30], [3.0, 4.0], [3.0e37, 4.0e37]] {
            let embedding = Embedding::new(&components).unwrap();
            assert_eq!(embedding.components(), [19_660, 26_214]);
        }
    }

    #[test]
    fn bytes_that_are_no_embedding_are_refused() {
        for bytes in [&[][..], &[1], &[0, 0], &[1, 0, 1], &[0, 0x80].repeat(3)] {
            assert_eq!(Embedding::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_read_back_and_lengths_are_about_one(
            components in proptest::collection::vec(-1.0e3..1.0e3_f32, 1..600),
        ) {
            let Ok(embedding) = Embedding::new(&components) else { return Ok(()) };
            prop_assert_eq!(Embedding::from_bytes(&embedding.to_bytes()), Some(embedding.clone()));
            let length = f64::from(embedding.square()).sqrt();
            prop_assert!((length - UNIT).abs() < 13.0, "{}", length);
        }
    }
}
