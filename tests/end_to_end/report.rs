//! The page of `instructmill report`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use instructmill::chat::TokenUsage;
use instructmill::event::{Fate, Phase, Rejection, Stage, Verdict};
use instructmill::store::{AttemptEnd, NewAttempt, NewResponse, OpenRun, RunDir, VerdictBatch};
use instructmill::summary::StopReason;
use instructmill::task::Candidate;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::support::{Place, usd};

const SECTIONS: [&str; 7] = ["result", "money", "funnel", "novelty", "variety", "speed", "tasks"];

/// Every element that the page has.
const ELEMENTS: &[&str] = &[
    "a",
    "aside",
    "b",
    "blockquote",
    "body",
    "button",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "input",
    "label",
    "li",
    "line",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "path",
    "rect",
    "script",
    "section",
    "span",
    "strong",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

fn report(place: &Place) -> String {
    place.run(&["report", "--run", "run", "--output", "report.html"]).assert_code(0);
    std::fs::read_to_string(place.path("report.html")).unwrap()
}

/// What is between two texts.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split_once(from).unwrap().1.split_once(to).unwrap().0
}

/// Fails unless every element is closed where it was opened, by the rules of XML, and nothing but the
/// page's own elements is there.
fn assert_well_formed(page: &str) {
    let (style, script) =
        (between(page, "<style>", "</style>"), between(page, "<script>", "</script>"));
    let markup = page.replacen(style, "", 1).replacen(script, "", 1);
    let mut open: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let (_, mut rest) = markup.split_once("<!DOCTYPE html>").unwrap();
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>'), "a bare > in: {text}");
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        let name = tag.trim_matches('/').split_whitespace().next().unwrap().to_owned();
        assert!(ELEMENTS.contains(&name.as_str()), "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "</{name}>");
        } else {
            assert_attributes(tag);
            seen.insert(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    let known: BTreeSet<String> = ELEMENTS.iter().map(|&name| name.to_owned()).collect();
    assert!(seen.is_subset(&known));
}

/// No attribute runs a script or fetches anything, and every value is quoted.
fn assert_attributes(tag: &str) {
    let quotes = tag.matches('"').count();
    assert_eq!(quotes, 2 * tag.matches("=\"").count(), "<{tag}>");
    for attribute in tag.split_whitespace().filter(|part| part.contains("=\"")) {
        let (name, value) = attribute.split_once("=\"").unwrap();
        assert!(!name.starts_with("on") && name != "src" && name != "style", "<{tag}>");
        if name == "href" {
            assert!(value.starts_with('#') || value.starts_with("data:,"), "<{tag}>");
        }
    }
}

fn base64_sha256(text: &str) -> String {
    let bits: String = Sha256::digest(text).iter().fold(String::new(), |mut bits, byte| {
        write!(bits, "{byte:08b}").unwrap();
        bits
    });
    let signs: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let padded = format!("{bits}00");
    let sixes = padded.as_bytes().chunks(6).map(|six| std::str::from_utf8(six).unwrap());
    sixes.map(|six| signs[usize::from_str_radix(six, 2).unwrap()]).chain(['=']).collect()
}

#[test]
fn a_simulated_run_becomes_one_page() {
    let place = Place::new();
    let args = ["generate", "--run", "run", "--provider", "simulated", "--target", "300", "--yes"];
    let faults = ["--simulated-latency-ms", "5", "--simulated-faults", "429:0.05,drop:0.05"];
    place.run(&[&args[..], &faults].concat()).assert_code(0);
    let page = report(&place);
    assert_well_formed(&page);
    for section in SECTIONS {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
        assert!(page.contains(&format!("href=\"#{section}\"")), "{section}");
    }
    assert!(page.contains("<title>SIMULATED · 300 simulated tasks</title>"));
    assert_eq!(page.matches(">simulated</span></h2>").count(), SECTIONS.len());
    let charts = page.matches("role=\"img\"").count();
    assert!(charts >= 9, "{charts} charts");
    assert_eq!(charts, page.matches("<summary>Numbers</summary>").count(), "a table behind each");
    assert!(page.contains("id=\"task-query\""));
    let samples = place.status()["accepted"].as_u64().unwrap().min(200);
    assert_eq!(page.matches("<span class=\"number\">task ").count() as u64, samples);
    for rule in place.status()["rejections"]["filter"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("filter · {rule}<")), "{rule}");
    }
    assert_eq!(report(&place), page, "the same run gives the same bytes");
    let stdout = place.run(&["report", "--run", "run", "--output", "-"]).stdout();
    assert_eq!(stdout, page);
}

#[test]
fn the_policy_names_what_is_there() {
    let place = Place::new();
    let _open = open(&place);
    let page = report(&place);
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    let (style, script) =
        (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    let hashes = [style, script].map(base64_sha256);
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
             base-uri 'none'; form-action 'none'",
            hashes[0], hashes[1]
        )
    );
}

fn open(place: &Place) -> OpenRun {
    RunDir::new(place.path("run")).open().unwrap()
}

/// Texts that try to leave their element, to turn the page around or to swell it.
pub fn hostile_texts() -> Vec<String> {
    [
        "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
        "]]> --> <!-- </style> </textarea></title><svg onload=alert(1)>",
        "\" onmouseover=\"alert(1)\" x='",
        "\u{202e}txet desrever\u{2066} שלום \u{2069}مرحبا",
        "\0\u{1}\u{1b}[31mred\u{7}\r\n\u{85}\u{feff}\u{200b}\u{ffff}",
        "👩‍👩‍👧 e\u{301}\u{301}\u{301}\u{301}\u{301} 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "&lt;b&gt; &amp;amp; &#x3c;script&#x3e;",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("<{}>", "x".repeat(100_000)), "\u{202e}<'\"&>".repeat(20_000)])
    .collect()
}

/// A run whose every text is hostile, still open.
pub async fn fill(run: &OpenRun, texts: &[String]) {
    let settings =
        serde_json::json!({ "model": "<b>m</b>\u{202e}", "provider": "openai", "target": 9 });
    run.journal.set_meta("settings", settings.to_string()).await.unwrap();
    let attempt = NewAttempt {
        id: run.journal.next_attempt_id(),
        request_index: 0,
        phase: Phase::Tasks,
        endpoint: None,
        examples: vec![],
        tasks: vec![],
        prompt_bound: 10,
        max_output_tokens: 10,
        reserved: usd("0.01"),
        at_ms: 1_700_000_000_000,
    };
    let attempt_id = attempt.id;
    run.journal.begin(attempt).await.unwrap();
    let response = NewResponse {
        attempt_id,
        request_index: 0,
        status: 200,
        body: "{}".into(),
        latency_ms: 7,
        at_ms: 1_700_000_000_007,
    };
    let response_seq = run.journal.answer(response).await.unwrap();
    let usage = TokenUsage { input: 3, output: 4, ..TokenUsage::default() };
    let end = AttemptEnd::Answered { cost: usd("0.001"), usage };
    run.journal.end(attempt_id, end, 1_700_000_000_007).await.unwrap();
    let mut verdicts = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let candidate =
            Candidate { instruction: text.clone(), input: text.clone(), output: text.clone() };
        let reject = Rejection { stage: Stage::Filter, rule: "keyword", detail: text.clone() };
        for (item_index, fate) in (2 * index..).zip([Fate::Accepted, Fate::Rejected(reject)]) {
            let item_index = u32::try_from(item_index).unwrap();
            let candidate = candidate.clone();
            verdicts.push(Verdict { item_index, candidate, fate, answers: None, nearest: None });
        }
    }
    let batch = VerdictBatch { response_seq, first_task_id: 0, verdicts, complete: true };
    run.journal.judge(batch).await.unwrap();
    run.journal.flush().await.unwrap();
}

/// Nothing that cannot be seen, or that turns the page around, is left as it came.
#[track_caller]
pub fn assert_no_raw_signs(page: &str) {
    for raw in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{ffff}', '\0', '\u{1b}', '\r'] {
        assert!(!page.contains(raw), "{raw:?}");
    }
    for markup in ["<img", "<script>alert", "</textarea", " onmouseover=\""] {
        assert!(!page.contains(markup), "{markup}");
    }
}

#[test]
fn hostile_texts_are_harmless_and_a_run_under_way_can_be_looked_at() {
    let place = Place::new();
    let texts = hostile_texts();
    let runtime = Runtime::new().unwrap();
    let run = open(&place);
    runtime.block_on(fill(&run, &texts));
    let page = report(&place);
    assert_well_formed(&page);
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("cut here: 1,200 of 100,002 characters"));
    assert!(page.contains("<span class=\"unseen\">U+202E</span>txet desrever"));
    assert!(page.contains("Running."));
    assert_no_raw_signs(&page);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    runtime.block_on(run.journal.close(StopReason::Failed, Some("<i>why".into()))).unwrap();
    drop(run.journal);
    run.writer.join();
    drop(run.lock);
    let ended = report(&place);
    assert_well_formed(&ended);
    assert!(ended.contains("Failed; the same command goes on: &lt;i&gt;why."));
}

#[test]
fn a_run_without_anything_has_a_page_and_a_missing_one_an_error() {
    let place = Place::new();
    place.run(&["report", "--run", "run"]).assert_code(2).assert_says("no run in");
    assert!(!place.path("report.html").exists());
    let run = open(&place);
    drop(run);
    let page = report(&place);
    assert_well_formed(&page);
    assert!(page.contains("There are no accepted tasks yet."));
    assert!(!page.contains("NaN") && !page.contains(">inf"));
}
