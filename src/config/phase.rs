//! What a run that buys outputs apart may say of each of its phases: `[instructions]` and
//! `[responses]` in the configuration file. What a table leaves open, the settings above it say.

use serde::{Deserialize, Serialize};

use super::token_bound::AUTO;
use super::{EndpointSettings, Money, Settings};

/// The values of `phases`: whole tasks, or instructions first and outputs for those that passed.
pub const PHASES: [&str; 2] = ["tasks", TWO_PHASES];
/// Instructions first, and outputs for those that passed.
pub const TWO_PHASES: &str = "instructions+responses";

/// Defines the settings of a phase once. All are settings of a run by the same name; `system` is apart,
/// since what a run says of it is meant for what is asked first.
macro_rules! phase_settings {
    ($($(#[doc = $doc:literal])+ $key:ident: $kind:ty,)+) => {
        /// What one source says of one phase.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct PhaseSettings {
            /// Standing instructions for the model, in place of the program's own.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub system: Option<String>,
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$kind>,
            )+
        }

        impl PhaseSettings {
            /// Every key.
            pub const KEYS: &[&str] = &["system", $(stringify!($key)),+];

            /// Takes from `other` what `self` leaves open.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { system: self.system.or(other.system), $($key: self.$key.or(other.$key),)+ }
            }

            /// The settings of a run with this phase alone.
            pub(super) fn over(&self, run: &Settings) -> Settings {
                let run = self.without_the_other_api(run.clone());
                Settings { $($key: self.$key.clone().or(run.$key),)+ ..run }
            }

            /// What remains of the settings of a run with this phase alone for the run itself.
            pub(super) fn withdrawn_from(&self, phase: Settings, run: &Settings) -> Settings {
                let mut rest = phase;
                $(if self.$key.is_some() {
                    rest.$key = run.$key.clone();
                })+
                self.put_back(&mut rest, run);
                rest
            }
        }
    };
}

phase_settings! {
    /// The provider.
    provider: String,
    /// The model's name as the server knows it.
    model: String,
    /// Where the API is.
    base_url: String,
    /// The environment variable that holds the API key.
    api_key_env: String,
    /// The version of the API.
    api_version: String,
    /// Several places where the model is to be had.
    endpoints: Vec<EndpointSettings>,
    /// USD per million prompt tokens.
    price_in: Money,
    /// USD per million output tokens.
    price_out: Money,
    /// The price table's name of the model.
    price_model: String,
    /// What bounds the prompt tokens of a request.
    token_bound: String,
    /// Requests per minute.
    rpm: u64,
    /// Tokens per minute.
    tpm: u64,
    /// Whether `max_tokens` counts against the tokens per minute.
    tpm_counts_max_tokens: bool,
    /// Requests under way at once.
    concurrency: u32,
    /// Whether these follow what the server gets done.
    adapt_concurrency: bool,
    /// Whether requests go in batches.
    batch: bool,
    /// Tasks per request.
    tasks_per_request: u32,
    /// The most output tokens: of a request for instructions, or of one output.
    max_output_tokens: u32,
    /// Sampling temperature.
    temperature: f64,
    /// Nucleus sampling mass.
    top_p: f64,
    /// Whether the response schema is sent with each request for instructions.
    response_schema: bool,
    /// How much the model reasons.
    reasoning_effort: String,
    /// Whether `temperature` and `top_p` are sent.
    sampling: bool,
    /// Whether system messages are sent as such.
    system_messages: bool,
    /// Whether the output limit is named `max_completion_tokens`.
    max_completion_tokens: bool,
}

impl PhaseSettings {
    /// Whether it says where requests go, rather than only which model is asked there.
    fn names_an_api(&self) -> bool {
        self.provider.is_some() || self.base_url.is_some() || self.endpoints.is_some()
    }

    /// The keys that it has, behind the table's name; the table itself when it is empty.
    pub(super) fn said(&self, table: &str) -> Vec<String> {
        let value = serde_json::to_value(self).unwrap_or_default();
        let keys = value.as_object().into_iter().flatten();
        let keys: Vec<_> = keys.map(|(key, _)| format!("{table}.{key}")).collect();
        if keys.is_empty() { vec![format!("[{table}]")] } else { keys }
    }

    /// Without what a run says of another API or model than the one that this phase names: the key of
    /// one server must not be sent to another, and the price of one model is not that of another.
    fn without_the_other_api(&self, mut run: Settings) -> Settings {
        self.put_back(&mut run, &Settings::default());
        run
    }

    /// Sets what belongs to another API or model to what `from` says of it.
    fn put_back(&self, settings: &mut Settings, from: &Settings) {
        if self.names_an_api() {
            settings.base_url.clone_from(&from.base_url);
            settings.api_key_env.clone_from(&from.api_key_env);
            settings.api_version.clone_from(&from.api_version);
            settings.endpoints.clone_from(&from.endpoints);
        }
        if self.names_an_api() || self.model.is_some() {
            (settings.price_in, settings.price_out) = (from.price_in, from.price_out);
            settings.price_model.clone_from(&from.price_model);
            if settings.token_bound.as_deref() != Some(AUTO) {
                settings.token_bound.clone_from(&from.token_bound);
            }
            settings.reasoning_effort.clone_from(&from.reasoning_effort);
            settings.response_schema = from.response_schema;
            settings.sampling = from.sampling;
            settings.system_messages = from.system_messages;
            settings.max_completion_tokens = from.max_completion_tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Settings {
        Settings {
            provider: Some("openai".to_owned()),
            model: Some("cheap".to_owned()),
            base_url: Some("https://one.example/v1".to_owned()),
            api_key_env: Some("ONE".to_owned()),
            price_in: "1".parse().ok(),
            rpm: Some(60),
            ..Settings::default()
        }
    }

    #[test]
    fn a_phase_takes_the_rest_from_the_run() {
        let phase = PhaseSettings { rpm: Some(5), ..PhaseSettings::default() };
        let both = phase.over(&run());
        assert_eq!((both.rpm, both.model.as_deref()), (Some(5), Some("cheap")));
        assert_eq!(both.price_in, run().price_in);
        assert_eq!(phase.withdrawn_from(both, &run()), run());
    }

    #[test]
    fn neither_key_nor_price_go_to_another_api_or_model() {
        let model = PhaseSettings { model: Some("strong".to_owned()), ..PhaseSettings::default() };
        let both = model.over(&run());
        assert_eq!((both.price_in, both.api_key_env.as_deref()), (None, Some("ONE")));
        assert_eq!(model.withdrawn_from(both, &run()), run());
        let url = Some("https://two.example/v1".to_owned());
        let api = PhaseSettings { base_url: url.clone(), ..PhaseSettings::default() };
        let both = api.over(&run());
        assert_eq!((&both.base_url, &both.api_key_env, both.price_in), (&url, &None, None));
        assert_eq!(api.withdrawn_from(both, &run()), run());
    }

    #[test]
    fn the_keys_are_those_of_a_run() {
        for key in PhaseSettings::KEYS {
            assert!(Settings::KEYS.contains(key), "{key}");
        }
    }
}
