//! Requests as documented, and recorded replies.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn api() -> Embeddings {
    Embeddings::new("some-model".to_owned(), None)
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().copied().map(str::to_owned).collect()
}

#[test]
fn requests_are_as_documented() {
    let body = |api: &Embeddings| String::from_utf8(api.encode(&owned(&["a", "b"]))).unwrap();
    insta::assert_snapshot!(body(&api()), @r#"{"model":"some-model","input":["a","b"],"encoding_format":"base64"}"#);
    let mut short = api();
    short.dimensions = Some(256);
    let error = |status, body: &str| ApiError::from_body(status, body.as_bytes(), None);
    let refused = error(400, r#"{"error": {"message": "unknown encoding_format"}}"#);
    assert!(!short.learn(&error(400, "too long")) && !short.learn(&error(500, "base64")));
    assert!(short.learn(&refused) && !short.learn(&refused));
    insta::assert_snapshot!(body(&short), @r#"{"model":"some-model","input":["a","b"],"dimensions":256}"#);
}

#[test]
fn of_a_long_text_the_beginning_is_sent() {
    let text = "語".repeat(MOST_TEXT_BYTES);
    let body: Value = serde_json::from_slice(&api().encode(&[text])).unwrap();
    assert_eq!(body["input"][0].as_str().unwrap().len(), MOST_TEXT_BYTES - 2);
}

/// Replies written for this test after the documented shapes, each to a request of two texts.
#[test]
fn recorded_replies_decode_to_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/testdata/embeddings");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let line = |path: &std::path::PathBuf| {
        let reply = api().decode(&fs::read(path).unwrap(), 2, None);
        let name = path.file_stem().unwrap().display();
        let usage = reply.usage.map_or("no usage".to_owned(), |u| format!("in {}", u.input));
        let components = |e: Embedding| format!("{:?}", e.components());
        match reply.embeddings {
            Ok(embeddings) => {
                let each: Vec<_> = embeddings.into_iter().map(components).collect();
                format!("{name}: {} | {usage}", each.join(" "))
            }
            Err(error) => format!("{name}: {error} | {usage}"),
        }
    };
    let lines: Vec<String> = paths.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    base64: [19660, -26214, 0] [0, 0, 32767] | in 8
    base64_broken: embedding 0 of the answer is no vector | in 8
    cut: the answer is not JSON: {"object": "list", "data": [{"index": 0, "embedding": [0.1, 0.2 | no usage
    dimensions_differ: embedding 1 of the answer has 3 dimensions instead of 2 | no usage
    empty_vector: embedding 0 of the answer cannot be used: it has 0 components | no usage
    error_in_200: the answer is an error: HTTP 200 unavailable_error: The model is loading | no usage
    float_usage: [0, 32767] [32767, 0] | in 7
    html: the answer is not JSON: 502 Bad Gateway | no usage
    index_beyond: the answer does not say whose its embeddings are: index 2 is beyond the texts or comes twice | no usage
    index_twice: the answer does not say whose its embeddings are: index 1 is beyond the texts or comes twice | no usage
    nan: embedding 0 of the answer cannot be used: component 1 is not a finite number | in 3
    negative_usage: [0, 32767] [32767, 0] | no usage
    nested: embedding 0 of the answer cannot be used: component 0 is not a finite number | no usage
    no_data: the answer has 0 embeddings for 2 texts | no usage
    no_usage: [0, 32767] [32767, 0] | no usage
    null_component: embedding 0 of the answer cannot be used: component 1 is not a finite number | no usage
    null_embedding: embedding 0 of the answer is no vector | no usage
    ok: [19660, -26214, 0] [0, 0, 32767] | in 8
    out_of_order: [32767, 0] [0, 32767] | in 4
    tiny_and_huge: [32767, 0] [23170, 23170] | in 9
    too_few: the answer has 1 embeddings for 2 texts | in 3
    too_many: the answer has 3 embeddings for 2 texts | no usage
    unnumbered: [0, 32767] [32767, 0] | in 5
    zero: embedding 1 of the answer cannot be used: every component is zero | in 3
    "#);
}

#[test]
fn lengths_must_be_those_that_were_asked_for_or_came_before() {
    let body = json!({"data": [{"embedding": [1, 2]}]}).to_string();
    let found = |api: &Embeddings, before| api.decode(body.as_bytes(), 1, before).embeddings;
    let wrong = |expected| Err(EmbeddingsError::Dimensions { place: 0, expected, found: 2 });
    assert!(found(&api(), None).is_ok() && found(&api(), Some(2)).is_ok());
    assert_eq!(found(&api(), Some(3)), wrong(3));
    let three = Embeddings { dimensions: Some(3), ..api() };
    assert_eq!(found(&three, None), wrong(3));
}

proptest! {
    #[test]
    fn base64_and_digits_say_the_same_in_any_order(
        vectors in proptest::collection::vec(proptest::array::uniform5(-9.0..9.0_f32), 1..9),
        turn in any::<usize>(),
    ) {
        let bytes = |v: &[f32; 5]| v.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<_>>();
        let body = |as_text: bool, turn: usize| {
            let datum = |(index, v): (usize, &[f32; 5])| {
                let embedding = if as_text { json!(STANDARD.encode(bytes(v))) } else { json!(v) };
                json!({"index": index, "embedding": embedding})
            };
            let mut data: Vec<_> = vectors.iter().enumerate().map(datum).collect();
            data.rotate_left(turn % vectors.len());
            json!({"data": data}).to_string()
        };
        let decode = |body: String| api().decode(body.as_bytes(), vectors.len(), None).embeddings;
        let expected: Result<Vec<_>, _> = vectors.iter().map(|v| Embedding::new(v)).collect();
        prop_assume!(expected.is_ok());
        prop_assert_eq!(decode(body(true, turn)).unwrap(), expected.clone().unwrap());
        prop_assert_eq!(decode(body(false, turn)).unwrap(), expected.unwrap());
    }

    #[test]
    fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..80), texts in 0_usize..3) {
        let _reply = api().decode(&body, texts, None);
    }
}
