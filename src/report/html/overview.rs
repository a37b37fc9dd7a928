//! What was asked and what came out.

use std::time::Duration;

use super::blocks::{Table, details, facts, section};
use super::markup::Html;
use super::numbers::{moment, money, share_text};
use crate::report::figures::RunFigures;
use crate::report::text::state;
use crate::report::{RunReport, count, duration};

/// What the page is about, in one line.
pub(super) fn title(totals: &RunReport) -> String {
    let accepted = count(totals.summary.accepted);
    let tasks = if totals.summary.accepted == 1 { "task" } else { "tasks" };
    if totals.simulated {
        return format!("{accepted} simulated {tasks}");
    }
    format!("{accepted} {tasks} from {}", totals.model)
}

/// The top of the page: the four numbers that matter most.
pub(super) fn header(html: &mut Html, figures: &RunFigures) {
    let totals = &figures.totals;
    let summary = &totals.summary;
    html.element("h1", &[], |html| {
        html.foreign(&title(totals));
    });
    html.element("p", &[("class", "lead")], |html| {
        html.foreign(&capitalized(&state(totals))).text(".");
    });
    let each = summary.usd_per_thousand().map_or_else(|| "-".to_owned(), money);
    let budget =
        totals.budget.map_or("no budget".to_owned(), |b| format!("of {} allowed", money(b)));
    let wanted = format!("accepted, of {} wanted", count(totals.target));
    let of = format!("of {} items were accepted", count(summary.candidates()));
    html.element("ul", &[("class", "lead-numbers")], |html| {
        for (number, what) in [
            (count(summary.accepted), wanted.as_str()),
            (money(summary.spent), &format!("spent, {budget}")),
            (each, "per 1,000 accepted tasks"),
            (share_text(summary.accepted, summary.candidates()), &of),
        ] {
            html.element("li", &[], |html| {
                html.leaf("strong", &[], &number).text(" ").leaf("span", &[], what);
            });
        }
    });
}

/// A text as a sentence begins.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(char::to_uppercase).into_iter().flatten().chain(rest).collect()
}

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    let totals = &figures.totals;
    let heading = ("result", "What was asked, and what came out");
    section(html, heading, totals.simulated, |html| {
        let when = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), moment);
        let active = Duration::from_millis(totals.summary.active_ms);
        let sessions = match figures.sessions {
            1 => "one session".to_owned(),
            more => format!("{} sessions", super::count_text(more)),
        };
        facts(
            html,
            &[
                ("model", models(totals)),
                ("provider", totals.provider.clone()),
                ("run", totals.run.display().to_string()),
                ("state", state(totals)),
                ("wanted", format!("{} tasks", count(totals.target))),
                ("accepted", format!("{} tasks", count(totals.summary.accepted))),
                ("began", when(figures.began_at_ms)),
                ("last written", when(figures.seen_at_ms)),
                ("at work", format!("{} in {sessions}", duration(active))),
            ],
        );
        details(html, "All settings", |html| settings(html, figures));
    });
}

/// The model, and the one of the outputs where that is another.
fn models(totals: &RunReport) -> String {
    match &totals.output_model {
        Some(outputs) => format!("{}; outputs: {outputs}", totals.model),
        None => totals.model.clone(),
    }
}

fn settings(html: &mut Html, figures: &RunFigures) {
    let mut table = Table::new(&["setting", "value"]);
    for (name, value) in &figures.settings {
        table.row([name.clone(), value.clone()]);
    }
    table.write(html, "All settings");
}
