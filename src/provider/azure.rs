//! Azure OpenAI: chat completions of a deployment, which `--model` names.
//!
//! Reference: <https://learn.microsoft.com/azure/ai-foundry/openai/reference>.

use super::access::{Access, ApiVersion, KeyHeader, OPENAI_LIMITS, VersionPlace};
use super::body::path_segment;
use super::openai::encode_chat;
use super::wire::decode_reply;
use super::{DecodeError, Provider, Quirks, quirks};
use crate::chat::{Completion, CompletionRequest, ModelTraits, ReasoningEffort};

/// `POST openai/deployments/DEPLOYMENT/chat/completions?api-version=VERSION`.
#[derive(Debug, Clone, Copy)]
pub struct Azure;

const ACCESS: Access = Access {
    base_url: None,
    base_url_env: Some("AZURE_OPENAI_ENDPOINT"),
    api_key_env: "AZURE_OPENAI_API_KEY",
    key_header: KeyHeader::Named("api-key"),
    version: Some(ApiVersion {
        place: VersionPlace::Query,
        name: "api-version",
        default: "2024-10-21",
    }),
    limits: OPENAI_LIMITS,
    table_name: Some("azure"),
    self_hosted: false,
};

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> &'static str {
        "Azure OpenAI: --model is the deployment, --base-url https://NAME.openai.azure.com"
    }

    fn access(&self) -> Access {
        ACCESS
    }

    fn path(&self, model: &str) -> String {
        format!("openai/deployments/{}/chat/completions", path_segment(model))
    }

    fn quirks(&self, model: &ModelTraits, effort: Option<ReasoningEffort>) -> Quirks {
        quirks::of_openai(model, effort)
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        encode_chat(request, *quirks)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        decode_reply(body)
    }
}
