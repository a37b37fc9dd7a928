//! What goes to stderr: log lines, written around the progress bars, as text or as one JSON object a
//! line.

use std::fmt::{self, Debug};
use std::io::{self, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::failure::{CliError, harmless};

/// The values of `--log-format`.
pub(super) const FORMATS: [&str; 2] = ["text", "json"];

/// Whether stderr is a JSON object a line, once somebody said.
static JSON: OnceLock<bool> = OnceLock::new();

/// The bars of this process; log lines are written while they stand aside.
pub(super) fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// Starts logging: warnings, or more with `-v` and `-vv`. Only this program's own events are
/// shown: what libraries log about a connection may hold its headers.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::new(format!("off,instructmill={level}"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // It would report on stderr, with a panic where that is closed, that stderr is closed.
        .log_internal_errors(false)
        .event_format(Lines { text: Format::default().with_target(false).with_ansi(false) })
        .with_writer(AroundBars);
    // A second start in one process keeps the first subscriber.
    drop(subscriber.try_init());
}

/// From now on lines have this format, one of [`FORMATS`], unless another one was chosen before.
pub(super) fn use_format(name: &str) -> Result<(), CliError> {
    if !FORMATS.contains(&name) {
        let known = FORMATS.join(" or ");
        return Err(CliError::usage(format!("log-format: `{name}` is not {known}")));
    }
    JSON.get_or_init(|| name == "json");
    Ok(())
}

/// Whether stderr is for programs: no bars then, and every line is a JSON object.
pub(super) fn is_json() -> bool {
    JSON.get() == Some(&true)
}

/// Writes a line of JSON that is no log event: what would be said to a person. It is written whatever
/// the level.
pub(super) fn record(level: Level, message: &str, fields: &Map<String, Value>) {
    let line = json_line(level, env!("CARGO_PKG_NAME"), message, fields);
    // A closed stderr has nobody to listen.
    drop(AroundBars.write_all(line.as_bytes()));
}

fn json_line(level: Level, target: &str, message: &str, fields: &Map<String, Value>) -> String {
    let value = json!({
        "time": jiff::Timestamp::now().to_string(),
        "level": level.as_str(),
        "target": target,
        "message": harmless(message),
        "fields": fields,
    });
    format!("{value}\n")
}

/// Events as lines of either format.
struct Lines {
    text: Format,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !is_json() {
            return self.text.format_event(context, writer, event);
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let Fields { message, others } = fields;
        writer.write_str(&json_line(*metadata.level(), metadata.target(), &message, &others))
    }
}

/// The fields of an event, numbers as numbers.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, harmless(&text));
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct AroundBars;

impl<'a> MakeWriter<'a> for AroundBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for AroundBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        bars().suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_it_says() {
        let fields = Map::from_iter([("needed".to_owned(), json!(3))]);
        let line = json_line(Level::WARN, "a::b", "one\ntwo \u{1b}[2J\u{202e}", &fields);
        assert_eq!(line.lines().count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (value["level"].as_str(), value["target"].as_str()),
            (Some("WARN"), Some("a::b"))
        );
        assert_eq!(value["message"], "one\ntwo \\u{1b}[2J\\u{202e}");
        assert_eq!(value["fields"]["needed"], 3);
        assert!(value["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert!(use_format("yaml").is_err());
    }
}
