//! Bars beside each other: a histogram.

use super::{Axis, BOTTOM, HEIGHT, frame, height_of, label, picture, place_of, unit};
use crate::report::html::markup::Html;

/// One bar.
#[derive(Debug, Clone)]
pub(in crate::report::html) struct Bar {
    /// What a pointer shows.
    pub(in crate::report::html) title: String,
    /// How high.
    pub(in crate::report::html) value: f64,
    /// Its class in the style sheet.
    pub(in crate::report::html) class: &'static str,
}

/// A histogram.
#[derive(Debug)]
pub(in crate::report::html) struct Histogram<'a> {
    /// What the chart is called by those who do not see it.
    pub(in crate::report::html) name: &'a str,
    /// The bars from left to right.
    pub(in crate::report::html) bars: Vec<Bar>,
    /// Numbers below, at so many bars from the left.
    pub(in crate::report::html) marks: Vec<(f64, String)>,
    /// The vertical axis.
    pub(in crate::report::html) y: Axis,
    /// What is counted, to the right and upwards.
    pub(in crate::report::html) names: (&'a str, &'a str),
    /// A vertical line at so many bars from the left, with its name.
    pub(in crate::report::html) limit: Option<(f64, String)>,
}

impl Histogram<'_> {
    /// The picture.
    #[expect(clippy::cast_precision_loss, reason = "a few dozen bars")]
    pub(in crate::report::html) fn draw(&self) -> Html {
        let count = self.bars.len().max(1) as f64;
        let at = |bars: f64| place_of(bars / count);
        picture(self.name, HEIGHT, |html| {
            let marks: Vec<_> = self.marks.iter().map(|(n, text)| (at(*n), text.clone())).collect();
            frame(html, &self.y, &marks, self.names);
            for (index, bar) in self.bars.iter().enumerate() {
                self.bar(html, bar, at(index as f64), at(1.0) - at(0.0));
            }
            if let Some((place, name)) = &self.limit {
                limit_line(html, at(*place), name);
            }
        })
    }

    /// The bar itself, and over its whole height a place for the pointer.
    fn bar(&self, html: &mut Html, bar: &Bar, left: f64, width: f64) {
        let gap = (width * 0.12).min(2.0);
        let top = height_of(bar.value, &self.y);
        // What is there can be seen, however little it is.
        let height = if bar.value > 0.0 { (HEIGHT - BOTTOM - top).max(1.0) } else { 0.0 };
        html.element("g", &[("class", "hit")], |html| {
            html.leaf("title", &[], &bar.title);
            let (x, full) = (unit(left), unit(HEIGHT - BOTTOM - super::TOP));
            let place = [
                ("class", "ghost"),
                ("x", x.as_str()),
                ("y", &unit(super::TOP)),
                ("width", &unit(width)),
                ("height", &full),
            ];
            html.empty("rect", &place);
            let attributes = [
                ("class", bar.class),
                ("x", &unit(left + gap / 2.0)),
                ("y", &unit(HEIGHT - BOTTOM - height)),
                ("width", &unit((width - gap).max(0.5))),
                ("height", &unit(height)),
            ];
            html.empty("rect", &attributes);
        });
    }
}

fn limit_line(html: &mut Html, at: f64, name: &str) {
    let (x, top, bottom) = (unit(at), unit(super::TOP), unit(HEIGHT - BOTTOM));
    let line = [("class", "limit"), ("x1", &x), ("x2", &x), ("y1", &top), ("y2", &bottom)];
    html.empty("line", &line);
    let (class, beside) =
        if at > super::WIDTH / 2.0 { ("note end", at - 6.0) } else { ("note", at + 6.0) };
    label(html, class, (beside, super::TOP + 10.0), name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_height_its_title_and_a_place_for_the_pointer() {
        let bar = |value, title: &str| Bar { title: title.to_owned(), value, class: "a" };
        let bars = Histogram {
            name: "Two",
            bars: vec![bar(4.0, "four <b>"), bar(0.0, "none")],
            marks: vec![(0.0, "0".to_owned())],
            y: Axis::count(4.0),
            names: ("words", "tasks"),
            limit: None,
        };
        let svg = bars.draw().into_string();
        let bars = svg.split("<g class=\"hit\">").skip(1).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(bars, @r#"
        <title>four &lt;b&gt;</title><rect class="ghost" x="62" y="34" width="222" height="190"/><rect class="a" x="63" y="34" width="220" height="190"/></g>
        <title>none</title><rect class="ghost" x="284" y="34" width="222" height="190"/><rect class="a" x="285" y="224" width="220" height="0"/></g></svg>
        "#);
    }
}
