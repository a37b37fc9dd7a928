//! Where an API is and how a request to it is signed: facts, the same for every request.

/// Where an API is, how its requests are signed, and what its limits are called.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The base URL when none is given; `None` where every customer has one of their own.
    pub base_url: Option<&'static str>,
    /// The environment variable that other clients of this API read the base URL from.
    pub base_url_env: Option<&'static str>,
    /// The environment variable that holds the key when none is named.
    pub api_key_env: &'static str,
    /// Where the key goes.
    pub key_header: KeyHeader,
    /// The version of the API that a request asks for.
    pub version: Option<ApiVersion>,
    /// The headers that say where a client stands with its limits.
    pub limits: &'static [LimitHeaders],
    /// What LiteLLM's price table calls this provider; its models stand there as `NAME/MODEL` too.
    pub table_name: Option<&'static str>,
    /// A server that people run themselves: it bills nothing, and may ask for no key.
    pub self_hosted: bool,
}

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// The bare key in a header of this name, in lower case.
    Named(&'static str),
}

/// How a request names the version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion {
    /// Where it goes.
    pub place: VersionPlace,
    /// The name of the header or the query parameter.
    pub name: &'static str,
    /// The version when none is given.
    pub default: &'static str,
}

/// Where a request names the version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionPlace {
    /// In a header.
    Header,
    /// In the query of the URL.
    Query,
}

/// What a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Requests a minute.
    Requests,
    /// Tokens a minute, both ways.
    Tokens,
    /// Prompt tokens a minute.
    InputTokens,
    /// Output tokens a minute.
    OutputTokens,
    /// Something else, such as requests a day.
    Other,
}

/// The names of the headers of one rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHeaders {
    /// What the limit counts.
    pub counts: Counted,
    /// The header with the limit.
    pub limit: &'static str,
    /// The header with what is left of it.
    pub remaining: &'static str,
    /// The header that says when it is free again.
    pub reset: &'static str,
}

/// The names of one limit.
const fn limit(
    counts: Counted,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
) -> LimitHeaders {
    LimitHeaders { counts, limit, remaining, reset }
}

const REQUESTS: LimitHeaders = limit(
    Counted::Requests,
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
);
const TOKENS: LimitHeaders = limit(
    Counted::Tokens,
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
);

/// OpenAI's names, and those of its followers: Cerebras (a day's requests, a minute's tokens),
/// `OpenRouter`, and the IETF's draft.
pub(super) const OPENAI_LIMITS: &[LimitHeaders] = &[
    REQUESTS,
    TOKENS,
    limit(
        Counted::Other,
        "x-ratelimit-limit-requests-day",
        "x-ratelimit-remaining-requests-day",
        "x-ratelimit-reset-requests-day",
    ),
    limit(
        Counted::Tokens,
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
        "x-ratelimit-reset-tokens-minute",
    ),
    limit(Counted::Other, "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    limit(Counted::Other, "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
];

/// Groq's: by OpenAI's names, but its requests are a day's, and its tokens a minute's
/// (<https://console.groq.com/docs/rate-limits>).
pub(super) const GROQ_LIMITS: &[LimitHeaders] =
    &[LimitHeaders { counts: Counted::Other, ..REQUESTS }, TOKENS];

/// Anthropic's names.
pub(super) const ANTHROPIC_LIMITS: &[LimitHeaders] = &[
    limit(
        Counted::Requests,
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    limit(
        Counted::Tokens,
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    limit(
        Counted::InputTokens,
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    limit(
        Counted::OutputTokens,
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// `api.openai.com`, for the three APIs it has.
pub(super) const OPENAI: Access = Access {
    base_url: Some("https://api.openai.com/v1"),
    base_url_env: Some("OPENAI_BASE_URL"),
    api_key_env: "OPENAI_API_KEY",
    key_header: KeyHeader::Bearer,
    version: None,
    limits: OPENAI_LIMITS,
    table_name: Some("openai"),
    self_hosted: false,
};
