//! What sections are made of: headings, facts, tables, figures, quoted texts.

use super::markup::Html;
use crate::report::figures::Sample;

/// A table: names of its columns, and rows whose first cell names the row.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The columns.
    pub(super) head: Vec<&'static str>,
    /// The rows.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it, in a box that scrolls where it is too wide.
    pub(super) fn write(&self, html: &mut Html, name: &str) {
        let scrolls = [("class", "scroll"), ("role", "region"), ("tabindex", "0")];
        let attributes = [&scrolls[..], &[("aria-label", name)]].concat();
        html.element("div", &attributes, |html| {
            html.element("table", &[], |html| {
                html.element("thead", &[], |html| {
                    html.element("tr", &[], |html| {
                        for column in &self.head {
                            html.leaf("th", &[("scope", "col")], column);
                        }
                    });
                });
                html.element("tbody", &[], |html| self.rows.iter().for_each(|r| row(html, r)));
            });
        });
    }
}

fn row(html: &mut Html, cells: &[String]) {
    html.element("tr", &[], |html| {
        for (index, cell) in cells.iter().enumerate() {
            let (tag, attributes): (_, &[_]) =
                if index == 0 { ("th", &[("scope", "row")]) } else { ("td", &[]) };
            html.element(tag, attributes, |html| {
                html.foreign(cell);
            });
        }
    });
}

/// A section with its heading. In a simulated run every heading says so.
pub(super) fn section(
    html: &mut Html,
    (id, title): (&str, &str),
    simulated: bool,
    content: impl FnOnce(&mut Html),
) {
    let heading = format!("{id}-heading");
    html.line();
    html.element("section", &[("id", id), ("aria-labelledby", &heading)], |html| {
        html.element("h2", &[("id", &heading)], |html| {
            html.text(title);
            if simulated {
                html.text(" ").leaf("span", &[("class", "stamp")], "simulated");
            }
        });
        content(html);
    });
}

/// A chart with its title, what it says, and its numbers as a table.
pub(super) fn figure(html: &mut Html, title: &str, says: &str, chart: &Html, table: &Table) {
    html.element("figure", &[], |html| {
        html.element("figcaption", &[], |html| {
            html.leaf("h3", &[], title);
            if !says.is_empty() {
                html.leaf("p", &[], says);
            }
        });
        html.append(chart);
        details(html, "Numbers", |html| table.write(html, &format!("Numbers: {title}")));
    });
}

/// What opens when it is asked for.
pub(super) fn details(html: &mut Html, summary: &str, content: impl FnOnce(&mut Html)) {
    html.element("details", &[], |html| {
        html.leaf("summary", &[], summary);
        content(html);
    });
}

/// Names with values.
pub(crate) fn facts(html: &mut Html, facts: &[(&str, String)]) {
    html.element("dl", &[("class", "facts")], |html| {
        for (name, value) in facts {
            html.element("div", &[], |html| {
                html.leaf("dt", &[], name);
                html.element("dd", &[], |html| {
                    html.foreign(value);
                });
            });
        }
    });
}

/// A paragraph.
pub(crate) fn paragraph(html: &mut Html, text: &str) {
    html.leaf("p", &[], text);
}

/// A share as a bar, beside numbers that say the same.
pub(super) fn meter(html: &mut Html, class: &str, share: f64) {
    let picture = [
        ("class", "meter"),
        ("viewBox", "0 0 100 8"),
        ("preserveAspectRatio", "none"),
        ("aria-hidden", "true"),
    ];
    html.element("svg", &picture, |html| {
        let width = format!("{:.1}", 100.0 * share.clamp(0.0, 1.0));
        let whole = [("class", "track"), ("width", "100"), ("height", "8")];
        html.empty("rect", &whole);
        html.empty("rect", &[("class", class), ("width", &width), ("height", "8")]);
    });
}

/// A text by somebody else, in a box of its own: its direction is its own, and nothing is painted
/// outside.
pub(crate) fn quoted(html: &mut Html, class: &str, sample: &Sample) {
    html.element("div", &[("class", class), ("dir", "auto")], |html| {
        html.foreign(&sample.text);
    });
    if let Some(all) = sample.cut_from {
        let shown = super::count_text(sample.text.chars().count());
        let note = format!("cut here: {shown} of {} characters", crate::report::count(all));
        html.leaf("p", &[("class", "cut")], &note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_rows_and_columns() {
        let mut table = Table::new(&["rule", "tasks"]);
        table.row(["a<b".to_owned(), "3".to_owned()]);
        let mut html = Html::default();
        table.write(&mut html, "Rules");
        insta::assert_snapshot!(html.into_string(), @r#"<div class="scroll" role="region" tabindex="0" aria-label="Rules"><table><thead><tr><th scope="col">rule</th><th scope="col">tasks</th></tr></thead><tbody><tr><th scope="row">a&lt;b</th><td>3</td></tr></tbody></table></div>"#);
    }

    #[test]
    fn a_quoted_text_says_what_is_missing() {
        let mut html = Html::default();
        let sample = Sample { text: "</div>\u{202e}".to_owned(), cut_from: Some(100_000) };
        quoted(&mut html, "text", &sample);
        insta::assert_snapshot!(html.into_string(), @r#"<div class="text" dir="auto">&lt;/div&gt;<span class="unseen">U+202E</span></div><p class="cut">cut here: 7 of 100,000 characters</p>"#);
    }
}
