//! What bounds the prompt tokens of a request: its bytes, or a count by the model's vocabulary.

use super::resolve::{unknown, value};
use super::{ConfigError, Settings, Source};
use crate::ledger::Encoding;
use crate::provider::is_at_host;

/// A token a byte: what always holds, and the default.
const BYTES: &str = "bytes";
/// By the vocabulary that is published for the model, at its maker's own API.
pub(super) const AUTO: &str = "auto";

/// The values of `token_bound`.
pub const TOKEN_BOUNDS: [&str; 4] =
    [BYTES, AUTO, Encoding::O200kBase.name(), Encoding::Cl100kBase.name()];

/// Where the models that the published table is about are served under the names that it has.
const OPENAI_HOST: &str = "api.openai.com";

/// The encoding by which prompts are counted; `None` when their bytes are.
pub(super) fn resolve(
    settings: &mut Settings,
    source: &Source,
    model: &str,
) -> Result<Option<Encoding>, ConfigError> {
    let choice = settings.token_bound.get_or_insert_with(|| BYTES.to_owned());
    let encoding = match choice.as_str() {
        BYTES => return Ok(None),
        AUTO => published(source, model)?,
        name => {
            Encoding::by_name(name).ok_or_else(|| unknown("token-bound", name, &TOKEN_BOUNDS))?
        }
    };
    if !Encoding::IS_BUILT_IN {
        let message = "this build has no vocabularies: build it with `cargo build --release \
                       --features tokenizer`, or leave it at bytes";
        return Err(value("token-bound", message));
    }
    Ok(Some(encoding))
}

/// What is published of a model says nothing of another one by its name: a gateway's, an Azure
/// deployment.
fn published(source: &Source, model: &str) -> Result<Encoding, ConfigError> {
    let addresses = source.addresses();
    let is_makers_own = addresses.iter().all(|url| is_at_host(url, OPENAI_HOST));
    let encoding = Encoding::of_model(model).filter(|_| is_makers_own && !addresses.is_empty());
    encoding.ok_or_else(|| {
        let place = addresses.first().map_or("the simulator", |url| url);
        let names = Encoding::ALL.map(Encoding::name).join(" or ");
        let message = format!(
            "no vocabulary is published for `{model}` at {place}: leave it at {BYTES}, or name the \
             vocabulary ({names}) if you know that the model has it"
        );
        value("token-bound", message)
    })
}
