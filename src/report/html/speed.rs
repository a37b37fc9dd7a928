//! How fast it went, beside what was allowed.

use super::blocks::{Table, facts, figure, paragraph, section};
use super::chart::{Axis, Band, Bar, Histogram, Line, LineChart};
use super::markup::Html;
use super::numbers::{compact, millis};
use super::real;
use crate::report::count;
use crate::report::figures::{Distribution, RunFigures};

/// Histogram of the histogram of latencies.
const BARS: u64 = 30;
/// A rate over less time says nothing about a minute.
const SHORTEST_MS: u64 = 5_000;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    section(html, ("speed", "How fast it went"), figures.totals.simulated, |html| {
        let latencies = figures.attempts.latencies();
        requests(html, figures, latencies);
        let (length, pace) = figures.attempts.pace();
        if figures.attempts.active_ms() < SHORTEST_MS {
            paragraph(html, "The run was too short for rates over time.");
        } else {
            let minute = |number: u64| real(number) * 60_000.0 / real(length);
            html.element("div", &[("class", "pair")], |html| {
                let requests = pace.iter().map(|pace| minute(pace.attempts)).collect();
                let limit = figures.requests_per_minute;
                rate(html, figures, &Rate { what: "Requests", length, values: requests, limit });
                let tokens = pace.iter().map(|pace| minute(pace.tokens)).collect();
                let limit = figures.tokens_per_minute;
                rate(html, figures, &Rate { what: "Tokens", length, values: tokens, limit });
            });
        }
        if latencies.total() > 0 {
            html.element("div", &[("class", "pair")], |html| {
                latency(html, latencies);
                percentiles(html, latencies);
            });
        }
    });
}

fn requests(html: &mut Html, figures: &RunFigures, latencies: &Distribution) {
    let summary = &figures.totals.summary;
    let (busiest, tokens) = figures.attempts.busiest_minute();
    let limit = |limit: Option<u64>| {
        limit.map_or_else(|| "no limit set".to_owned(), |limit| format!("{} allowed", count(limit)))
    };
    let requests_allowed = limit(figures.requests_per_minute);
    let tokens_allowed = limit(figures.tokens_per_minute);
    facts(
        html,
        &[
            ("requests", count(summary.requests)),
            ("attempts", count(summary.attempts.sent)),
            ("retries", count(summary.retries())),
            ("met the rate limit (429)", count(summary.attempts.rate_limited)),
            ("refused otherwise", count(summary.attempts.refused)),
            ("outcome not known", count(summary.attempts.unconfirmed)),
            ("attempts in the busiest minute", format!("{} ({requests_allowed})", count(busiest))),
            ("tokens in the busiest minute", format!("{} ({tokens_allowed})", count(tokens))),
            ("median latency", millis(latencies.percentile(50))),
        ],
    );
}

/// One rate over the time at work.
struct Rate {
    what: &'static str,
    length: u64,
    values: Vec<f64>,
    limit: Option<u64>,
}

fn rate(html: &mut Html, figures: &RunFigures, rate: &Rate) {
    let active = figures.attempts.active_ms();
    let title = format!("{} a minute", rate.what);
    let mut table = Table::new(&["from", "a minute"]);
    let (mut points, mut bands) = (Vec::new(), Vec::new());
    let mut from = 0;
    for value in &rate.values {
        let to = (from + rate.length).min(active);
        // The last stretch may be shorter than the others.
        let value = value * real(rate.length) / real((to - from).max(1));
        table.row([millis(from), compact(value)]);
        // A remainder of a stretch is as good as no mean.
        if to - from >= rate.length / 2 || points.is_empty() {
            points.extend([(real(from), value), (real(to), value)]);
        }
        let shown = format!("from {}: {} a minute", millis(from), compact(value));
        bands.push(Band { from: real(from), to: real(to), title: shown });
        from = to;
    }
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let limit = rate.limit.map(real);
    // A limit far above what was asked is only named: drawn, it would flatten the line.
    let drawn = limit.filter(|limit| *limit <= most * 4.0);
    let chart = LineChart {
        name: &title,
        lines: vec![Line { class: "a", points, filled: true }],
        bands,
        x: Axis::time(real(active)),
        y: Axis::count(most.max(drawn.unwrap_or(0.0))),
        names: ("time at work", &title),
        limit: drawn.map(|limit| (limit, format!("allowed: {}", compact(limit)))),
    };
    let allowed = limit
        .map_or_else(|| "no limit was set".to_owned(), |l| format!("{} were allowed", compact(l)));
    let mut says = format!("Mean over stretches of {}; {allowed}.", millis(rate.length));
    if limit.is_some() && rate.length < 60_000 {
        says.push_str(" The limit is one of whole minutes: a shorter stretch may lie above it.");
    }
    if rate.what == "Tokens" {
        says.push_str(" Tokens as used; a server may count the most that a request can use.");
    }
    figure(html, &title, &says, &chart.draw(), &table);
}

fn latency(html: &mut Html, latencies: &Distribution) {
    let title = "Latency of answers";
    let mut table = Table::new(&["latency", "answers"]);
    let mut bars = Vec::new();
    let bins = latencies.bins(BARS);
    for bin in &bins {
        let range = if bin.to == u64::MAX {
            format!("{} and more", millis(bin.from))
        } else {
            format!("{} to {}", millis(bin.from), millis(bin.to.saturating_add(1)))
        };
        table.row([range.clone(), count(bin.count)]);
        let class = if bin.to == u64::MAX { "c" } else { "a" };
        let title = format!("{range}: {} answers", count(bin.count));
        bars.push(Bar { title, value: real(bin.count), class });
    }
    let every = bins.len().div_ceil(5).max(1);
    let marks = bins
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(index, bin)| (real(u64::try_from(index).unwrap_or(0)), millis(bin.from)));
    let chart = Histogram {
        name: title,
        marks: marks.collect(),
        y: Axis::count(bars.iter().map(|bar| bar.value).fold(0.0, f64::max)),
        bars,
        names: ("from sending to the last byte", "answers"),
        limit: None,
    };
    figure(html, title, "", &chart.draw(), &table);
}

fn percentiles(html: &mut Html, latencies: &Distribution) {
    html.element("div", &[], |html| {
        html.leaf("h3", &[], "Latency percentiles");
        let mut table = Table::new(&["of 100 answers", "took at most"]);
        for percent in [10, 50, 75, 90, 95, 99] {
            table.row([percent.to_string(), millis(latencies.percentile(percent))]);
        }
        table.row(["all".to_owned(), millis(latencies.max())]);
        table.write(html, "Latency percentiles");
    });
}
