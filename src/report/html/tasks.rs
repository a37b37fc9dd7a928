//! Accepted tasks to read, with a search.

use super::blocks::{paragraph, quoted, section};
use super::markup::Html;
use crate::report::count;
use crate::report::figures::{RunFigures, TaskSample};

/// Bytes of tasks in the page, so that the worst texts do not swell it.
const TASK_BYTES: usize = 1_200_000;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    let candidates = &figures.candidates;
    section(html, ("tasks", "Tasks to read"), figures.totals.simulated, |html| {
        let (shown, accepted) = (candidates.tasks().len(), candidates.accepted());
        if shown == 0 {
            paragraph(html, "There are no accepted tasks yet.");
            return;
        }
        let shown = super::count_text(shown);
        paragraph(
            html,
            &format!(
                "{shown} of {} accepted tasks, evenly spread over the run. Models wrote them: nothing in \
             them is a word of this page.",
                count(accepted)
            ),
        );
        search(html);
        let limit = html.len() + TASK_BYTES;
        let mut left_out = 0;
        html.element("ol", &[("id", "task-list"), ("class", "tasks")], |html| {
            for sample in candidates.tasks() {
                if html.len() > limit {
                    left_out += 1;
                } else {
                    html.line();
                    task(html, sample);
                }
            }
        });
        html.leaf(
            "button",
            &[("id", "task-all"), ("type", "button"), ("hidden", "")],
            "Show all of them",
        );
        if left_out > 0 {
            let text =
                format!("{} more would make the page too large.", super::count_text(left_out));
            html.leaf("p", &[("class", "cut")], &text);
        }
    });
}

/// Hidden until the script runs, because it is of no use before.
fn search(html: &mut Html) {
    html.element("div", &[("class", "search"), ("id", "task-search"), ("hidden", "")], |html| {
        html.leaf("label", &[("for", "task-query")], "Search these tasks");
        let field = [
            ("id", "task-query"),
            ("type", "search"),
            ("autocomplete", "off"),
            ("spellcheck", "false"),
            ("aria-controls", "task-list"),
        ];
        html.empty("input", &field);
        html.leaf("p", &[("id", "task-found"), ("role", "status")], "");
    });
}

fn task(html: &mut Html, sample: &TaskSample) {
    html.element("li", &[], |html| {
        html.leaf("span", &[("class", "number")], &format!("task {}", count(sample.id)));
        quoted(html, "text instruction", &sample.instruction);
        for (name, text) in [("Input", &sample.input), ("Output", &sample.output)] {
            if !text.text.is_empty() {
                html.leaf("span", &[("class", "part")], name);
                quoted(html, "text", text);
            }
        }
    });
}
