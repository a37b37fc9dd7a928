//! Holds the documents to the program and to each other: flags in their commands exist, their links
//! lead somewhere, and each Chinese document says what the English one does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Documents that there are in both languages, without their endings.
const PAIRS: [&str; 5] = ["README", "docs/running", "docs/viewing", "docs/export", "docs/dedup"];
/// Where documents are, seen from the package.
const FOLDERS: [&str; 6] =
    ["", "docs", "seed_tasks", "examples/local-llm", "examples/embeddings", "examples/fine_tune"];

#[test]
fn both_languages_have_the_same_commands() {
    for (name, english, chinese) in pairs() {
        assert_eq!(english.commands(), chinese.commands(), "{name}");
    }
}

#[test]
fn both_languages_have_the_same_tables_names_and_links() {
    for (name, english, chinese) in pairs() {
        let (one, other) = (english.table_rows(), chinese.table_rows());
        assert_eq!(one, other, "{name}: code spans of the rows of tables");
        let (one, other) = (all_spans(&english), all_spans(&chinese));
        assert_eq!(one, other, "{name}: code spans of the whole document");
        assert_eq!(all_links(&english), all_links(&chinese), "{name}: links");
        assert_eq!(levels(&english), levels(&chinese), "{name}: headings");
    }
}

/// The Chinese text may have more: it writes months and small counts in digits.
#[test]
fn both_languages_have_the_same_figures() {
    for (name, english, chinese) in pairs() {
        for (place, (english, chinese)) in english.sections().zip(chinese.sections()).enumerate() {
            let lost: Vec<_> = numbers(english).difference(&numbers(chinese)).cloned().collect();
            assert_eq!(lost, [""; 0], "figures missing from section {place} of {name}.zh-CN.md");
        }
    }
}

/// A document that is there in Chinese is there in English, and held to it.
#[test]
fn every_chinese_document_has_its_pair() {
    let chinese: BTreeSet<String> = documents()
        .iter()
        .filter_map(|path| path.to_str()?.strip_suffix(".zh-CN.md").map(str::to_owned))
        .collect();
    assert_eq!(chinese, PAIRS.map(str::to_owned).into());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents: BTreeMap<PathBuf, Document> =
        documents().into_iter().map(|path| (path.clone(), Document::read(&path))).collect();
    for (path, document) in &documents {
        for link in document.links().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.parent().unwrap_or(Path::new(""));
            let target = if file.is_empty() { path.clone() } else { tidy(&folder.join(file)) };
            assert!(package().join(&target).exists(), "{}: {link} leads nowhere", path.display());
            let anchors = documents.get(&target).map(Document::anchors).unwrap_or_default();
            let is_there = anchor.is_empty() || anchors.contains(anchor);
            assert!(is_there, "{}: {link} names no heading", path.display());
        }
    }
}

#[test]
fn flags_in_the_documents_exist() {
    let mut help: BTreeMap<String, String> = BTreeMap::new();
    let mut checked = 0;
    for path in documents() {
        for line in Document::read(&path).commands() {
            for (command, flag) in flags(&line) {
                let text = help.entry(command.clone()).or_insert_with(|| help_of(&command));
                let words: BTreeSet<&str> = text.split(|c: char| !is_flag_part(c)).collect();
                assert!(words.contains(&*flag), "{}: `{command}` has no {flag}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} flags were found");
}

/// A Markdown file.
struct Document {
    /// Lines outside of code blocks.
    prose: Vec<String>,
    /// Lines of code blocks.
    code: Vec<String>,
}

impl Document {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(package().join(path)).expect("documents are UTF-8");
        let (mut prose, mut code, mut inside) = (Vec::new(), Vec::new(), false);
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if inside {
                code.push(line.to_owned());
            } else {
                prose.push(line.to_owned());
            }
        }
        Self { prose, code }
    }

    /// Lines of code without comments; those that end in a backslash with what follows.
    fn commands(&self) -> Vec<String> {
        let code = self.code.join("\n").replace("\\\n", " ");
        let uncommented = |line: &str| line.split("  #").next().unwrap_or("").trim().to_owned();
        code.lines().map(uncommented).collect()
    }

    /// The code spans of each row of a table.
    fn table_rows(&self) -> Vec<BTreeSet<&str>> {
        self.prose.iter().filter(|line| line.starts_with('|')).map(|line| spans(line)).collect()
    }

    /// What `](` and `)` enclose.
    fn links(&self) -> impl Iterator<Item = &str> {
        let after = self.prose.iter().flat_map(|line| line.split("](").skip(1));
        after.filter_map(|text| text.split(')').next())
    }

    fn headings(&self) -> impl Iterator<Item = &str> {
        self.prose.iter().map(String::as_str).filter(|line| line.starts_with('#'))
    }

    /// The headings as GitHub makes anchors of them.
    fn anchors(&self) -> BTreeSet<String> {
        self.headings().map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The lines before the first heading of the second level, and under each.
    fn sections(&self) -> impl Iterator<Item = &[String]> {
        self.prose.split(|line| line.starts_with("## "))
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents of both languages, the English one first.
fn pairs() -> impl Iterator<Item = (&'static str, Document, Document)> {
    PAIRS.into_iter().map(|name| {
        let [english, chinese] =
            [".md", ".zh-CN.md"].map(|end| Document::read(Path::new(&format!("{name}{end}"))));
        (name, english, chinese)
    })
}

fn documents() -> Vec<PathBuf> {
    let files =
        |folder: &str| std::fs::read_dir(package().join(folder)).expect("the folder is there");
    let in_folder = |folder: &'static str| {
        files(folder).map(move |file| {
            Path::new(folder).join(file.expect("the entry is readable").file_name())
        })
    };
    let all = FOLDERS.into_iter().flat_map(in_folder);
    all.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect()
}

/// The path without `..`.
fn tidy(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut tidied, part| {
        if part.as_os_str() == ".." {
            tidied.pop();
        } else {
            tidied.push(part);
        }
        tidied
    })
}

/// What backticks enclose.
fn spans(line: &str) -> BTreeSet<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn all_spans(document: &Document) -> BTreeSet<String> {
    // A span may go on in the next line.
    let text = document.prose.join(" ");
    spans(&text).into_iter().map(str::to_owned).collect()
}

/// Where links lead, whatever the language and the heading there.
fn all_links(document: &Document) -> BTreeSet<String> {
    let file = |link: &str| link.split('#').next().unwrap_or(link).replace(".zh-CN.md", ".md");
    document.links().map(file).collect()
}

fn levels(document: &Document) -> Vec<usize> {
    let level = |line: &str| line.chars().take_while(|c| *c == '#').count();
    document.headings().map(level).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Runs of digits, with the points and commas between them.
fn numbers(lines: &[String]) -> BTreeSet<String> {
    let text = lines.join(" ");
    let runs = text.split(|c: char| !c.is_ascii_digit() && c != ',' && c != '.');
    let trimmed = runs.map(|run| run.trim_matches([',', '.']).to_owned());
    trimmed.filter(|run| !run.is_empty()).collect()
}

/// The flags that a line of a shell gives to this program, with the subcommand of each.
fn flags(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for piece in line.split(['|', ';']) {
        let mut words = piece.split_whitespace().skip_while(|word| *word != "instructmill").skip(1);
        let Some(command) = words.next().filter(|word| word.chars().all(char::is_alphabetic))
        else {
            continue;
        };
        let flags = words.filter(|word| word.starts_with("--"));
        found.extend(flags.map(|flag| {
            let name = flag.split(|c: char| !is_flag_part(c)).next().unwrap_or(flag);
            (command.to_owned(), name.to_owned())
        }));
    }
    found
}

fn is_flag_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn help_of(command: &str) -> String {
    let program = env!("CARGO_BIN_EXE_instructmill");
    let output = Command::new(program).args([command, "--help"]).output().expect("it starts");
    assert!(output.status.success(), "there is no command `{command}`");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}
