//! A reply of `embeddings`. It was paid for, so every field is read on its own, whatever its type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess};
use serde_json::Value;

use super::{EmbeddingsError, EmbeddingsReply};
use crate::chat::TokenUsage;
use crate::embedding::Embedding;
use crate::provider::error::ApiError;
use crate::provider::excerpt::{shorten, visible_text};
use crate::provider::json::parse_json;
use crate::provider::lenient::{FromAny, Lenient, Number, object};

/// Reads a body that should hold embeddings of so many texts, of that length if it is known.
pub(super) fn decode(body: &[u8], texts: usize, dimensions: Option<usize>) -> EmbeddingsReply {
    let reply = match read(body) {
        Ok(reply) => reply,
        Err(error) => return EmbeddingsReply { embeddings: Err(error), usage: None },
    };
    let usage = reply.usage.0.and_then(|usage| usage.tokens());
    let embeddings = embeddings(reply.data.0.unwrap_or_default(), texts, dimensions);
    EmbeddingsReply { embeddings, usage }
}

#[derive(Debug, Default, Deserialize)]
struct Reply {
    #[serde(default)]
    data: Lenient<Data>,
    #[serde(default)]
    usage: Lenient<Usage>,
}

/// The embeddings, with something else in between counted too.
#[derive(Debug, Default)]
struct Data(Vec<Option<Datum>>);

#[derive(Debug, Deserialize)]
struct Datum {
    #[serde(default)]
    index: Lenient<u64>,
    #[serde(default)]
    embedding: Lenient<Vector>,
}

/// Numbers in digits, or as base64 of little-endian 32-bit floats.
#[derive(Debug)]
struct Vector(Vec<f32>);

/// One number of a vector; something else than a number counts as NaN.
#[derive(Debug, Clone, Copy)]
struct Component(f32);

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Lenient<u64>,
    #[serde(default)]
    total_tokens: Lenient<u64>,
}

impl Usage {
    fn tokens(&self) -> Option<TokenUsage> {
        // Texts that took no token were not counted: such a usage says nothing about the bill. Where the
        // two differ, the bill may be for either.
        let input = self.prompt_tokens.0.max(self.total_tokens.0).filter(|input| *input > 0)?;
        Some(TokenUsage { input, ..TokenUsage::default() })
    }
}

impl FromAny for Reply {
    fn from_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        object(map)
    }
}

impl FromAny for Datum {
    fn from_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        object(map)
    }
}

impl FromAny for Usage {
    fn from_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        object(map)
    }
}

impl FromAny for Data {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut data = Vec::new();
        while let Some(Lenient(datum)) = list.next_element()? {
            data.push(datum);
        }
        Ok(Some(Self(data)))
    }
}

impl FromAny for Component {
    fn from_number(number: Number) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "the precision of embeddings")]
        #[expect(clippy::cast_precision_loss, reason = "the precision of embeddings")]
        Some(Self(match number {
            Number::Whole(number) => number as f32,
            Number::Other(number) => number as f32,
        }))
    }
}

impl FromAny for Vector {
    fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (floats, rest) = bytes.as_chunks();
        let floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        rest.is_empty().then_some(Self(floats))
    }

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut components = Vec::new();
        while let Some(Lenient(component)) = list.next_element()? {
            components.push(component.map_or(f32::NAN, |Component(number)| number));
        }
        Ok(Some(Self(components)))
    }
}

/// A reply without faults is read straight from its bytes; any other goes through the reader that
/// mends faults.
fn read(body: &[u8]) -> Result<Reply, EmbeddingsError> {
    let has_data = |reply: &Lenient<Reply>| reply.0.as_ref().is_some_and(|r| r.data.0.is_some());
    if let Ok(reply) = serde_json::from_slice(body)
        && has_data(&reply)
    {
        return Ok(reply.0.unwrap_or_default());
    }
    let Some(value) = parse_json(body) else {
        let text = visible_text(&String::from_utf8_lossy(body));
        let text = if text.is_empty() { "(an empty body)".to_owned() } else { text };
        return Err(EmbeddingsError::NotJson { excerpt: shorten(&text) });
    };
    let reply = Lenient::deserialize(&value).unwrap_or_default();
    if !has_data(&reply)
        && let Some(error) = error_object(&value)
    {
        return Err(EmbeddingsError::ErrorObject(error));
    }
    Ok(reply.0.unwrap_or_default())
}

fn error_object(value: &Value) -> Option<ApiError> {
    let outer = value.get(0).unwrap_or(value);
    let reported = ["error", "detail", "message"].iter().any(|name| outer.get(name).is_some());
    reported.then(|| ApiError::from_value(200, value, None)).flatten()
}

/// One embedding for each text, in the order of the texts. Servers that number them may send them
/// in any order; servers that do not send them in order.
fn embeddings(
    Data(data): Data,
    texts: usize,
    dimensions: Option<usize>,
) -> Result<Vec<Embedding>, EmbeddingsError> {
    if data.len() != texts {
        return Err(EmbeddingsError::Count { asked: texts, found: data.len() });
    }
    let numbered = data.iter().flatten().any(|datum| datum.index.0.is_some());
    let mut dimensions = dimensions;
    let mut ordered: Vec<Option<Embedding>> = vec![None; texts];
    for (place, datum) in data.into_iter().enumerate() {
        let Some(Datum { index, embedding: Lenient(Some(Vector(vector))) }) = datum else {
            return Err(EmbeddingsError::NoVector { place });
        };
        let embedding = Embedding::new(&vector)
            .map_err(|reason| EmbeddingsError::Unusable { place, reason })?;
        let (expected, found) =
            (*dimensions.get_or_insert(embedding.dimensions()), embedding.dimensions());
        if expected != found {
            return Err(EmbeddingsError::Dimensions { place, expected, found });
        }
        let index = if numbered { index.0.unwrap_or(u64::MAX) } else { place as u64 };
        let slot = usize::try_from(index).ok().and_then(|index| ordered.get_mut(index));
        match slot.filter(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(embedding),
            None => return Err(EmbeddingsError::Index { index }),
        }
    }
    // As many as texts, and none twice: every text has one.
    Ok(ordered.into_iter().flatten().collect())
}
