//! One row, whole, beside the task that is most similar to it.

use super::frame::document;
use super::texts::{mark_form, marked, text, verdict};
use crate::event::Phase;
use crate::report::html::{Html, facts, paragraph};
use crate::store::StoredRow;
use crate::task::TaskRef;
use crate::viewer::ViewedRun;
use crate::viewer::desk::{Beside, Neighbour};

/// Characters of a text: more than anybody reads, fewer than a browser chokes on.
const MOST_CHARS: usize = 100_000;

pub(in crate::viewer) fn row(run: &ViewedRun, beside: &Beside, token: &str) -> String {
    let row = &beside.row;
    document(run, &format!("{} · row {}", run.models.names().join(", "), row.id), |html| {
        html.element("header", &[], |html| {
            html.leaf("h1", &[], &format!("Row {}", row.id));
            ways(html, beside);
        });
        html.element("main", &[("id", "rows")], |html| {
            html.element("section", &[("aria-labelledby", "text-heading")], |html| {
                html.leaf("h2", &[("id", "text-heading")], "The text");
                told(html, run, beside);
                let task = &row.candidate;
                for (name, part) in [
                    ("Instruction", &task.instruction),
                    ("Input", &task.input),
                    ("Output", &task.output),
                ] {
                    if !part.is_empty() {
                        html.leaf("h3", &[], name);
                        text(html, "text", part, MOST_CHARS);
                    }
                }
                mark_form(html, row.id, beside.marked, token, None);
            });
            html.element("section", &[("aria-labelledby", "near-heading")], |html| {
                html.leaf("h2", &[("id", "near-heading")], "Beside its nearest neighbour");
                match &beside.neighbour {
                    Some(neighbour) => compare(html, neighbour, row.score),
                    None => paragraph(html, "None is recorded for this row."),
                }
            });
        });
    })
}

fn ways(html: &mut Html, beside: &Beside) {
    html.element("nav", &[("aria-label", "Rows")], |html| {
        html.element("ul", &[], |html| {
            let mut way = |name: &str, address: &str| {
                html.element("li", &[], |html| {
                    html.leaf("a", &[("href", address)], name);
                });
            };
            way("All rows", "/");
            if let Some(id) = beside.before {
                way("Row before", &format!("/row/{id}"));
            }
            if let Some(id) = beside.after {
                way("Row after", &format!("/row/{id}"));
            }
            if let Some(id) = beside.row.output_of {
                way("Its instruction", &format!("/row/{id}"));
            }
            way(
                "Its whole request",
                &format!("/?request={}&order=oldest", beside.row.request_index),
            );
        });
    });
}

fn told(html: &mut Html, run: &ViewedRun, beside: &Beside) {
    let row = &beside.row;
    let mut known = vec![
        ("verdict", verdict(row).1),
        ("model", model(run, row)),
        ("request", row.request_index.to_string()),
        ("response", row.id.response_seq.to_string()),
    ];
    if !row.detail.is_empty() {
        known.push(("why", row.detail.chars().take(2_000).collect()));
    }
    if beside.marked {
        known.push(("mark", "bad: exports leave it out".to_owned()));
    }
    facts(html, &known);
}

/// Who wrote it; of an output also who wrote its instruction, where that was another model.
fn model(run: &ViewedRun, row: &StoredRow) -> String {
    let own = run.models.of(row.phase).unwrap_or_default();
    let first = run.models.of(Phase::Instructions).filter(|_| row.output_of.is_some());
    match first.filter(|first| *first != own) {
        Some(first) => format!("{own}; its instruction: {first}"),
        None => own.to_owned(),
    }
}

fn compare(html: &mut Html, neighbour: &Neighbour, score: Option<f64>) {
    let name = match neighbour.task {
        TaskRef::Seed(number) => format!("seed task {number}"),
        TaskRef::Accepted(number) => format!("task {number}"),
        TaskRef::Open(number) => format!("instruction {number}"),
    };
    html.element("p", &[], |html| {
        html.text("The most similar task in the pool at that moment was ");
        match neighbour.place {
            Some(id) => html.leaf("a", &[("href", &format!("/row/{id}"))], &name),
            None => html.text(&name),
        };
        html.text(
            &score.map_or_else(String::new, |score| format!(", with a similarity of {score:.4}")),
        );
        html.text(".");
    });
    let texts = match &neighbour.texts {
        Ok(texts) => texts,
        Err(why) => {
            html.element("p", &[], |html| {
                html.foreign(why);
            });
            return;
        }
    };
    let common = texts.common.first.len();
    let says = match common {
        0 => "They have no words in common.".to_owned(),
        1 => "One word is marked that both have.".to_owned(),
        n => format!("Marked are the {n} words that both have in the same order."),
    };
    paragraph(html, &says);
    html.element("div", &[("class", "pair")], |html| {
        for (heading, text, parts) in [
            ("This row", &texts.own, &texts.common.first),
            (name.as_str(), &texts.other, &texts.common.second),
        ] {
            html.element("div", &[], |html| {
                html.leaf("h3", &[], heading);
                marked(html, text, parts);
            });
        }
    });
}
