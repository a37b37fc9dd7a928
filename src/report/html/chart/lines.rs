//! Lines over an axis that is a time or a size.

use super::{
    Axis, BOTTOM, HEIGHT, RIGHT, TOP, WIDTH, frame, height_of, label, picture, place_of, unit,
};
use crate::report::html::markup::Html;

/// One line, or the area below it.
#[derive(Debug, Clone)]
pub(in crate::report::html) struct Line {
    /// Its class in the style sheet.
    pub(in crate::report::html) class: &'static str,
    /// Its points from left to right.
    pub(in crate::report::html) points: Vec<(f64, f64)>,
    /// Whether the area below it is filled.
    pub(in crate::report::html) filled: bool,
}

/// A stretch of the horizontal axis with what a pointer shows there.
#[derive(Debug, Clone)]
pub(in crate::report::html) struct Band {
    /// Where it begins.
    pub(in crate::report::html) from: f64,
    /// Where it ends.
    pub(in crate::report::html) to: f64,
    /// What is shown.
    pub(in crate::report::html) title: String,
}

/// A chart of lines.
#[derive(Debug)]
pub(in crate::report::html) struct LineChart<'a> {
    /// What the chart is called by those who do not see it.
    pub(in crate::report::html) name: &'a str,
    /// The lines, the first below the others.
    pub(in crate::report::html) lines: Vec<Line>,
    /// What a pointer shows where.
    pub(in crate::report::html) bands: Vec<Band>,
    /// The horizontal axis.
    pub(in crate::report::html) x: Axis,
    /// The vertical axis.
    pub(in crate::report::html) y: Axis,
    /// What is counted, to the right and upwards.
    pub(in crate::report::html) names: (&'a str, &'a str),
    /// A horizontal line with its name.
    pub(in crate::report::html) limit: Option<(f64, String)>,
}

impl LineChart<'_> {
    /// The picture.
    pub(in crate::report::html) fn draw(&self) -> Html {
        picture(self.name, HEIGHT, |html| {
            let marks: Vec<_> =
                self.x.ticks().iter().map(|(at, text)| (self.at(*at), text.clone())).collect();
            frame(html, &self.y, &marks, self.names);
            self.lines.iter().for_each(|line| self.line(html, line));
            if let Some((value, name)) = &self.limit {
                self.limit(html, *value, name);
            }
            self.bands.iter().for_each(|band| self.band(html, band));
        })
    }

    fn at(&self, x: f64) -> f64 {
        place_of(if self.x.end() > 0.0 { x / self.x.end() } else { 0.0 })
    }

    fn line(&self, html: &mut Html, line: &Line) {
        let mut path = String::new();
        for (index, (x, y)) in line.points.iter().enumerate() {
            let sign = if index == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{sign}{} {}", unit(self.at(*x)), unit(height_of(*y, &self.y))));
        }
        if let (true, Some(first), Some(last)) =
            (line.filled, line.points.first(), line.points.last())
        {
            let base = unit(HEIGHT - BOTTOM);
            let (left, right) = (unit(self.at(first.0)), unit(self.at(last.0)));
            let area = format!("{path}L{right} {base}L{left} {base}Z");
            html.empty("path", &[("class", &format!("area {}", line.class)), ("d", &area)]);
        }
        html.empty("path", &[("class", &format!("line {}", line.class)), ("d", &path)]);
    }

    fn limit(&self, html: &mut Html, value: f64, name: &str) {
        let at = height_of(value, &self.y);
        let (left, right, y) = (unit(super::LEFT), unit(WIDTH - RIGHT), unit(at));
        let line = [("class", "limit"), ("x1", &left), ("x2", &right), ("y1", &y), ("y2", &y)];
        html.empty("line", &line);
        label(html, "note end", (WIDTH - RIGHT, at - 5.0), name);
    }

    fn band(&self, html: &mut Html, band: &Band) {
        let (left, right) = (self.at(band.from), self.at(band.to));
        html.element("g", &[("class", "hit")], |html| {
            html.leaf("title", &[], &band.title);
            let attributes = [
                ("class", "ghost"),
                ("x", &unit(left)),
                ("y", &unit(TOP)),
                ("width", &unit((right - left).max(0.5))),
                ("height", &unit(HEIGHT - BOTTOM - TOP)),
            ];
            html.empty("rect", &attributes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_its_points_and_an_area_comes_down_again() {
        let chart = LineChart {
            name: "Money",
            lines: vec![Line { class: "a", points: vec![(0.0, 0.0), (10.0, 4.0)], filled: true }],
            bands: vec![Band { from: 0.0, to: 10.0, title: "all of it".to_owned() }],
            x: Axis::count(10.0),
            y: Axis::count(4.0),
            names: ("time", "USD"),
            limit: Some((2.0, "the limit".to_owned())),
        };
        let svg = chart.draw().into_string();
        let paths = svg.split('<').filter(|tag| tag.starts_with("path"));
        insta::assert_snapshot!(paths.collect::<Vec<_>>().join("\n"), @r#"
        path class="area a" d="M62 224L506 34L506 224L62 224Z"/>
        path class="line a" d="M62 224L506 34"/>
        "#);
        assert!(svg.contains("<title>all of it</title>"));
        assert!(svg.contains(">the limit</text>"));
    }
}
