//! The document around a page.

use crate::report::html::{Html, banner};
use crate::viewer::ViewedRun;

/// A whole document with this title; `main` writes what is below the banner.
pub(super) fn document(run: &ViewedRun, title: &str, main: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.literal("<!DOCTYPE html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, run, title));
        html.element("body", &[], |html| {
            html.leaf("a", &[("class", "skip"), ("href", "#rows")], "Skip to the rows");
            if run.simulated {
                banner(html);
            }
            main(html);
            html.element("script", &[("src", "/script.js")], |_| {});
        });
    });
    html.line();
    html.into_string()
}

fn head(html: &mut Html, run: &ViewedRun, title: &str) {
    html.empty("meta", &[("charset", "utf-8")]);
    let fits = "width=device-width, initial-scale=1";
    html.empty("meta", &[("name", "viewport"), ("content", fits)]);
    html.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    html.empty("link", &[("rel", "icon"), ("href", "data:,")]);
    html.empty("link", &[("rel", "stylesheet"), ("href", "/style.css")]);
    html.element("title", &[], |html| {
        html.text(if run.simulated { "SIMULATED · " } else { "" }).foreign_alone(title);
    });
}
