//! The text format: families of samples, each with its help and its type.

use std::fmt::Display;

use crate::histogram::Durations;

/// What the values of a family mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Metrics as they are fetched, family by family.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// A family with one sample.
    pub fn value(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help, [([], value)]);
    }

    /// A family with a sample for each set of labels. Without samples it is left out.
    pub fn family<'l, V: Display, const N: usize>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.head(name, help, kind);
        for (labels, value) in samples {
            self.sample(name, &labels, &value);
        }
    }

    /// A histogram of seconds for each value of a label; without a label when it is empty.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        each: impl IntoIterator<Item = (&'a str, &'a Durations)>,
    ) {
        let mut each = each.into_iter().peekable();
        if each.peek().is_none() {
            return;
        }
        self.head(name, help, "histogram");
        for (value, durations) in each {
            let own = (!label.is_empty()).then_some((label, value));
            self.histogram(name, own, durations);
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Classes are given as running totals.
    fn histogram(&mut self, name: &str, own: Option<(&str, &str)>, durations: &Durations) {
        let labels = |more: Option<(&'static str, String)>| -> Vec<(String, String)> {
            let own = own.map(|(label, value)| (label.to_owned(), value.to_owned()));
            own.into_iter().chain(more.map(|(label, value)| (label.to_owned(), value))).collect()
        };
        let bounds = durations.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut total = 0;
        for (bound, count) in bounds.zip(&durations.counts) {
            total += count;
            self.sample(&format!("{name}_bucket"), &labels(Some(("le", bound))), &total);
        }
        self.sample(&format!("{name}_sum"), &labels(None), &durations.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &labels(None), &total);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &[(impl AsRef<str>, impl AsRef<str>)],
        value: &impl Display,
    ) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{}=\"{}\"", label.as_ref(), escaped(value.as_ref())))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.push_str(&format!("{name}{labels} {value}\n"));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn families_read_like_this() {
        let mut text = Exposition::default();
        text.value(Kind::Gauge, "a_usd", "Money, with a \\ and\na line.", 1.5);
        text.family(Kind::Counter, "b_total", "B.", [([("by", "x\"\n\\")], 1), ([("by", "y")], 2)]);
        text.family(Kind::Gauge, "c", "Nothing.", [(); 0].map(|()| ([], 0)));
        let durations = Durations {
            bounds: &[0.1, 1.0],
            counts: vec![2, 0, 1],
            sum: Duration::from_millis(2_500),
        };
        text.histograms("d_seconds", "D.", "phase", [("tasks", &durations)]);
        text.histograms("e_seconds", "E.", "", [("", &durations)]);
        insta::assert_snapshot!(text.into_text(), @r#"
        # HELP a_usd Money, with a \\ and\na line.
        # TYPE a_usd gauge
        a_usd 1.5
        # HELP b_total B.
        # TYPE b_total counter
        b_total{by="x\"\n\\"} 1
        b_total{by="y"} 2
        # HELP d_seconds D.
        # TYPE d_seconds histogram
        d_seconds_bucket{phase="tasks",le="0.1"} 2
        d_seconds_bucket{phase="tasks",le="1"} 2
        d_seconds_bucket{phase="tasks",le="+Inf"} 3
        d_seconds_sum{phase="tasks"} 2.5
        d_seconds_count{phase="tasks"} 3
        # HELP e_seconds E.
        # TYPE e_seconds histogram
        e_seconds_bucket{le="0.1"} 2
        e_seconds_bucket{le="1"} 2
        e_seconds_bucket{le="+Inf"} 3
        e_seconds_sum 2.5
        e_seconds_count 3
        "#);
    }
}
