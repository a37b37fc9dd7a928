//! Embeddings that are made up: texts with the same words and runs of letters are near each other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::random::{Salt, stream};

/// Dimensions when the request names none.
const DEFAULT_DIMENSIONS: u64 = 256;
const MOST_DIMENSIONS: u64 = 8_192;
/// Texts in a request, at most, as OpenAI allows.
const MOST_TEXTS: usize = 2_048;
/// What a word counts beside one of its runs of letters.
const WORD_WEIGHT: f32 = 2.0;
/// Letters in a run.
const RUN: usize = 4;

/// How the vectors of a request are to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    dimensions: usize,
    base64: bool,
}

/// Reads the texts of a request and the form that it asks for, or says what is wrong.
pub(super) fn read(object: &Map<String, Value>) -> Result<(Vec<String>, Form), &'static str> {
    let text = |text: &Value| text.as_str().map(str::to_owned);
    let texts = match object.get("input") {
        Some(Value::Array(texts)) => texts.iter().map(text).collect(),
        Some(one) => text(one).map(|text| vec![text]),
        None => None,
    };
    let texts: Vec<String> = texts.ok_or("'input' must be a text or a list of texts")?;
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Err("'input' must have from 1 to 2048 texts");
    }
    if texts.iter().any(String::is_empty) {
        return Err("'input' cannot have an empty text");
    }
    let dimensions = object.get("dimensions").and_then(Value::as_u64);
    let dimensions = dimensions.unwrap_or(DEFAULT_DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    let dimensions = usize::try_from(dimensions).unwrap_or(1);
    let base64 = object.get("encoding_format").is_some_and(|format| format == "base64");
    Ok((texts, Form { dimensions, base64 }))
}

/// The vectors of texts in their order, each with its number.
pub(super) fn data(texts: &[String], form: Form) -> Value {
    let datum = |(index, text): (usize, &String)| {
        let vector = vector(text, form.dimensions);
        let embedding = if form.base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    texts.iter().enumerate().map(datum).collect()
}

/// The sum of random directions, one for each word and each run of letters in it.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        add(&mut sum, word, WORD_WEIGHT);
        let letters: Vec<char> = word.chars().collect();
        for run in letters.windows(RUN) {
            add(&mut sum, &String::from_iter(run), 1.0);
        }
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        for number in &mut sum {
            *number /= length;
        }
    } else {
        // Nothing but signs: some direction all the same, as models give.
        sum[0] = 1.0;
    }
    sum
}

/// Adds the direction of a piece of text.
fn add(sum: &mut [f32], piece: &str, weight: f32) {
    // FNV-1a (Fowler, Noll and Vo): the same on every machine.
    let hash = piece.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = stream(0, Salt::Direction, hash);
    for number in sum {
        *number += weight * (random.f32() - 0.5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let (a, b) = (vector(a, 256), vector(b, 256));
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_with_the_same_words_are_near() {
        let text = "Explain in one sentence why the sky looks blue.";
        assert!(cosine(text, text) > 0.999);
        assert!(cosine(text, "Why the sky looks blue: explain in one sentence") > 0.99);
        assert!(cosine(text, "Explain in two sentences why the sky looks blue.") > 0.7);
        assert!(cosine(text, "List three common household pets") < 0.3);
        assert!(cosine("?!", "...") > 0.999);
    }

    #[test]
    fn requests_are_read_and_mistakes_named() {
        let read = |value: Value| {
            read(value.as_object().unwrap())
                .map(|(texts, form)| (texts.len(), form.dimensions, form.base64))
        };
        assert_eq!(read(json!({"input": "a"})), Ok((1, 256, false)));
        let full = json!({"input": ["a", "b"], "dimensions": 8, "encoding_format": "base64"});
        assert_eq!(read(full), Ok((2, 8, true)));
        for bad in [json!({}), json!({"input": []}), json!({"input": [""]}), json!({"input": [1]})]
        {
            assert!(read(bad).is_err());
        }
        assert!(read(json!({"input": vec!["a"; 2_049]})).is_err());
    }
}
