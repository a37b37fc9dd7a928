//! The pages.

mod frame;
mod list;
mod row;
mod texts;

pub(super) use list::list;
pub(super) use row::row;

/// The report's style sheet and what the viewer adds.
pub(super) const STYLES: [&str; 2] = [crate::report::html::STYLE, include_str!("style.css")];
/// Keeps the figures of a page up to date.
pub(super) const SCRIPT: &str = include_str!("script.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_fetch_nothing_from_elsewhere_and_write_no_markup() {
        for text in [STYLES[1], SCRIPT] {
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("url("));
        }
        for writes in ["innerHTML", "insertAdjacentHTML", "document.write", "eval"] {
            assert!(!SCRIPT.contains(writes), "{writes}");
        }
    }
}
