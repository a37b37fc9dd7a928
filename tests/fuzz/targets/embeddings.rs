//! Replies of `embeddings`, and embeddings as they are stored.

use instructmill::embedding::Embedding;
use instructmill::provider::Embeddings;

use super::split;

/// The first byte says how many texts were sent, the second how long the vectors are to be, if that is known.
pub fn check(bytes: &[u8]) {
    let ([texts, dimensions], body) = split(bytes);
    let texts = usize::from(texts % 6);
    let known = Some(usize::from(dimensions % 8)).filter(|dimensions| *dimensions > 0);
    let reply = Embeddings::new("model".to_owned(), None).decode(body, texts, known);
    match &reply.embeddings {
        Ok(embeddings) => {
            assert_eq!(embeddings.len(), texts, "an embedding for each text");
            let components: usize = embeddings.iter().map(Embedding::dimensions).sum();
            assert!(components <= body.len(), "more components than bytes");
            let expected = known.or(embeddings.first().map(Embedding::dimensions));
            for embedding in embeddings {
                assert_eq!(Some(embedding.dimensions()), expected, "of another length");
                let read = Embedding::from_bytes(&embedding.to_bytes());
                assert_eq!(read.as_ref(), Some(embedding), "not what was stored");
            }
        }
        Err(error) => assert!(error.to_string().chars().count() < 2_000, "{error}"),
    }
    assert!(reply.usage.is_none_or(|usage| usage.output == 0 && usage.input > 0), "{reply:?}");
    if let Some(stored) = Embedding::from_bytes(body) {
        assert_eq!(stored.to_bytes(), body);
        assert!(stored.square() > 0);
    }
}
