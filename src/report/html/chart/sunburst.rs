//! Two rings: verbs inside, the objects of each around it.

use std::f64::consts::TAU;

use super::{WIDTH, picture, unit};
use crate::report::html::markup::Html;

const MIDDLE: f64 = WIDTH / 2.0;
/// Where the rings begin and end.
const RINGS: [f64; 3] = [62.0, 158.0, 254.0];
/// Colours of the style sheet, in turn.
const COLOURS: usize = 8;
/// A text needs so much of its ring across.
const TEXT_HEIGHT: f64 = 12.0;

/// A part of the inner ring, and what is around it.
#[derive(Debug, Clone)]
pub(in crate::report::html) struct Branch {
    /// Its name.
    pub(in crate::report::html) name: String,
    /// How large it is.
    pub(in crate::report::html) count: u64,
    /// Names and sizes around it; together no larger than itself.
    pub(in crate::report::html) leaves: Vec<(String, u64)>,
}

/// The picture. `title` says what a part is, by verb, object and count.
pub(in crate::report::html) fn sunburst(
    name: &str,
    branches: &[Branch],
    title: impl Fn(&str, Option<&str>, u64) -> String,
) -> Html {
    let total: u64 = branches.iter().map(|branch| branch.count).sum();
    let angle = |count: u64| ratio(count, total) * TAU;
    picture(name, WIDTH, |html| {
        let mut from = 0.0;
        for (index, branch) in branches.iter().enumerate() {
            let class = format!("hue{}", index % COLOURS);
            let to = from + angle(branch.count);
            let inner = Part { from, to, ring: 0, class: &class, text: &branch.name };
            inner.draw(html, &title(&branch.name, None, branch.count));
            let mut leaf_from = from;
            for (leaf, count) in &branch.leaves {
                let leaf_to = leaf_from + angle(*count);
                let outer =
                    Part { from: leaf_from, to: leaf_to, ring: 1, class: &class, text: leaf };
                outer.draw(html, &title(&branch.name, Some(leaf), *count));
                leaf_from = leaf_to;
            }
            from = to;
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "an angle")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A piece of a ring, angles in radians clockwise from above.
struct Part<'a> {
    from: f64,
    to: f64,
    ring: usize,
    class: &'a str,
    text: &'a str,
}

impl Part<'_> {
    fn draw(&self, html: &mut Html, title: &str) {
        let class = format!("hit part ring{} {}", self.ring, self.class);
        html.element("g", &[("class", &class)], |html| {
            html.leaf("title", &[], title);
            html.empty("path", &[("d", &self.path())]);
            self.name(html);
        });
    }

    fn radii(&self) -> (f64, f64) {
        if self.ring == 0 { (RINGS[0], RINGS[1]) } else { (RINGS[1], RINGS[2]) }
    }

    fn path(&self) -> String {
        let (inner, outer) = self.radii();
        // A whole turn has no ends for an arc.
        let to = self.to.min(self.from + TAU - 1e-3);
        let large = u8::from(to - self.from > TAU / 2.0);
        let at = |angle: f64, radius: f64| {
            let (x, y) = (MIDDLE + radius * angle.sin(), MIDDLE - radius * angle.cos());
            format!("{} {}", unit(x), unit(y))
        };
        format!(
            "M{}A{outer} {outer} 0 {large} 1 {}L{}A{inner} {inner} 0 {large} 0 {}Z",
            at(self.from, outer),
            at(to, outer),
            at(to, inner),
            at(self.from, inner),
        )
    }

    /// The name along the radius, where it fits.
    fn name(&self, html: &mut Html) {
        let (inner, outer) = self.radii();
        let radius = f64::midpoint(inner, outer);
        if (self.to - self.from) * inner < TEXT_HEIGHT {
            return;
        }
        let middle = f64::midpoint(self.from, self.to);
        let degrees = middle.to_degrees() - 90.0;
        // On the left half it would stand on its head.
        let turned = if middle > TAU / 2.0 { degrees + 180.0 } else { degrees };
        let (x, y) = (MIDDLE + radius * middle.sin(), MIDDLE - radius * middle.cos());
        let turn = format!("translate({} {}) rotate({})", unit(x), unit(y), unit(turned));
        html.leaf(
            "text",
            &[("class", "middle"), ("dy", "0.34em"), ("transform", &turn)],
            &shortened(self.text),
        );
    }
}

/// A name that fits into a ring.
fn shortened(name: &str) -> String {
    if name.chars().count() <= 13 {
        return name.to_owned();
    }
    name.chars().take(12).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str, count: u64, leaves: &[(&str, u64)]) -> Branch {
        let leaves = leaves.iter().map(|(leaf, n)| ((*leaf).to_owned(), *n)).collect();
        Branch { name: name.to_owned(), count, leaves }
    }

    #[test]
    fn parts_go_round_by_their_counts() {
        let branches = [branch("write", 3, &[("story", 3)]), branch("name", 1, &[])];
        let title = |verb: &str, object: Option<&str>, count| {
            format!("{verb} {} {count}", object.unwrap_or("-"))
        };
        let svg = sunburst("Verbs", &branches, title).into_string();
        let titles = svg.split("<title>").skip(1).map(|rest| rest.split('<').next().unwrap());
        assert_eq!(titles.collect::<Vec<_>>(), ["write - 3", "write story 3", "name - 1"]);
        // Three quarters: from above to the left.
        assert!(
            svg.contains("M260 102A158 158 0 1 1 102 260L198 260A62 62 0 1 0 260 198Z"),
            "{svg}"
        );
    }

    #[test]
    fn one_verb_alone_and_none_at_all_are_drawn() {
        let title = |verb: &str, _: Option<&str>, _| verb.to_owned();
        assert!(
            sunburst("Verbs", &[branch("write", 5, &[])], title).into_string().contains("A158")
        );
        assert!(!sunburst("Verbs", &[], title).into_string().contains("NaN"));
        assert_eq!(shortened("internationalisation"), "internationa…");
    }
}
