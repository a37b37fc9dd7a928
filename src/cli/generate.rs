//! `instructmill generate`: the plan, the question, the bars, the end.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::sync::watch;

use super::args::GenerateArgs;
use super::ending::{Known, Place};
use super::estimate::too_little_memory;
use super::export::{check_format, write_export};
use super::failure::{CliError, say};
use super::logs;
use super::metrics;
use super::output::{check_not_input, check_output, check_summary};
use super::pilot::Pilot;
use super::pipes;
use super::progress::Progress;
use super::question::{self, Answer};
use super::status;
use crate::config::{EmbeddingConfig, Environment, Money, RunConfig, SIMULATED, Settings};
use crate::event::Phase;
use crate::headroom;
use crate::metrics::{Address, AddressError};
use crate::pipeline::{self, Outcome, PhasePlan, Plan, Prepared, Snapshot};
use crate::report::{count, duration, to_text};
use crate::store::RunDir;
use crate::summary::{PhaseTotals, StopReason, Summary};
use crate::usd::Usd;

pub(super) const DONE: u8 = 0;
const INTERRUPTED: u8 = 130;
/// Files that a process has open beside its connections.
const OTHER_FILES: u64 = 64;

pub(super) fn run(args: GenerateArgs) -> Result<ExitCode, CliError> {
    let summary = args.summary.as_deref().map(Place::take).transpose()?;
    let mut known = Known::default();
    let ended = work(args, &mut known);
    if let Some(summary) = summary {
        let written = summary.write(&known, &ended);
        // A failure that already has a cause is not made clearer by another one.
        if ended.is_ok() {
            written?;
        }
    }
    ended.map(ExitCode::from)
}

/// The command, with its exit code. What is known of the run on the way stays in `known`.
fn work(args: GenerateArgs, known: &mut Known) -> Result<u8, CliError> {
    if args.output.is_some() {
        check_format(&args.format)?;
    }
    let flags = Settings::from(args.settings).or(args.responses.into());
    let file = match &args.config {
        Some(path) => pipes::read_settings(path)?,
        None => Settings::default(),
    };
    let mut settings = Settings { metrics: args.metrics, ..flags }.or(file);
    let session = Session::take(&mut settings)?;
    let dir = RunDir::new(args.run.unwrap_or_else(|| default_run(&settings)));
    let dir = dir.on_network(args.allow_network_fs);
    known.dir = Some(dir.clone());
    if let Some(summary) = &args.summary {
        check_summary(&dir, args.output.as_deref(), summary)?;
    }
    let settings = match pipeline::stored_settings(&dir) {
        Ok(stored) => settings.or_begun(stored.unwrap_or_default()),
        // Opening the run says what is wrong with it, and better.
        Err(pipeline::RunError::Store(_)) => settings,
        Err(error) => return Err(error.into()),
    };
    let environment = Environment { get: &|name| std::env::var(name).ok() };
    let resolve = || pipes::resolve(settings.clone(), environment);
    let config = resolve()?;
    let outputs = config.responses.as_ref().map_or(0, |responses| responses.pace.concurrency);
    allow_connections(config.pace.concurrency.saturating_add(outputs))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ask = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let resolved = config.settings.clone();
    let check = || match &args.output {
        None => Ok(()),
        Some(output) => {
            check_not_input(output, args.config.as_deref(), &resolved)?;
            check_output(&dir, output)
        }
    };
    let session =
        |config, stage| runtime.block_on(generate(config, &dir, stage, check, session.clone()));
    let whole = Stage { ask, after_pilot: false };
    let ended = match args.pilot {
        None => session(config, whole)?,
        Some(Money(pilot)) => {
            let pilot = Pilot { amount: pilot, yes: args.yes, stage: whole };
            pilot.run(config, &dir, || Ok(resolve()?), session)?
        }
    };
    let outcome = match ended {
        Ended::Ran(outcome) => *outcome,
        Ended::NotBegun(code) => {
            say("nothing was sent");
            return Ok(code);
        }
    };
    let report = known.report.insert(status::report_of(&dir, &outcome)?);
    status::write_summary(&dir, report)?;
    say(&format!("\n{}", to_text(report).trim_end()));
    if let Some(path) = &args.output {
        let written = write_export(&dir, &args.format, path)?;
        say(&format!("{:<14} {} tasks to {}", "exported", count(written), path.display()));
    }
    conclude(outcome)
}

/// What a session is to the command.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    /// Whether a person is asked before money is spent.
    pub(super) ask: bool,
    /// Whether a pilot has just shown what requests take.
    pub(super) after_pilot: bool,
}

/// What is said of a session and is not stored in the run.
#[derive(Clone)]
struct Session {
    metrics: Option<Address>,
}

impl Session {
    /// Takes it out of the settings. The format of the log counts from now on.
    fn take(settings: &mut Settings) -> Result<Self, CliError> {
        if let Some(format) = settings.log_format.take() {
            logs::use_format(&format)?;
        }
        let address = settings.metrics.take().map(|address| address.parse());
        let metrics = address
            .transpose()
            .map_err(|error: AddressError| CliError::usage(format!("metrics: {error}")))?;
        Ok(Self { metrics })
    }
}

/// How a session ended.
pub(super) enum Ended {
    Ran(Box<Outcome>),
    /// A person did not want it.
    NotBegun(u8),
}

/// Opens the run, which makes its directory, checks where the output will go, shows the plan, and
/// runs it unless the answer to the question is no.
async fn generate(
    config: RunConfig,
    dir: &RunDir,
    stage: Stage,
    check_output: impl FnOnce() -> Result<(), CliError>,
    session: Session,
) -> Result<Ended, CliError> {
    let costs = config.budget.is_some() && !config.source.is_simulated();
    let (shutdown, listener) = pipeline::listen()?;
    let mut listener = Box::pin(listener);
    let (sender, receiver) = watch::channel(Snapshot::default());
    let _metrics = match session.metrics {
        Some(address) => Some(metrics::serve(address, receiver.clone()).await?),
        None => None,
    };
    let prepared = Box::pin(Prepared::open(config, dir)).await?;
    if prepared.recovered() {
        say("the last session ended without a word: going on from its journal");
    }
    if let Err(error) = check_output() {
        prepared.cancel().await?;
        return Err(error);
    }
    say(&describe(&prepared.plan(), dir.path()));
    if stage.ask && costs {
        let code = match question::ask(shutdown.clone(), &mut listener).await? {
            Answer::Yes => None,
            Answer::No => Some(DONE),
            Answer::Interrupted => Some(INTERRUPTED),
        };
        if let Some(code) = code {
            prepared.cancel().await?;
            return Ok(Ended::NotBegun(code));
        }
    }
    prepared.note_estimate(stage.after_pilot).await?;
    let progress = Progress::new(receiver);
    let outcome = tokio::select! {
        outcome = Box::pin(prepared.run(sender, shutdown)) => outcome?,
        () = &mut listener => return Err(CliError::failure("the signal handler ended")),
        () = progress.show() => return Err(CliError::failure("the progress display ended")),
    };
    Ok(Ended::Ran(Box::new(outcome)))
}

fn conclude(outcome: Outcome) -> Result<u8, CliError> {
    let open = outcome.summary.batches.iter().filter(|batch| batch.is_open).count();
    if open > 0 {
        say(&format!(
            "batches that go on at the provider: {}; the same command comes back for them",
            count(open as u64)
        ));
    }
    match (outcome.reason, outcome.error) {
        (_, Some(error)) => Err(error.into()),
        (StopReason::Interrupted, None) => Ok(INTERRUPTED),
        (StopReason::NoProgress, None) => {
            let message = "the last responses brought no accepted task: stopped to save money";
            Err(CliError::failure(message).with_hint(
                "look at what was rejected with `instructmill status --samples 3`; another model, \
                 more varied seed tasks or a higher --max-stalled-responses may help",
            ))
        }
        _ => Ok(DONE),
    }
}

/// `output/MODEL`, apart for simulated and real runs.
fn default_run(settings: &Settings) -> PathBuf {
    let simulated = settings.provider.as_deref() == Some(SIMULATED);
    let name = match (&settings.model, simulated) {
        (None, _) => SIMULATED.to_owned(),
        (Some(model), true) => format!("{SIMULATED}-{model}"),
        (Some(model), false) => model.clone(),
    };
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.trim_start_matches('.').chars().map(safe).collect();
    Path::new("output").join(if name.is_empty() { SIMULATED } else { &name })
}

/// Raises the soft limit of open files to what so many connections need.
fn allow_connections(concurrency: usize) -> Result<(), CliError> {
    let needed = u64::try_from(concurrency).unwrap_or(u64::MAX).saturating_mul(2) + OTHER_FILES;
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit < needed.div_ceil(2) => Err(CliError::usage(format!(
            "--concurrency {concurrency} needs {needed} open files, and the system allows {limit}"
        ))
        .with_hint("lower --concurrency, or raise the limit with `ulimit -n`")),
        // Where the system has no such limit there is nothing to raise.
        _ => Ok(()),
    }
}

/// The plan as lines for a person.
fn describe(plan: &Plan, run: &Path) -> String {
    let mut lines = Vec::new();
    if plan.simulated {
        lines.push(
            "SIMULATED: no API is asked, no money is spent, and every task is made up. Do not\n\
             train on it. For a real run give --model and --budget, and set OPENAI_API_KEY."
                .to_owned(),
        );
    }
    let mut row = |label: &str, text: String| lines.push(format!("{label:<14} {text}"));
    row("run", run.display().to_string());
    let apis = plan.phases.iter().take(if plan.one_lane { 1 } else { plan.phases.len() });
    let whose = |phase: &PhasePlan| {
        if plan.one_lane { String::new() } else { format!("{}: ", phase.phase.as_str()) }
    };
    for phase in apis.clone() {
        // Where the key goes: a run that is continued may say it, and come from somebody else.
        let at = match phase.endpoints.len() {
            0 => phase.base_url.as_ref().map_or(String::new(), |url| format!(" at {url}")),
            several => format!(" at {several} endpoints"),
        };
        row("source", format!("{}{} · {}{at}", whose(phase), phase.provider, phase.model));
        phase.endpoints.iter().for_each(|name| row("- endpoint", name.clone()));
        row("price", price(phase));
        if let Some(encoding) = phase.encoding {
            row(
                "prompt bound",
                format!("counted by {encoding} with 5 % more; by bytes if a bill is higher"),
            );
        }
    }
    row("budget", budget(plan));
    apis.for_each(|phase| row("limits", whose(phase) + &limits(phase)));
    let (accepted, target) = (count(plan.accepted), count(plan.target));
    let seeds = count(plan.seeds as u64);
    row("tasks", format!("{accepted} of {target} wanted are there; {seeds} seed tasks"));
    row("rules", rules(plan));
    if let Some(embedding) = &plan.embeddings {
        row("embeddings", embeddings(embedding));
    }
    if plan.calibrated {
        row("so far", so_far(&plan.so_far));
    }
    if let Some(text) = too_little_memory(plan.memory, headroom::available()) {
        row("memory", text);
    }
    estimate(plan, row);
    lines.join("\n")
}

fn rules(plan: &Plan) -> String {
    let benchmarks = match plan.benchmarks {
        0 => String::new(),
        texts => format!("; free of {} benchmark texts", count(texts as u64)),
    };
    let phases = if plan.phases.len() > 1 { ", outputs apart" } else { "" };
    format!("template {}{phases}; {} is a duplicate{benchmarks}", plan.template, plan.duplicates)
}

/// What the requests of a run took until now.
fn so_far(summary: &Summary) -> String {
    let each = |phase: &Phase, totals: &PhaseTotals| {
        let mean = |sum: u64| count(sum.checked_div(totals.answered).unwrap_or(0));
        let (prompt, output) = (mean(totals.usage.prompt_total()), mean(totals.usage.output));
        format!("{}: {prompt} prompt and {output} output tokens a request", phase.as_str())
    };
    let answered = summary.by_phase.iter().filter(|(_, totals)| totals.answered > 0);
    let mut parts: Vec<String> = answered.map(|(phase, totals)| each(phase, totals)).collect();
    if let Some(rate) = summary.acceptance_rate() {
        parts.push(format!("{:.0} of 100 candidates accepted", rate * 100.0));
    }
    if let Some(price) = summary.usd_per_thousand() {
        parts.push(format!("{} per 1,000 tasks", price.display(4)));
    }
    parts.join("; ")
}

fn estimate(plan: &Plan, mut row: impl FnMut(&str, String)) {
    let requests = |phase: &PhasePlan| {
        format!(
            "{} requests, {} prompt and {} output tokens, {}",
            count(phase.requests),
            count(phase.prompt_tokens),
            count(phase.output_tokens),
            phase.cost.display(2),
        )
    };
    row("estimate", format!("about {}, {}", plan.cost().display(2), time(plan)));
    for phase in &plan.phases {
        row(&format!("- {}", phase.phase.as_str()), requests(phase));
    }
    if plan.embeddings.is_some() {
        let (tokens, cost) = (count(plan.embedded_tokens), plan.embedding_cost().display(2));
        row("- embeddings", format!("{tokens} tokens, {cost}"));
    }
}

/// How long a plan takes.
pub(super) fn time(plan: &Plan) -> String {
    let rounds = || "a day at most for each round of batches".to_owned();
    plan.duration().map_or_else(rounds, duration)
}

fn embeddings(embedding: &EmbeddingConfig) -> String {
    if embedding.price.is_zero() {
        return format!("{}, free", embedding.model);
    }
    let per_million = embedding.price.saturating_mul(1_000_000).display(2);
    let EmbeddingConfig { model, price_origin, .. } = embedding;
    format!("{model}, {per_million} per million tokens\n{:<14} from {price_origin}", "")
}

fn price(phase: &PhasePlan) -> String {
    if phase.price.is_free() {
        return "free".to_owned();
    }
    let per_million = |token: Usd| {
        let price = token.saturating_mul(1_000_000);
        let exact = price.to_string();
        // Half of a cheap model's price has fractions of a cent.
        let is_finer = exact.split_once('.').is_some_and(|(_, cents)| cents.len() > 2);
        if is_finer { format!("${exact}") } else { price.display(2) }
    };
    format!(
        "{} in, {} out per million tokens\n{:<14} from {}",
        per_million(phase.price.input),
        per_million(phase.price.output),
        "",
        phase.price_origin
    )
}

fn budget(plan: &Plan) -> String {
    let Some(budget) = plan.money.budget else { return "none: nothing costs anything".to_owned() };
    if let Some(whole) = plan.pilot_of {
        let (pilot, whole) = (budget.display(2), whole.display(2));
        return format!("{pilot} of {whole} for a pilot; the estimate is of the whole run");
    }
    let used = plan.money.committed();
    let mut text = budget.display(2);
    if !used.is_zero() {
        text = format!("{text}, {} of it used", used.display(4));
    }
    if plan.cost() > plan.money.left() {
        text.push_str("; the estimate is higher: the run may stop short of the target");
    }
    text
}

fn limits(phase: &PhasePlan) -> String {
    if let Some(batch) = phase.batch {
        let (requests, at_once) = (count(batch.requests as u64), batch.at_once);
        return format!("batches of up to {requests} requests, {at_once} at once");
    }
    let limit = |limit: Option<u64>, what: &str| match limit {
        Some(limit) => format!("{} {what} a minute", count(limit)),
        None => format!("any number of {what}"),
    };
    let up_to = if phase.adapts { "up to " } else { "" };
    format!(
        "{}, {}, {up_to}{} at once",
        limit(phase.limits.requests_per_minute, "requests"),
        limit(phase.limits.tokens_per_minute, "tokens"),
        phase.concurrency
    )
}
