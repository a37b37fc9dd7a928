//! Which phases a run has, and the API and the requests of each.

use super::batch;
use super::phase::{PHASES, PhaseSettings, TWO_PHASES};
use super::prices::{self, Priced};
use super::resolve::{
    Environment, effort, model, most_output_tokens, pace, price_name, quirks, request, unknown,
    value, within,
};
use super::{ConfigError, Pace, RequestConfig, ResponsesConfig, Settings, Source};
use super::{cache, source, token_bound};
use crate::ledger::Encoding;
use crate::task::Compared;
use crate::template::{Template, outputs};

/// What requests ask for first: whole tasks, or instructions.
pub(super) struct First {
    pub(super) source: Source,
    pub(super) model: String,
    pub(super) priced: Priced,
    pub(super) request: RequestConfig,
    pub(super) pace: Pace,
    pub(super) api_version: Option<String>,
    pub(super) encoding: Option<Encoding>,
}

/// From this target on outputs are bought apart, unless something else is said.
const LONG_RUN: u64 = 5_000;

/// Settings by which two phases share one API and its limits.
const LANE_KEYS: &[&str] = &[
    "provider",
    "model",
    "base_url",
    "api_key_env",
    "api_version",
    "endpoints",
    "price_in",
    "price_out",
    "price_model",
    "token_bound",
    "reasoning_effort",
    "sampling",
    "system_messages",
    "max_completion_tokens",
    "rpm",
    "tpm",
    "tpm_counts_max_tokens",
    "concurrency",
    "adapt_concurrency",
    "batch",
];

/// Resolves the one phase of a run, or both.
pub(super) fn resolve(
    settings: &mut Settings,
    environment: Environment<'_>,
) -> Result<(First, Option<ResponsesConfig>), ConfigError> {
    if settings.phases.is_none() {
        settings.phases = Some(default_phases(settings, environment).to_owned());
    }
    let phases = settings.phases.clone().unwrap_or_default();
    if !PHASES.contains(&phases.as_str()) {
        return Err(unknown("phases", &phases, &PHASES));
    }
    if phases != TWO_PHASES {
        refuse_tables(settings)?;
        return Ok((first(settings, environment)?, None));
    }
    let said = settings.clone();
    let table = said.instructions.clone().unwrap_or_default();
    let mut alone = table.over(&said);
    let mut first = first(&mut alone, environment).map_err(in_table("instructions", &table))?;
    if table.system.is_some() {
        first.request.system.clone_from(&table.system);
    }
    *settings = table.withdrawn_from(alone.clone(), &said);
    let responses = responses(settings, said, &alone, environment)?;
    Ok((first, Some(responses)))
}

/// What is said of the phases of a run that has none would have no effect.
fn refuse_tables(settings: &Settings) -> Result<(), ConfigError> {
    let tables = [("instructions", &settings.instructions), ("responses", &settings.responses)];
    let said = tables.into_iter().filter_map(|(name, table)| Some(table.as_ref()?.said(name)));
    let said: Vec<String> = said.flatten().collect();
    if said.is_empty() {
        return Ok(());
    }
    let message = format!(
        "a run of `{}` asks for whole tasks, and {} would have no effect: leave it out, or take \
         {TWO_PHASES}",
        PHASES[0],
        said.join(", ")
    );
    Err(value("phases", message))
}

/// Two phases where they were measured to be cheaper: in a long run, whose duplicates are many, at
/// a price. `docs/benchmarks.md` has the figures.
fn default_phases(settings: &Settings, environment: Environment<'_>) -> &'static str {
    // What is said of a phase must not be passed over; whether it can be is checked later.
    if settings.instructions.is_some() || settings.responses.is_some() {
        return TWO_PHASES;
    }
    let is_long = settings.target.is_some_and(|target| target >= LONG_RUN);
    let compares_outputs = settings.compare.as_deref() == Some(Compared::All.name());
    let can = |first: First| first.request.template.instructions().is_some();
    let pays = |first: &First| !first.priced.price.is_free();
    let as_one_phase = || first(&mut settings.clone(), environment).ok();
    if is_long && !compares_outputs && as_one_phase().filter(pays).is_some_and(can) {
        TWO_PHASES
    } else {
        PHASES[0]
    }
}

/// Says in which table an error is, unless the run has no such table.
fn in_table(name: &'static str, table: &PhaseSettings) -> impl FnOnce(ConfigError) -> ConfigError {
    let is_said = *table != PhaseSettings::default();
    move |error| match error {
        error if !is_said => error,
        error => ConfigError::Phase { table: name, source: Box::new(error) },
    }
}

fn first(settings: &mut Settings, environment: Environment<'_>) -> Result<First, ConfigError> {
    let table = prices::table(settings)?;
    let source = source::find(settings, &table, environment)?;
    batch::check(settings, &source)?;
    let model = model(settings, &source)?;
    let priced = prices::find(settings, &table, &source, price_name(&model, &source))?;
    let encoding = token_bound::resolve(settings, &source, &model)?;
    let request = request(settings, &source, &priced)?;
    let pace = pace(settings, &source)?;
    let api_version = settings.api_version.clone();
    Ok(First { source, model, priced, request, pace, api_version, encoding })
}

/// The second phase, from what was `said` before the first was resolved `alone`.
fn responses(
    settings: &mut Settings,
    said: Settings,
    alone: &Settings,
    environment: Environment<'_>,
) -> Result<ResponsesConfig, ConfigError> {
    let table = said.responses.clone().unwrap_or_default();
    // Whether the answers are made up is decided once for both.
    let provider = said.provider.clone().or_else(|| alone.provider.clone());
    let mut own = table.over(&Settings { provider, ..said });
    let mut config =
        resolve_responses(&table, &mut own, environment).map_err(in_table("responses", &table))?;
    config.same_lane = is_same_lane(alone, &own);
    let table = settings.responses.get_or_insert_default();
    table.tasks_per_request = Some(config.tasks_per_request);
    table.max_output_tokens = Some(config.max_output_tokens);
    if !config.same_lane {
        // Its default depends on the server.
        table.adapt_concurrency = Some(config.pace.adapts);
    }
    Ok(config)
}

fn resolve_responses(
    table: &PhaseSettings,
    own: &mut Settings,
    environment: Environment<'_>,
) -> Result<ResponsesConfig, ConfigError> {
    // How many instructions a request brings says nothing of how many outputs it does.
    let tasks_per_request = table.tasks_per_request.unwrap_or(1);
    let prices = prices::table(own)?;
    let source = source::find(own, &prices, environment)?;
    batch::check(own, &source)?;
    let model = model(own, &source)?;
    let priced = prices::find(own, &prices, &source, price_name(&model, &source))?;
    let most = most_output_tokens(&priced);
    let tokens = own.max_output_tokens.get_or_insert(outputs::MAX_OUTPUT_TOKENS.min(most));
    let max_output_tokens = within("max-output-tokens", *tokens, 16, most)?;
    within("tasks-per-request", tasks_per_request, 1, 100)?;
    if max_output_tokens.saturating_mul(tasks_per_request) > most {
        let message = format!(
            "{tasks_per_request} outputs of {max_output_tokens} tokens are more than the {most} \
             that the model writes in one answer"
        );
        return Err(value("tasks-per-request", message));
    }
    let reasoning_effort = effort(own)?;
    Ok(ResponsesConfig {
        api_version: own.api_version.clone(),
        encoding: token_bound::resolve(own, &source, &model)?,
        reasoning_effort,
        quirks: quirks(own, &source, &priced, reasoning_effort),
        cache: cache::resolve(own, &source, &priced, "outputs")?,
        pace: pace(own, &source)?,
        source,
        model,
        price: priced.price,
        price_origin: priced.origin,
        same_lane: false,
        tasks_per_request,
        max_output_tokens,
        temperature: within("temperature", own.temperature.unwrap_or(1.0), 0.0, 2.0)?,
        top_p: within("top-p", own.top_p.unwrap_or(1.0), 0.0, 1.0)?,
        system: table.system.clone(),
    })
}

fn is_same_lane(one: &Settings, other: &Settings) -> bool {
    let (one, other) = (one.to_json(), other.to_json());
    LANE_KEYS.iter().all(|key| one.get(*key) == other.get(*key))
}

/// The template as the first phase uses it.
pub(super) fn of_template(
    settings: &Settings,
    template: &'static dyn Template,
) -> Result<&'static dyn Template, ConfigError> {
    if settings.phases.as_deref() != Some(TWO_PHASES) {
        return Ok(template);
    }
    template.instructions().ok_or_else(|| {
        let name = template.name();
        let message = format!("the template `{name}` always asks for whole tasks: use json");
        value("phases", message)
    })
}

/// Instructions are compared before they have outputs.
pub(super) fn check_compared(settings: &Settings, compared: Compared) -> Result<(), ConfigError> {
    if settings.phases.as_deref() == Some(TWO_PHASES) && compared == Compared::All {
        let message = "there is no output yet when an instruction of two phases is compared: use \
                       instruction+input";
        return Err(value("compare", message));
    }
    Ok(())
}
