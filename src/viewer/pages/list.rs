//! The list of rows: figures, filters, rows, ways on.

use super::frame::document;
use super::texts::{mark_form, text, verdict, written};
use crate::event::Stage;
use crate::report::count;
use crate::report::html::{Html, paragraph};
use crate::store::StoredRow;
use crate::viewer::ViewedRun;
use crate::viewer::desk::{MOST_COUNTED, Page};
use crate::viewer::live::Live;
use crate::viewer::query::{Cursor, Query, score_name};

/// Characters of a text in the list.
const MOST_CHARS: usize = 400;

pub(in crate::viewer) fn list(
    run: &ViewedRun,
    query: &Query,
    page: &Page,
    live: &Live,
    token: &str,
) -> String {
    document(run, &format!("{} · rows", run.models.names().join(", ")), |html| {
        html.element("header", &[], |html| header(html, run, live));
        html.element("main", &[], |html| {
            filters(html, run, query, page);
            html.element("section", &[("id", "rows"), ("aria-label", "Rows")], |html| {
                status(html, query, page, live);
                let back = query.write();
                html.element("ol", &[("class", "tasks rows")], |html| {
                    for (row, marked) in &page.rows {
                        html.line();
                        item(html, run, row, *marked, token, &back);
                    }
                });
                ways_on(html, query, page);
            });
        });
    })
}

fn header(html: &mut Html, run: &ViewedRun, live: &Live) {
    html.element("h1", &[], |html| {
        let names = run.models.names().join(", ");
        html.foreign(if names.is_empty() { "A run" } else { &names });
    });
    html.element("p", &[("class", "lead")], |html| {
        html.foreign(&run.dir.path().display().to_string()).text(" · ");
        let state = if live.running { "running" } else { "not running" };
        html.leaf("span", &[("data-live", "state")], state);
    });
    let figures = live.to_json();
    let text = |name: &str| figures.get(name).and_then(|text| text.as_str()).unwrap_or_default();
    html.element("ul", &[("class", "lead-numbers")], |html| {
        for (name, what) in [
            ("accepted", "accepted"),
            ("rejected", "turned away"),
            ("spent", "spent"),
            ("requests", "requests"),
        ] {
            html.element("li", &[], |html| {
                html.leaf("strong", &[("data-live", name)], text(name)).text(" ");
                html.leaf("span", &[], what);
            });
        }
    });
}

fn filters(html: &mut Html, run: &ViewedRun, query: &Query, page: &Page) {
    let form = [("method", "get"), ("action", "/"), ("class", "filters"), ("role", "search")];
    html.element("form", &form, |html| {
        labelled(html, "q", "Words", |html| {
            let field = [
                ("id", "q"),
                ("name", "q"),
                ("type", "search"),
                ("value", query.filter.text.as_str()),
                ("placeholder", "words, \"a phrase\""),
            ];
            html.empty("input", &field);
        });
        labelled(html, "fate", "Verdict", |html| {
            choice(html, "fate", &query.fate_name(), &fates(query, page));
        });
        if run.models.names().len() > 1 {
            labelled(html, "model", "Model", |html| {
                choice(html, "model", &query.model, &models(run));
            });
        }
        labelled(html, "score", "Similarity", |html| {
            let own = query.filter.least_tenths.map(score_name).unwrap_or_default();
            let mut options = vec![(String::new(), "any".to_owned())];
            options.extend((1..=10).map(|tenths| {
                let name = score_name(tenths);
                (name.clone(), format!("at least {name}"))
            }));
            choice(html, "score", &own, &options);
        });
        labelled(html, "request", "Request", |html| {
            let own = query.filter.request_index.map(|n| n.to_string()).unwrap_or_default();
            let field = [
                ("id", "request"),
                ("name", "request"),
                ("inputmode", "numeric"),
                ("size", "7"),
                ("placeholder", "any"),
                ("value", own.as_str()),
            ];
            html.empty("input", &field);
        });
        labelled(html, "order", "Order", |html| {
            let own = if query.oldest_first { "oldest" } else { "" };
            let options = [("", "newest first"), ("oldest", "oldest first")];
            choice(html, "order", own, &options.map(|(a, b)| (a.to_owned(), b.to_owned())));
        });
        html.leaf("button", &[("type", "submit")], "Show");
    });
}

fn labelled(html: &mut Html, id: &str, name: &str, field: impl FnOnce(&mut Html)) {
    html.element("div", &[("class", "field")], |html| {
        html.leaf("label", &[("for", id)], name);
        field(html);
    });
}

fn choice(html: &mut Html, name: &str, own: &str, options: &[(String, String)]) {
    html.element("select", &[("id", name), ("name", name)], |html| {
        for (value, text) in options {
            let selected: &[_] = if value == own { &[("selected", "")] } else { &[] };
            let attributes = [&[("value", value.as_str())], selected].concat();
            html.element("option", &attributes, |html| {
                html.foreign_alone(text);
            });
        }
    });
}

/// Every model with what it is asked for.
fn models(run: &ViewedRun) -> Vec<(String, String)> {
    let mut models = vec![(String::new(), "any".to_owned())];
    models.extend(run.models.names().into_iter().map(|name| {
        let phases = run.models.phases(name).into_iter().map(written).collect::<Vec<_>>();
        (name.to_owned(), format!("{name} · {}", phases.join(", ")))
    }));
    models
}

/// Every verdict that there is, with how many rows have it.
fn fates(query: &Query, page: &Page) -> Vec<(String, String)> {
    let mut fates = vec![
        (String::new(), "any".to_owned()),
        ("accepted".to_owned(), format!("accepted ({})", count(sum(page, |key| key.is_none())))),
        ("rejected".to_owned(), format!("turned away ({})", count(sum(page, |key| key.is_some())))),
        ("marked".to_owned(), "marked as bad".to_owned()),
    ];
    for stage in Stage::ALL {
        let whole = sum(page, |key| key.is_some_and(|(own, _)| *own == stage));
        if whole > 0 {
            let name = stage.as_str();
            fates.push((name.to_owned(), format!("{name} ({})", count(whole))));
        }
        for (key, rows) in &page.tallies {
            if let Some((_, rule)) = key.as_ref().filter(|(own, _)| *own == stage) {
                let name = format!("{}/{rule}", stage.as_str());
                fates.push((name, format!("{} · {rule} ({})", stage.as_str(), count(*rows))));
            }
        }
    }
    let own = query.fate_name();
    if fates.iter().all(|(name, _)| *name != own) {
        fates.push((own.clone(), format!("{own} (0)")));
    }
    fates
}

/// How many rows have a verdict that fits; `None` is acceptance.
fn sum(page: &Page, fits: impl Fn(Option<&(Stage, String)>) -> bool) -> u64 {
    page.tallies.iter().filter(|(key, _)| fits(key.as_ref())).map(|(_, count)| count).sum()
}

/// What is shown, what the index lacks, and the export.
fn status(html: &mut Html, query: &Query, page: &Page, live: &Live) {
    let filter = &query.filter;
    if !filter.text.is_empty() && !filter.has_words() && !query.marked {
        paragraph(html, "There is no word to search for in that: give letters or digits.");
    }
    html.element("p", &[("class", "status"), ("role", "status")], |html| {
        match page.matches {
            Some(n) if n > MOST_COUNTED => {
                html.text(&format!("more than {} rows fit", count(MOST_COUNTED)));
            }
            Some(n) => {
                html.text(&format!(
                    "{} {}",
                    count(n),
                    if n == 1 { "row fits" } else { "rows fit" }
                ));
            }
            None if page.rows.is_empty() => {
                html.text("no rows");
            }
            None => {
                html.text("rows in the order of the journal");
            }
        }
        let behind = live.rows().is_none_or(|rows| live.indexed < rows);
        if behind && !query.marked && !filter.is_empty() {
            html.text(" so far: the index has ");
            html.leaf("span", &[("data-live", "indexed")], &count(live.indexed));
            html.text(" of ");
            let rows = live.rows().map_or_else(|| "…".to_owned(), count);
            html.leaf("span", &[("data-live", "rows")], &rows).text(" rows");
        }
        if let Some(problem) = &live.problem {
            html.text(" · ").foreign(problem);
        }
        html.text(" · ");
        let export = format!("/export?{}", query.at(Cursor::Start).write());
        html.leaf("a", &[("href", &export), ("download", "")], "Export these as JSONL");
        html.text(" ");
        html.leaf("a", &[("href", "/"), ("id", "fresh"), ("hidden", "")], "Show new rows");
    });
}

fn item(html: &mut Html, run: &ViewedRun, row: &StoredRow, marked: bool, token: &str, back: &str) {
    let id = format!("row-{}", row.id);
    let class = if marked { "bad" } else { "" };
    html.element("li", &[("id", &id), ("class", class)], |html| {
        let (class, words) = verdict(row);
        html.element("p", &[("class", "number")], |html| {
            html.element("span", &[("class", class)], |html| {
                html.foreign(&words);
            });
            if marked {
                html.text(" ").leaf("span", &[("class", "verdict no")], "marked as bad");
            }
            if let Some(score) = row.score {
                html.text(&format!(" similarity {score:.3} "));
            }
            if let Some(model) = run.models.of(row.phase).filter(|_| run.models.names().len() > 1) {
                html.text(" ").element("span", &[("class", "model")], |html| {
                    html.foreign(model);
                });
            }
            html.text(" ");
            html.leaf("a", &[("href", &format!("/row/{}", row.id))], &format!("row {}", row.id));
        });
        text(html, "text instruction", &row.candidate.instruction, MOST_CHARS);
        for (name, part) in [("Input", &row.candidate.input), ("Output", &row.candidate.output)] {
            if !part.is_empty() {
                html.leaf("span", &[("class", "part")], name);
                text(html, "text", part, MOST_CHARS);
            }
        }
        mark_form(html, row.id, marked, token, Some(back));
    });
}

fn ways_on(html: &mut Html, query: &Query, page: &Page) {
    html.element("nav", &[("aria-label", "Pages")], |html| {
        html.element("ul", &[], |html| {
            let mut way = |name: &str, cursor| {
                let address = format!("/?{}#rows", query.at(cursor).write());
                html.element("li", &[], |html| {
                    html.leaf("a", &[("href", &address)], name);
                });
            };
            if page.newer {
                way("First page", Cursor::Start);
                if let Some((first, _)) = page.rows.first() {
                    way("Previous page", Cursor::Before(first.id));
                }
            }
            if let Some((last, _)) = page.rows.last().filter(|_| page.older) {
                way("Next page", Cursor::After(last.id));
            }
        });
    });
}
