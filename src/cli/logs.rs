//! Log lines on stderr, written around the progress bars.

use std::io::{self, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
        .with_target(false)
        .with_writer(AroundBars)
        .with_ansi(false)
        // It would report on stderr, with a panic where that is closed, that stderr is closed.
        .log_internal_errors(false);
    // A second start in one process keeps the first subscriber.
    drop(subscriber.try_init());
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
