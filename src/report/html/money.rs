//! Where the money went.

use super::blocks::{Table, facts, figure, paragraph, section};
use super::chart::{Axis, Band, Line, LineChart};
use super::markup::Html;
use super::numbers::{counted, millis, money, share_text};
use super::real;
use crate::event::Phase;
use crate::report::RunReport;
use crate::report::count;
use crate::report::figures::RunFigures;
use crate::report::text::expected;
use crate::summary::Summary;
use crate::usd::Usd;

/// Points of the curve.
const POINTS: u64 = 80;
/// Rows of its table.
const TABLE_EVERY: usize = 8;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    let totals = &figures.totals;
    section(html, ("money", "Where the money went"), totals.simulated, |html| {
        account(html, figures);
        html.element("div", &[("class", "pair")], |html| {
            curve(html, figures);
            html.element("div", &[], |html| {
                html.leaf("h3", &[], "By token class");
                classes(html, figures);
                phases(html, &totals.summary);
                html.leaf("h3", &[], "By model");
                models(html, totals);
                endpoints(html, &totals.summary);
            });
        });
    });
}

/// What each model was asked; the model of the embeddings is told by what it is for.
fn models(html: &mut Html, totals: &RunReport) {
    let outputs = totals.output_model.as_ref().unwrap_or(&totals.model);
    let mut rows = vec![(totals.model.as_str(), 0, Usd::ZERO)];
    for (phase, of_phase) in &totals.summary.by_phase {
        let name = match phase {
            Phase::Tasks | Phase::Instructions => totals.model.as_str(),
            Phase::Responses => outputs.as_str(),
            Phase::Embeddings => "embeddings",
        };
        let place = rows.iter().position(|(own, ..)| *own == name).unwrap_or_else(|| {
            rows.push((name, 0, Usd::ZERO));
            rows.len() - 1
        });
        if let Some((_, attempts, spent)) = rows.get_mut(place) {
            *attempts += of_phase.attempts;
            *spent = spent.saturating_add(of_phase.spent);
        }
    }
    let mut table = Table::new(&["model", "attempts", "spent"]);
    for (name, attempts, spent) in rows {
        table.row([name.to_owned(), count(attempts), money(spent)]);
    }
    table.write(html, "Money by model");
}

/// What each of several endpoints was asked.
fn endpoints(html: &mut Html, summary: &Summary) {
    if summary.by_endpoint.is_empty() {
        return;
    }
    html.leaf("h3", &[], "By endpoint");
    let mut table = Table::new(&["endpoint", "attempts", "429s", "refused", "tokens", "spent"]);
    for (name, totals) in &summary.by_endpoint {
        let spent = money(totals.spent);
        let [attempts, limited, refused, tokens] =
            [totals.attempts, totals.rate_limited, totals.refused, totals.tokens].map(count);
        table.row([name.clone(), attempts, limited, refused, tokens, spent]);
    }
    table.write(html, "Money by endpoint");
}

fn account(html: &mut Html, figures: &RunFigures) {
    let totals = &figures.totals;
    let summary = &totals.summary;
    let mut rows = vec![
        ("spent", money(summary.spent)),
        ("unconfirmed, counted apart", money(summary.unconfirmed)),
    ];
    if !summary.reserved.is_zero() {
        rows.push(("reserved for requests under way", money(summary.reserved)));
    }
    if let Some(budget) = totals.budget {
        let used = summary.spent.saturating_add(summary.unconfirmed);
        let share = share_text(used.pico(), budget.pico());
        rows.push(("budget", format!("{}, {share} of it used", money(budget))));
    }
    if let Some(each) = summary.usd_per_thousand() {
        rows.push(("per 1,000 pairs, unconfirmed included", money(each)));
    }
    if let Some(each) = summary.spent.pico().checked_div(summary.attempts.answered) {
        rows.push(("per answered request", money(Usd::from_pico(each))));
    }
    if summary.usage.cached_input > 0 {
        let (cached, all) = (summary.usage.cached_input, summary.usage.prompt_total());
        rows.push(("prompt tokens from the cache", share_text(cached, all)));
    }
    if let Some(text) = expected(summary) {
        rows.push(("expected", text));
    }
    facts(html, &rows);
    if summary.attempts.unconfirmed > 0 {
        let text = format!(
            "Of {} the outcome is not known (no whole answer came, or none that says what it \
             cost). It may have been billed, so it counts at the most it can have cost.",
            counted(summary.attempts.unconfirmed, "attempt", "attempts")
        );
        paragraph(html, &text);
    }
}

fn classes(html: &mut Html, figures: &RunFigures) {
    let mut table = Table::new(&["class", "tokens", "cost", "share"]);
    let all: Usd = figures.classes.iter().filter_map(|class| class.cost).sum();
    for class in &figures.classes {
        let cost = class.cost.map_or_else(|| "-".to_owned(), money);
        let share =
            class.cost.map_or_else(|| "-".to_owned(), |cost| share_text(cost.pico(), all.pico()));
        table.row([class.name.to_owned(), count(class.tokens), cost, share]);
    }
    table.write(html, "Money by token class");
    if let Some(reason) = &figures.no_class_costs {
        paragraph(html, reason);
    }
}

/// Where requests had several purposes.
fn phases(html: &mut Html, summary: &Summary) {
    if summary.by_phase.len() < 2 {
        return;
    }
    html.leaf("h3", &[], "By phase");
    let mut table = Table::new(&["phase", "attempts", "tokens", "spent", "unconfirmed"]);
    for (phase, totals) in &summary.by_phase {
        table.row([
            phase.as_str().to_owned(),
            count(totals.attempts),
            count(totals.usage.total()),
            money(totals.spent),
            money(totals.unconfirmed),
        ]);
    }
    table.write(html, "Money by phase");
}

fn curve(html: &mut Html, figures: &RunFigures) {
    let spending = figures.attempts.spending(POINTS);
    let most = spending.last().map_or(0.0, |last| last.with_unconfirmed.to_f64());
    let at = |ms: u64| real(ms);
    let line = |class, of: &dyn Fn(usize) -> Usd, filled| Line {
        class,
        points: (0..spending.len()).map(|i| (at(spending[i].at_ms), of(i).to_f64())).collect(),
        filled,
    };
    let mut lines = vec![line("a", &|i| spending[i].spent, true)];
    let unconfirmed = !figures.totals.summary.unconfirmed.is_zero();
    if unconfirmed {
        lines.insert(0, line("b", &|i| spending[i].with_unconfirmed, false));
    }
    let bands = spending.windows(2).map(|two| Band {
        from: at(two[0].at_ms),
        to: at(two[1].at_ms),
        title: format!("after {}: {}", millis(two[1].at_ms), money(two[1].spent)),
    });
    let chart = LineChart {
        name: "Money spent over time",
        bands: bands.collect(),
        lines,
        x: Axis::time(at(figures.attempts.active_ms())),
        y: Axis::usd(most),
        names: ("time at work", "US dollars"),
        limit: None,
    };
    let mut table = Table::new(&["after", "spent", "with unconfirmed"]);
    for point in spending.iter().skip(TABLE_EVERY).step_by(TABLE_EVERY) {
        table.row([millis(point.at_ms), money(point.spent), money(point.with_unconfirmed)]);
    }
    let says = if unconfirmed {
        "Spent, and above it what unconfirmed attempts may add. Time between sessions is left out."
    } else {
        "Time between sessions is left out."
    };
    figure(html, "Spent over time", says, &chart.draw(), &table);
}
