//! What the accepted tasks ask for, how long they are, in which language.

use super::blocks::{Table, details, facts, figure, meter, paragraph, section};
use super::chart::{Axis, Bar, Branch, Histogram, sunburst};
use super::markup::Html;
use super::numbers::{share_text, trimmed};
use super::real;
use crate::report::count;
use crate::report::figures::{CandidateFigures, Distribution, RunFigures, VerbCount};

/// As in Self-Instruct's figure 3.
const VERBS: usize = 20;
/// As in Self-Instruct's figure 3.
const OBJECTS: usize = 4;
/// Histogram of a histogram of lengths.
const BARS: u64 = 30;

pub(super) fn write(html: &mut Html, figures: &RunFigures) {
    let candidates = &figures.candidates;
    section(html, ("variety", "What the tasks ask for"), figures.totals.simulated, |html| {
        if candidates.accepted() == 0 {
            paragraph(html, "There are no accepted tasks yet.");
            return;
        }
        html.element("div", &[("class", "pair")], |html| {
            verbs(html, candidates);
            html.element("div", &[], |html| {
                openings(html, candidates);
                languages(html, candidates);
            });
        });
        html.element("div", &[("class", "three")], |html| {
            length(html, "Words of an instruction", candidates.instruction_words());
            length(html, "Words of an input", candidates.input_words());
            length(html, "Words of an output", candidates.output_words());
        });
    });
}

fn verbs(html: &mut Html, candidates: &CandidateFigures) {
    let accepted = candidates.accepted();
    let top = candidates.verbs().top(VERBS, OBJECTS);
    let mut table = Table::new(&["verb and object", "tasks", "share"]);
    let mut branches = Vec::new();
    for VerbCount { verb, count: number, objects } in top {
        table.row([verb.to_owned(), count(number), share_text(number, accepted)]);
        for (object, number) in &objects {
            table.row([
                format!("{verb} · {object}"),
                count(*number),
                share_text(*number, accepted),
            ]);
        }
        let leaves = objects.into_iter().map(|(object, n)| (object.to_owned(), n)).collect();
        branches.push(Branch { name: verb.to_owned(), count: number, leaves });
    }
    if branches.is_empty() {
        html.element("div", &[], |html| {
            html.leaf("h3", &[], "Verbs and their objects");
            paragraph(html, "No instruction begins with an order whose verb is known.");
        });
        return;
    }
    let chart =
        sunburst("Verbs of the instructions and their objects", &branches, |verb, object, n| {
            let share = share_text(n, accepted);
            let object = object.map_or(String::new(), |object| format!(" … {object}"));
            format!("{verb}{object}: {} tasks, {share}", count(n))
        });
    let shown: u64 = branches.iter().map(|branch| branch.count).sum();
    let says = format!(
        "The most frequent verbs ({}) and up to {OBJECTS} objects of each: {} of all accepted \
         tasks, in the manner of Self-Instruct's figure 3.",
        branches.len(),
        share_text(shown, accepted)
    );
    figure(html, "Verbs and their objects", &says, &chart, &table);
}

fn openings(html: &mut Html, candidates: &CandidateFigures) {
    let (verbs, accepted) = (candidates.verbs(), candidates.accepted());
    let of = |part: u64| format!("{} ({})", share_text(part, accepted), count(part));
    let (different, pairs) = verbs.different();
    html.leaf("h3", &[], "How they begin");
    facts(
        html,
        &[
            ("with an order whose verb is known", of(verbs.named())),
            ("with an object to it", of(verbs.with_object())),
            ("with a question word", of(verbs.questions())),
            ("otherwise, not classified", of(verbs.others())),
            ("different verbs", super::count_text(different)),
            ("different pairs of verb and object", super::count_text(pairs)),
            ("have an input", of(candidates.with_input())),
            ("ask for one of a few labels", of(candidates.labels())),
        ],
    );
    details(html, "How this is told", |html| paragraph(html, METHOD));
}

const METHOD: &str = "By rules, without a language model or a parser. In the first sentence of an \
    instruction a verb of a closed list of some 420 is looked for where an order can begin: at the start, \
    behind a comma, colon or semicolon, and behind phrases such as “your task is to”; polite words are \
    passed over. Its object is the run of words behind it up to a preposition, a conjunction or a comma; \
    the last word of that run, in the singular, stands for it. Only English is read. A task asks for a label \
    when its instruction has one of a few phrases, such as “classify” or “true or false”, and its output at \
    most five words. Languages are told by script, and in the Latin alphabet by frequent words. Single \
    tasks can be misread; shares are what it is for.";

fn languages(html: &mut Html, candidates: &CandidateFigures) {
    html.leaf("h3", &[], "Languages of the instructions");
    let accepted = candidates.accepted();
    html.element("ol", &[("class", "funnel")], |html| {
        for (language, number) in candidates.languages() {
            html.element("li", &[], |html| {
                html.leaf("span", &[("class", "name")], language);
                html.text(" ").leaf("b", &[], &count(number));
                html.text(" ").leaf("span", &[("class", "share")], &share_text(number, accepted));
                meter(html, "a", real(number) / real(accepted.max(1)));
            });
        }
    });
}

fn length(html: &mut Html, title: &str, words: &Distribution) {
    if words.total() == 0 {
        html.element("div", &[], |html| {
            html.leaf("h3", &[], title);
            paragraph(html, "There are none.");
        });
        return;
    }
    let bins = words.bins(BARS);
    let mut table = Table::new(&["words", "tasks", "share"]);
    let mut bars = Vec::new();
    for bin in &bins {
        let range = match bin.to {
            u64::MAX => format!("{} and more", count(bin.from)),
            to if to == bin.from => count(to),
            to => format!("{} to {}", count(bin.from), count(to)),
        };
        let share = share_text(bin.count, words.total());
        table.row([range.clone(), count(bin.count), share.clone()]);
        let title = format!("{range} words: {} tasks, {share}", count(bin.count));
        let class = if bin.to == u64::MAX { "c" } else { "a" };
        bars.push(Bar { title, value: real(bin.count), class });
    }
    let chart = Histogram {
        name: title,
        marks: marks(&bins.iter().map(|bin| bin.from).collect::<Vec<_>>()),
        y: Axis::count(bars.iter().map(|bar| bar.value).fold(0.0, f64::max)),
        bars,
        names: ("words", "tasks"),
        limit: None,
    };
    let says = format!(
        "{} on average; half have at most {}, 9 of 10 at most {}, the longest {}.",
        trimmed(words.mean(), 1),
        count(words.percentile(50)),
        count(words.percentile(90)),
        count(words.max())
    );
    figure(html, title, &says, &chart.draw(), &table);
}

/// About four numbers below the bars, the last bar's with a plus when it takes the rest.
fn marks(from: &[u64]) -> Vec<(f64, String)> {
    let every = from.len().div_ceil(5).max(1);
    let numbered = from.iter().enumerate().step_by(every);
    numbered
        .map(|(index, value)| (real(u64::try_from(index).unwrap_or(0)), count(*value)))
        .collect()
}
