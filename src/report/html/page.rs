//! The document around the sections: head, policy, banner, contents.

use sha2::{Digest, Sha256};

use super::markup::Html;
use crate::report::figures::RunFigures;

/// The style sheet, which the viewer shares.
pub(crate) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The sections, by id and name.
const CONTENTS: [(&str, &str); 7] = [
    ("result", "Result"),
    ("money", "Money"),
    ("funnel", "Funnel"),
    ("novelty", "Novelty"),
    ("variety", "Variety"),
    ("speed", "Speed"),
    ("tasks", "Tasks"),
];

/// The whole document; `sections` writes what is between header and footer.
pub(super) fn document(figures: &RunFigures, sections: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.literal("<!DOCTYPE html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, figures));
        html.line();
        html.element("body", &[], |html| {
            html.leaf("a", &[("class", "skip"), ("href", "#result")], "Skip to the result");
            if figures.totals.simulated {
                banner(html);
            }
            html.element("header", &[], |html| super::overview::header(html, figures));
            contents(html);
            html.line();
            html.element("main", &[], sections);
            html.line();
            html.element("footer", &[], |html| {
                let version = env!("CARGO_PKG_VERSION");
                html.leaf(
                    "p",
                    &[],
                    &format!("Written by instructmill {version} from run.db alone."),
                );
            });
            html.element("script", &[], |html| {
                html.literal(SCRIPT);
            });
        });
    });
    html.line();
    html.into_string()
}

fn head(html: &mut Html, figures: &RunFigures) {
    let totals = &figures.totals;
    let simulated = if totals.simulated { "SIMULATED · " } else { "" };
    html.empty("meta", &[("charset", "utf-8")]);
    html.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy())]);
    let fits = "width=device-width, initial-scale=1";
    html.empty("meta", &[("name", "viewport"), ("content", fits)]);
    html.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    html.empty("meta", &[("name", "referrer"), ("content", "no-referrer")]);
    html.empty("link", &[("rel", "icon"), ("href", "data:,")]);
    html.element("title", &[], |html| {
        html.text(simulated).foreign_alone(&super::overview::title(totals));
    });
    html.element("style", &[], |html| {
        html.literal(STYLE);
    });
}

/// Nothing but this page's own style and script, told by their hashes.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE)),
        base64(&Sha256::digest(SCRIPT)),
    )
}

/// Says above all else that nothing here is real.
pub(crate) fn banner(html: &mut Html) {
    html.element("aside", &[("class", "banner"), ("aria-label", "Simulated run")], |html| {
        html.leaf("strong", &[], "SIMULATED");
        html.text(" Every task, token and dollar here is made up. Do not train on it.");
    });
}

fn contents(html: &mut Html) {
    html.element("nav", &[("aria-label", "Contents")], |html| {
        html.element("ul", &[], |html| {
            for (id, name) in CONTENTS {
                html.element("li", &[], |html| {
                    html.leaf("a", &[("href", &format!("#{id}"))], name);
                });
            }
        });
    });
}

/// Base64 as of RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for sign in 0..4 {
            let six = (bits >> (18 - 6 * sign)) & 63;
            text.push(if sign <= three.len() { char::from(SIGNS[six as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let begin = |bytes| base64(&b"foobar"[..bytes]);
        let coded: Vec<String> = (0..=6).map(begin).collect();
        assert_eq!(coded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn style_and_script_stay_within_their_elements() {
        for literal in [STYLE, SCRIPT] {
            let lower = literal.to_lowercase();
            assert!(!lower.contains("</") && !lower.contains("<!--"));
            assert!(!lower.contains("http:") && !lower.contains("https:"));
            assert!(!lower.contains("url(") && !lower.contains("@import"));
        }
        for writes in ["innerHTML", "insertAdjacentHTML", "document.write", "eval", "fetch("] {
            assert!(!SCRIPT.contains(writes), "{writes}");
        }
    }

    #[test]
    fn the_policy_lets_nothing_in() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(!policy.contains("unsafe") && !policy.contains('*'));
    }
}
