//! What models wrote, as pages show it.

use std::ops::Range;

use crate::event::Phase;
use crate::report::figures::Sample;
use crate::report::html::{Html, quoted};
use crate::store::{RowId, StoredRow};

/// A text in a box of its own, cut where it would fill the page.
pub(super) fn text(html: &mut Html, class: &str, text: &str, most: usize) {
    quoted(html, class, &Sample::cut(text, most));
}

/// A text in which some parts are marked; they are in order and do not overlap.
pub(super) fn marked(html: &mut Html, text: &str, parts: &[Range<usize>]) {
    html.element("div", &[("class", "text"), ("dir", "auto")], |html| {
        let mut at = 0;
        for part in parts.iter().filter(|part| part.start < part.end) {
            html.foreign(text.get(at..part.start).unwrap_or_default());
            html.element("mark", &[], |html| {
                html.foreign(text.get(part.clone()).unwrap_or_default());
            });
            at = part.end;
        }
        html.foreign(text.get(at..).unwrap_or_default());
    });
}

/// The verdict in a few words, with a class that colours it.
pub(super) fn verdict(row: &StoredRow) -> (&'static str, String) {
    match (&row.rejected_by, row.task_id) {
        (Some((stage, rule)), _) => ("verdict no", format!("{} · {rule}", stage.as_str())),
        (None, Some(number)) => ("verdict yes", format!("accepted · task {number}")),
        (None, None) if row.waits => ("verdict", "open: waits for its output".to_owned()),
        (None, None) => ("verdict yes", "passed: its output is a row of its own".to_owned()),
    }
}

/// What requests of a phase bring.
pub(super) fn written(phase: Phase) -> &'static str {
    match phase {
        Phase::Responses => "outputs",
        other => other.as_str(),
    }
}

/// A button that marks a row as bad, or takes the mark away, and leads back.
pub(super) fn mark_form(
    html: &mut Html,
    row: RowId,
    marked: bool,
    token: &str,
    back: Option<&str>,
) {
    html.element("form", &[("method", "post"), ("action", "/mark"), ("class", "mark")], |html| {
        let mut hidden = |name: &str, value: &str| {
            html.empty("input", &[("type", "hidden"), ("name", name), ("value", value)]);
        };
        hidden("token", token);
        hidden("row", &row.to_string());
        hidden("bad", if marked { "no" } else { "yes" });
        if let Some(back) = back {
            hidden("back", back);
        }
        let text = if marked { "Take the mark away" } else { "Mark as bad" };
        let name = format!("{text}: row {row}");
        html.leaf("button", &[("type", "submit"), ("aria-label", &name)], text);
    });
}
