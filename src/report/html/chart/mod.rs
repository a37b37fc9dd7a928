//! Charts as SVG, drawn in units of a picture 520 wide; the page scales them.
//!
//! Each mark has a `<title>`, which a pointer shows. Colours are classes of the style sheet, so that
//! they follow light and dark.

mod axis;
mod bars;
mod lines;
mod sunburst;

pub(super) use axis::Axis;
pub(super) use bars::{Bar, Histogram};
pub(super) use lines::{Band, Line, LineChart};
pub(super) use sunburst::{Branch, sunburst};

use super::markup::Html;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;

/// A coordinate with one decimal, which is a tenth of a pixel.
fn unit(number: f64) -> String {
    // Without a minus before nothing.
    let rounded = (number * 10.0).round() / 10.0 + 0.0;
    format!("{rounded}")
}

/// The `<svg>` around a chart, named by the ids of its figure's caption.
fn picture(name: &str, height: f64, draw: impl FnOnce(&mut Html)) -> Html {
    let mut html = Html::default();
    let view = format!("0 0 {WIDTH} {height}");
    let attributes = [("viewBox", view.as_str()), ("role", "img"), ("aria-label", name)];
    html.element("svg", &attributes, draw);
    html
}

/// A text in a chart.
fn label(html: &mut Html, class: &str, (x, y): (f64, f64), text: &str) {
    html.leaf("text", &[("class", class), ("x", &unit(x)), ("y", &unit(y))], text);
}

/// Lines, numbers and names of both axes. `x` numbers are at positions of the picture.
fn frame(html: &mut Html, y: &Axis, x: &[(f64, String)], names: (&str, &str)) {
    for (value, text) in y.ticks() {
        let at = height_of(*value, y);
        let (left, right, at) = (unit(LEFT), unit(WIDTH - RIGHT), unit(at));
        let line = [("class", "grid"), ("x1", &left), ("x2", &right), ("y1", &at), ("y2", &at)];
        html.empty("line", &line);
        label(html, "tick end", (LEFT - 8.0, height_of(*value, y) + 4.0), text);
    }
    for (at, text) in x {
        label(html, "tick middle", (*at, HEIGHT - BOTTOM + 18.0), text);
    }
    label(html, "name", (LEFT, TOP - 16.0), names.1);
    label(html, "name end", (WIDTH - RIGHT, HEIGHT - 7.0), names.0);
}

/// Where a value is, from above.
fn height_of(value: f64, y: &Axis) -> f64 {
    let share = if y.end() > 0.0 { (value / y.end()).clamp(0.0, 1.0) } else { 0.0 };
    HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
}

/// Where a share of the horizontal axis is, from the left.
fn place_of(share: f64) -> f64 {
    LEFT + share.clamp(0.0, 1.0) * (WIDTH - RIGHT - LEFT)
}
