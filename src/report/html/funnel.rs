//! From responses to accepted tasks, and what each rule turned away.

use super::blocks::{meter, paragraph, quoted, section};
use super::markup::Html;
use super::numbers::{counted, share_text};
use super::real;
use crate::event::Stage;
use crate::report::count;
use crate::report::figures::{RuleSamples, RunFigures};
use crate::summary::Summary;

/// Bytes of samples in the page, so that the worst texts do not swell it.
const SAMPLE_BYTES: usize = 400_000;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    let summary = &figures.totals.summary;
    section(
        html,
        ("funnel", "From responses to accepted tasks"),
        figures.totals.simulated,
        |html| {
            let answered = counted(summary.attempts.answered, "response", "responses");
            let items = counted(summary.candidates(), "item", "items");
            let text = format!("{answered} held {items}. What was left after each stage:");
            paragraph(html, &text);
            stages(html, summary);
            if summary.unjudged_responses > 0 {
                let kept = match summary.unjudged_responses {
                    1 => "One response is not judged to its end: it is".to_owned(),
                    more => {
                        format!("{} responses are not judged to their end: they are", count(more))
                    }
                };
                paragraph(html, &format!("{kept} kept for a higher target."));
            }
            html.leaf("h3", &[], "What each rule turned away");
            rules(html, figures);
        },
    );
}

/// What is left after each stage, and its name then.
fn left_after(summary: &Summary) -> Vec<(&'static str, u64)> {
    let mut left = summary.candidates();
    let mut stages = vec![("items in responses", left)];
    for (stage, name) in [
        (Stage::Parse, "could be read"),
        (Stage::Filter, "passed the filters"),
        (Stage::Contaminated, "free of benchmark texts"),
        (Stage::Novelty, "novel: accepted"),
    ] {
        let rejected = summary.rejected_at(stage);
        left = left.saturating_sub(rejected);
        if rejected > 0 || stage != Stage::Contaminated {
            stages.push((name, left));
        }
    }
    stages
}

fn stages(html: &mut Html, summary: &Summary) {
    let items = summary.candidates();
    html.element("ol", &[("class", "funnel")], |html| {
        for (name, left) in left_after(summary) {
            html.element("li", &[], |html| {
                html.leaf("span", &[("class", "name")], name);
                html.text(" ").leaf("b", &[], &count(left));
                html.text(" ").leaf("span", &[("class", "share")], &share_text(left, items));
                meter(html, "a", real(left) / real(items.max(1)));
            });
        }
    });
}

fn rules(html: &mut Html, figures: &RunFigures) {
    let items = figures.totals.summary.candidates();
    let mut rules: Vec<_> = figures.candidates.rejects().iter().collect();
    rules.sort_by_key(|(key, rule)| (std::cmp::Reverse(rule.seen), *key));
    if rules.is_empty() {
        paragraph(html, "Nothing was turned away.");
    }
    let limit = html.len() + SAMPLE_BYTES;
    for ((stage, name), rule) in rules {
        html.element("details", &[("class", "rule")], |html| {
            html.element("summary", &[], |html| {
                let named = format!("{} · {name}", stage.as_str());
                html.leaf("span", &[("class", "name")], &named);
                html.text(" ").leaf("b", &[], &count(rule.seen));
                html.text(" ").leaf("span", &[("class", "share")], &share_text(rule.seen, items));
                meter(html, "b", real(rule.seen) / real(items.max(1)));
            });
            samples(html, rule, limit);
        });
    }
}

fn samples(html: &mut Html, rule: &RuleSamples, limit: usize) {
    html.leaf("p", &[("class", "cut")], "Some of them, drawn by chance:");
    for (text, detail) in &rule.samples {
        if html.len() > limit {
            html.leaf("p", &[("class", "cut")], "More would make the page too large.");
            return;
        }
        html.element("blockquote", &[], |html| {
            quoted(html, "text", text);
            if !detail.text.is_empty() {
                quoted(html, "detail", detail);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Rejections;

    #[test]
    fn each_stage_leaves_what_the_next_gets() {
        let key = |stage, rule: &str| (stage, rule.to_owned());
        let summary = Summary {
            accepted: 60,
            rejections: Rejections::from([
                (key(Stage::Parse, "truncated"), 5),
                (key(Stage::Filter, "too_short"), 10),
                (key(Stage::Novelty, "rouge-l"), 25),
            ]),
            ..Summary::default()
        };
        assert_eq!(
            left_after(&summary),
            [
                ("items in responses", 100),
                ("could be read", 95),
                ("passed the filters", 85),
                ("novel: accepted", 60)
            ]
        );
    }
}
