//! Servers that speak OpenAI chat completions, by name: where they are, the variable of their key,
//! and what they do not take.

use super::access::{Access, GROQ_LIMITS, KeyHeader, OPENAI_LIMITS};
use super::openai::encode_chat;
use super::wire::decode_reply;
use super::{DecodeError, Provider, Quirks};
use crate::chat::{Completion, CompletionRequest};

/// A server that speaks OpenAI chat completions.
#[derive(Debug)]
pub struct Preset {
    name: &'static str,
    about: &'static str,
    access: Access,
    quirks: Quirks,
}

impl Preset {
    /// A service on the internet.
    const fn hosted(
        name: &'static str,
        about: &'static str,
        base_url: &'static str,
        api_key_env: &'static str,
        table_name: &'static str,
    ) -> Self {
        let access = Access {
            base_url: Some(base_url),
            base_url_env: None,
            api_key_env,
            key_header: KeyHeader::Bearer,
            version: None,
            limits: OPENAI_LIMITS,
            table_name: Some(table_name),
            self_hosted: false,
        };
        Self { name, about, access, quirks: Quirks::COMMON }
    }

    /// A server that people run themselves, on this machine when nothing else is said.
    const fn self_hosted(
        name: &'static str,
        about: &'static str,
        base_url: &'static str,
        api_key_env: &'static str,
    ) -> Self {
        let mut preset = Self::hosted(name, about, base_url, api_key_env, "");
        preset.access.table_name = None;
        preset.access.self_hosted = true;
        preset
    }
}

pub(super) static OLLAMA: Preset = Preset::self_hosted(
    "ollama",
    "Ollama on this machine, free of charge",
    "http://127.0.0.1:11434/v1",
    "OLLAMA_API_KEY",
);
pub(super) static VLLM: Preset = Preset::self_hosted(
    "vllm",
    "vLLM on this machine, free of charge",
    "http://127.0.0.1:8000/v1",
    "VLLM_API_KEY",
);
pub(super) static LLAMA_CPP: Preset = Preset::self_hosted(
    "llamacpp",
    "llama.cpp's server on this machine, free of charge",
    "http://127.0.0.1:8080/v1",
    "LLAMA_API_KEY",
);
pub(super) static LM_STUDIO: Preset = Preset::self_hosted(
    "lmstudio",
    "LM Studio on this machine, free of charge",
    "http://127.0.0.1:1234/v1",
    "LMSTUDIO_API_KEY",
);
pub(super) static OPEN_ROUTER: Preset = Preset::hosted(
    "openrouter",
    "OpenRouter",
    "https://openrouter.ai/api/v1",
    "OPENROUTER_API_KEY",
    "openrouter",
);
pub(super) static TOGETHER: Preset = Preset::hosted(
    "together",
    "Together AI",
    "https://api.together.xyz/v1",
    "TOGETHER_API_KEY",
    "together_ai",
);
pub(super) static GROQ: Preset =
    Preset { access: Access { limits: GROQ_LIMITS, ..GROQ_AS_ANY.access }, ..GROQ_AS_ANY };
const GROQ_AS_ANY: Preset =
    Preset::hosted("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq");
/// Its API has no JSON schemas, only JSON.
pub(super) static DEEPSEEK: Preset = Preset {
    quirks: Quirks { response_schema: false, ..Quirks::COMMON },
    ..Preset::hosted(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        "deepseek",
    )
};
pub(super) static MISTRAL: Preset = Preset::hosted(
    "mistral",
    "Mistral AI",
    "https://api.mistral.ai/v1",
    "MISTRAL_API_KEY",
    "mistral",
);
pub(super) static XAI: Preset =
    Preset::hosted("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY", "xai");
pub(super) static DASHSCOPE: Preset = Preset::hosted(
    "dashscope",
    "Alibaba DashScope (the international address; others with --base-url)",
    "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "DASHSCOPE_API_KEY",
    "dashscope",
);
pub(super) static MOONSHOT: Preset = Preset::hosted(
    "moonshot",
    "Moonshot AI",
    "https://api.moonshot.ai/v1",
    "MOONSHOT_API_KEY",
    "moonshot",
);
pub(super) static CEREBRAS: Preset = Preset::hosted(
    "cerebras",
    "Cerebras",
    "https://api.cerebras.ai/v1",
    "CEREBRAS_API_KEY",
    "cerebras",
);

impl Provider for Preset {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn access(&self) -> Access {
        self.access
    }

    fn path(&self, _model: &str) -> String {
        "chat/completions".to_owned()
    }

    fn base_quirks(&self) -> Quirks {
        self.quirks
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        encode_chat(request, *quirks)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        decode_reply(body)
    }
}
