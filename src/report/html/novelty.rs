//! How new the tasks are, and how long new ones will come.

use super::blocks::{Table, details, facts, figure, paragraph, section};
use super::chart::{Axis, Band, Bar, Histogram, Line, LineChart};
use super::markup::Html;
use super::numbers::{compact, money, percent_text, share_text};
use super::real;
use crate::report::count;
use crate::report::figures::{Distribution, NearestSeed, Outlook, RunFigures, project};
use crate::usd::Usd;

/// A bar of similarities holds so many hundredths.
const BAR: u64 = 5;
/// What takes the place of a dollar where nothing costs anything.
const CANDIDATES_FOR_NOTHING: f64 = 1_000.0;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    section(html, ("novelty", "How new the tasks are"), figures.totals.simulated, |html| {
        growth(html, figures);
        html.element("div", &[("class", "pair")], |html| {
            nearest_seed(html, figures);
            nearest_task(html, figures);
        });
    });
}

/// Histogram of similarities, one colour for each distribution, the second behind the first.
fn similarities(
    name: &str,
    scores: &Distribution,
    class: &'static str,
) -> (Histogram<'static>, Table) {
    let mut table = Table::new(&["similarity", "tasks", "share"]);
    let mut bars = Vec::new();
    for from in (0..100).step_by(usize::try_from(BAR).unwrap_or(1)) {
        let to = if from + BAR >= 100 { 100 } else { from + BAR - 1 };
        let held = scores.between(from, to);
        let range = format!("{:.2} to {:.2}", real(from) / 100.0, real(from + BAR) / 100.0);
        let share = share_text(held, scores.total());
        table.row([range.clone(), count(held), share.clone()]);
        bars.push(Bar {
            title: format!("{range}: {} tasks, {share} ({name})", count(held)),
            value: real(held),
            class,
        });
    }
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let marks = (0..=5_u32).map(|n| (f64::from(n) * 4.0, format!("{:.1}", f64::from(n) / 5.0)));
    let chart = Histogram {
        name: "Histogram of similarities",
        bars,
        marks: marks.collect(),
        y: Axis::count(most),
        names: ("similarity", "tasks"),
        limit: None,
    };
    (chart, table)
}

fn nearest_seed(html: &mut Html, figures: &RunFigures) {
    let title = "Similarity to the nearest seed task";
    match &figures.nearest_seed {
        NearestSeed::Unknown(reason) => missing(html, title, reason),
        NearestSeed::Compared { similarity, scores } => {
            let (chart, table) = similarities("nearest seed", scores, "a");
            let accepted = figures.candidates.accepted();
            let which = if scores.total() < accepted {
                format!("{} accepted tasks, evenly spread", count(scores.total()))
            } else {
                format!("All {} accepted tasks", count(scores.total()))
            };
            let says = format!(
                "{which}, by {similarity}; half are below {:.2}. The histogram of Self-Instruct's \
                 figure 4.",
                real(scores.percentile(50) + 1) / 100.0
            );
            figure(html, title, &says, &chart.draw(), &table);
        }
    }
}

fn missing(html: &mut Html, title: &str, reason: &str) {
    html.element("div", &[], |html| {
        html.leaf("h3", &[], title);
        paragraph(html, reason);
    });
}

fn nearest_task(html: &mut Html, figures: &RunFigures) {
    let title = "Similarity to the nearest task before";
    let (accepted, duplicates) =
        (figures.candidates.accepted_scores(), figures.candidates.duplicate_scores());
    if accepted.total() + duplicates.total() == 0 {
        missing(html, title, "No similarity was stored, and there were no duplicates.");
        return;
    }
    let (mut chart, mut table) = similarities("duplicates", duplicates, "b");
    let mut says = format!("{} duplicates.", count(duplicates.total()));
    if accepted.total() > 0 {
        let (kept, kept_table) = similarities("accepted", accepted, "a");
        says = format!("{} accepted tasks, and {says}", count(accepted.total()));
        table.head = vec!["similarity", "accepted", "duplicates"];
        for ((row, kept_row), (bar, kept)) in
            table.rows.iter_mut().zip(kept_table.rows).zip(chart.bars.iter_mut().zip(kept.bars))
        {
            row.pop();
            row.insert(1, kept_row.get(1).cloned().unwrap_or_default());
            bar.title = format!("{}\n{}", kept.title, bar.title);
            // One bar for both; its colour is that of the larger part.
            bar.class = if kept.value >= bar.value { "a" } else { "b" };
            bar.value += kept.value;
        }
        chart.y = Axis::count(chart.bars.iter().map(|bar| bar.value).fold(0.0, f64::max));
    } else {
        says.push_str(
            " Of accepted tasks the run did not record the nearest task: the setting record_nearest \
             does, at the price of a scan of the pool for each.",
        );
    }
    figure(html, title, &says, &chart.draw(), &table);
}

fn growth(html: &mut Html, figures: &RunFigures) {
    let growth = figures.candidates.growth();
    let steps = growth.steps();
    let title = "Still new, as the pool grew";
    if steps.is_empty() {
        missing(html, title, "Too few items came as far as the novelty check to say.");
        return;
    }
    let mut table = Table::new(&["tasks in the pool", "items checked", "novel", "share"]);
    let (mut points, mut bands) = (Vec::new(), Vec::new());
    for step in steps {
        let rate = step.rate().unwrap_or_default();
        let share = share_text(step.novel, step.checked);
        table.row([count(step.pool), count(step.checked), count(step.novel), share.clone()]);
        let end = step.pool + step.novel;
        points.push((f64::midpoint(real(step.pool), real(end)), rate));
        bands.push(Band {
            from: real(step.pool),
            to: real(end),
            title: format!("{} to {} tasks: {share} novel", count(step.pool), count(end)),
        });
    }
    let chart = LineChart {
        name: title,
        lines: vec![Line { class: "a", points, filled: true }],
        bands,
        x: Axis::count(real(growth.pool())),
        y: Axis::share(1.0),
        names: ("tasks in the pool", "novel items"),
        limit: None,
    };
    html.element("div", &[("class", "pair")], |html| {
        let says = "Of the items that passed the filters, the share that was no duplicate.";
        figure(html, title, says, &chart.draw(), &table);
        html.element("div", &[], |html| outlook(html, figures));
    });
}

/// How many candidates reach the novelty check for a dollar; `None` when nothing costs anything.
fn checked_per_dollar(figures: &RunFigures) -> Option<f64> {
    let summary = &figures.totals.summary;
    let paid = summary.spent.saturating_add(summary.unconfirmed).to_f64();
    let checked = summary.accepted + summary.rejected_at(crate::event::Stage::Novelty);
    (paid > 0.0).then(|| real(checked) / paid)
}

fn outlook(html: &mut Html, figures: &RunFigures) {
    let growth = figures.candidates.growth();
    let per_dollar = checked_per_dollar(figures);
    let outlook =
        project(growth.steps(), growth.pool(), per_dollar.unwrap_or(CANDIDATES_FOR_NOTHING));
    html.leaf("h3", &[], "What another dollar would buy");
    let rate = growth.steps().last().and_then(super::super::figures::GrowthStep::rate);
    let mut rows = Vec::new();
    if let (Some(rate), Some(checked)) = (rate, per_dollar) {
        rows.push(("new tasks for a dollar, at the end", compact(rate * checked)));
        if rate > 0.0 {
            let each = 1_000.0 / (rate * checked);
            rows.push(("the next 1,000 would cost", format!("{} or more", dollars(each))));
        }
    }
    let unit = if per_dollar.is_some() { "another dollar" } else { "another 1,000 items" };
    match outlook {
        Outlook::TooEarly => {
            facts(html, &rows);
            paragraph(html, "Too few items were checked to project how it goes on.");
        }
        Outlook::Steady => {
            facts(html, &rows);
            paragraph(
                html,
                "Over the second half of the run the share of new items did not fall by \
                more than chance can explain, so there is no end in sight to project.",
            );
        }
        Outlook::Falling { exhausted_at, earliest, latest, rate_at_double } => {
            rows.push(("novel items at twice the pool", percent_text(rate_at_double)));
            rows.push(("nothing new any more at", format!("{} tasks", rounded(exhausted_at))));
            facts(html, &rows);
            let text = format!(
                "If it goes on falling as it did, {unit} buys nothing new once the pool has about {} \
                 tasks (between {} and {}, by the scatter of the rates).",
                rounded(exhausted_at),
                rounded(earliest),
                rounded(latest)
            );
            paragraph(html, &text);
        }
    }
    details(html, "How this is projected", |html| paragraph(html, METHOD));
}

const METHOD: &str = "A straight line is laid through the logarithm of the share of novel items over the \
    second half of the run (least squares, each stretch weighted by how exactly chance lets its share be \
    known) and drawn on to where a dollar, or 1,000 items where nothing costs anything, brings less than \
    one new task. The range is that of the slope within twice its standard error, widened when the \
    shares scatter more than chance would have them; a slope that is not below zero by that much is \
    called no fall. It supposes that model, prompt and rules stay as they are and that the share goes \
    on falling at the pace it had. It knows nothing of the quality of the tasks.";

/// A projected number to two digits: more would be pretended.
fn rounded(number: f64) -> String {
    if !number.is_finite() || number >= 1e12 {
        return "more than a billion".to_owned();
    }
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10^12")]
    let whole = ((number / unit).round() * unit) as u64;
    count(whole)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held within u64")]
fn dollars(amount: f64) -> String {
    money(Usd::from_pico((amount * 1e12).clamp(0.0, 1e19) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projected_numbers_pretend_no_more_than_two_digits() {
        let numbers = [0.0, 7.4, 96.0, 1_234.0, 987_654.0, f64::INFINITY].map(rounded);
        assert_eq!(numbers, ["0", "7", "96", "1,200", "990,000", "more than a billion"]);
    }

    #[test]
    fn the_last_bar_holds_what_is_exactly_alike() {
        let mut scores = Distribution::default();
        for score in [0, 4, 5, 94, 95, 100] {
            scores.note(score);
        }
        let (chart, table) = similarities("x", &scores, "a");
        let values: Vec<f64> = chart.bars.iter().map(|bar| bar.value).collect();
        assert_eq!(values.len(), 20);
        assert_eq!((values[0], values[1], values[18], values[19]), (2.0, 1.0, 1.0, 2.0));
        assert_eq!(table.rows[19], ["0.95 to 1.00", "2", "33.3%"]);
    }
}
