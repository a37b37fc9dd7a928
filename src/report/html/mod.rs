//! The report as one page: no other file, no network, no script but its own.
//!
//! What a model wrote is data: it is escaped where it is written ([`markup`]), stands in elements of
//! its own direction, and the page's policy forbids every script and style but the two whose hashes
//! it names. The page says nothing that is not in the run: the same run gives the same bytes.

mod blocks;
mod chart;
mod funnel;
mod markup;
mod money;
mod novelty;
mod numbers;
mod overview;
mod page;
mod speed;
mod tasks;
mod variety;

pub(crate) use blocks::{facts, paragraph, quoted};
pub(crate) use markup::Html;
pub(crate) use numbers::money;
pub(crate) use page::{STYLE, banner};

use super::figures::RunFigures;

/// The page.
pub fn to_html(figures: &RunFigures) -> String {
    page::document(figures, |html| {
        overview::write(html, figures);
        money::write(html, figures);
        funnel::write(html, figures);
        novelty::write(html, figures);
        variety::write(html, figures);
        speed::write(html, figures);
        tasks::write(html, figures);
    })
}

/// A count of things in memory, with thousands separated.
fn count_text(number: usize) -> String {
    super::count(u64::try_from(number).unwrap_or(u64::MAX))
}

/// A count as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "a coordinate")]
fn real(number: u64) -> f64 {
    number as f64
}
