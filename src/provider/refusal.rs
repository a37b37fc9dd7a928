//! What a refusal means for the run: wait, stop, or mend the request.

use super::error::ApiError;

/// What a refusal means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too many requests or tokens a minute: wait, then send again.
    RateLimited,
    /// The request alone is above what is allowed in a minute: no waiting helps.
    TooLarge,
    /// The account has no money or quota left: no waiting helps.
    QuotaExhausted,
    /// The key is missing, wrong or revoked.
    BadKey,
    /// The key may not do this.
    Forbidden,
    /// The model or the address does not exist.
    NotFound,
    /// The server does not accept this request.
    BadRequest,
    /// The server failed or is overloaded (5xx, 408, 409, 425): send again later.
    ServerError,
    /// The server points somewhere else, where the key is not sent.
    Redirect,
    /// A status outside these.
    Other,
}

impl Refusal {
    /// Whether sending the same request again may succeed.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::RateLimited | Self::ServerError)
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::RateLimited => "the server limits the rate: lower --rpm, --tpm or --concurrency",
            Self::TooLarge => {
                "one request needs more tokens than the account may use in a minute: lower \
                 --max-output-tokens and --tasks-per-request, or take another model"
            }
            Self::QuotaExhausted => {
                "the account has no credit left, or its spending limit is reached: check the \
                 provider's billing page"
            }
            Self::BadKey => {
                "the key was refused: check the variable named by --api-key-env, and that the key \
                 belongs to the server at --base-url"
            }
            Self::Forbidden => {
                "the key may not use this model, or the server is not available from here: check \
                 the key's permissions"
            }
            Self::NotFound => {
                "the model does not exist there, or the base URL lacks its version, /v1 or gemini's \
                 /v1beta: check --model and --base-url"
            }
            Self::BadRequest => "the server does not accept this request: its message says why",
            Self::ServerError => "the server failed or is overloaded: try again later",
            Self::Redirect => {
                "the server has moved: give the address it names as --base-url if you trust it"
            }
            Self::Other => "the server gave a status that its API does not use: check --base-url",
        }
    }
}

/// Codes and types of an account without money, by OpenAI and others.
const QUOTA_NAMES: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_credits",
    "credit_balance_too_low",
    "exceeded_current_quota_error",
];

/// Codes and types of a refused key.
const KEY_NAMES: &[&str] =
    &["invalid_api_key", "authentication_error", "invalid_authentication_error"];

/// Codes and types of an unknown model.
const MODEL_NAMES: &[&str] = &["model_not_found", "model_not_exist", "deployment_not_found"];

/// Says what a refusal means. The server's own code goes before the status.
pub fn classify(error: &ApiError) -> Refusal {
    let status = error.effective_status();
    let message = error.message.to_lowercase();
    if status == 402 || error.is_named(QUOTA_NAMES) || says_no_credit(status, error, &message) {
        return Refusal::QuotaExhausted;
    }
    if matches!(status, 400..=403) {
        if error.is_named(MODEL_NAMES) {
            return Refusal::NotFound;
        }
        // Google and xAI answer 400 to a wrong key.
        let key_words = ["api key not valid", "invalid api key", "incorrect api key"];
        if error.is_named(KEY_NAMES) || key_words.iter().any(|words| message.contains(words)) {
            return Refusal::BadKey;
        }
    }
    match status {
        300..=399 => Refusal::Redirect,
        401 => Refusal::BadKey,
        403 => Refusal::Forbidden,
        // 405: the address is a web page's, not an API's. 410: a retired model.
        404 | 405 | 410 => Refusal::NotFound,
        408 | 409 | 425 | 500..=599 => Refusal::ServerError,
        429 if message.starts_with("request too large") => Refusal::TooLarge,
        429 => Refusal::RateLimited,
        400..=499 => Refusal::BadRequest,
        _ => Refusal::Other,
    }
}

/// Whether the message of a 400, 403 or 429 speaks of money.
///
/// "exceeded your current quota" alone proves nothing: Google says it, with "check your plan and
/// billing details", for a limit per minute, and names a status (`RESOURCE_EXHAUSTED`) and a time.
fn says_no_credit(status: u16, error: &ApiError, message: &str) -> bool {
    if !matches!(status, 400 | 403 | 429) {
        return false;
    }
    let plain =
        ["insufficient balance", "insufficient credit", "insufficient quota", "balance is too low"];
    if plain.iter().any(|words| message.contains(words)) || message.contains("billing hard limit") {
        return true;
    }
    let per_minute = error.is_named(&["resource_exhausted", "rate_limit_exceeded"]);
    status == 429
        && !per_minute
        && !message.contains("retry in")
        && message.contains("exceeded your current quota")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ApiError {
        ApiError::from_body(status, body.as_bytes(), None)
    }

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (
                429,
                r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#,
                Refusal::RateLimited,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
                Refusal::QuotaExhausted,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota, please check your plan"}}"#,
                Refusal::QuotaExhausted,
            ),
            (
                429,
                r#"[{"error":{"code":429,"message":"You exceeded your current quota. Please retry in 30s","status":"RESOURCE_EXHAUSTED"}}]"#,
                Refusal::RateLimited,
            ),
            (
                429,
                r#"{"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 3000, Requested 4700.","type":"tokens","code":"rate_limit_exceeded"}}"#,
                Refusal::TooLarge,
            ),
            (429, "", Refusal::RateLimited),
            (402, r#"{"error":{"message":"Insufficient Balance"}}"#, Refusal::QuotaExhausted),
            (
                400,
                r#"{"error":{"message":"Billing hard limit has been reached","code":"billing_hard_limit_reached"}}"#,
                Refusal::QuotaExhausted,
            ),
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#,
                Refusal::BadKey,
            ),
            (
                400,
                r#"{"error":{"message":"API key not valid. Please pass a valid API key.","code":400}}"#,
                Refusal::BadKey,
            ),
            (
                403,
                r#"{"error":{"message":"Project does not have access to model","code":"model_not_found"}}"#,
                Refusal::NotFound,
            ),
            (403, "Forbidden", Refusal::Forbidden),
            (404, r#"{"detail":"Not Found"}"#, Refusal::NotFound),
            (405, r#"{"detail":"Method Not Allowed"}"#, Refusal::NotFound),
            (413, "too large", Refusal::BadRequest),
            (422, r#"{"detail":[]}"#, Refusal::BadRequest),
            (408, "", Refusal::ServerError),
            (409, "", Refusal::ServerError),
            (503, "", Refusal::ServerError),
            (529, "", Refusal::ServerError),
            (302, "", Refusal::Redirect),
            (
                200,
                r#"{"error":{"code":429,"message":"Provider returned error"}}"#,
                Refusal::RateLimited,
            ),
            (200, r#"{"error":{"message":"odd"}}"#, Refusal::Other),
            (999, "", Refusal::Other),
        ];
        for (status, body, expected) in cases {
            assert_eq!(classify(&read(status, body)), expected, "{status} {body}");
        }
    }
}
