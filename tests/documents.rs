//! Holds the documents to the program and to each other: flags in their commands exist, their links
//! lead somewhere, and the Chinese README says what the English one does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
/// Where documents are, seen from the package.
const FOLDERS: [&str; 5] = ["", "docs", "seed_tasks", "examples/local-llm", "examples/embeddings"];

#[test]
fn both_readmes_have_the_same_commands() {
    let [english, chinese] = [ENGLISH, CHINESE].map(|name| Document::read(Path::new(name)));
    assert_eq!(english.commands(), chinese.commands());
}

#[test]
fn both_readmes_have_the_same_tables_names_and_links() {
    let [english, chinese] = [ENGLISH, CHINESE].map(|name| Document::read(Path::new(name)));
    assert_eq!(english.table_rows(), chinese.table_rows(), "code spans of the rows of tables");
    assert_eq!(all_spans(&english), all_spans(&chinese), "code spans of the whole document");
    assert_eq!(other_links(&english), other_links(&chinese), "links");
    assert_eq!(levels(&english), levels(&chinese), "headings");
}

/// The Chinese text may have more: it writes months and small counts in digits.
#[test]
fn both_readmes_have_the_same_figures() {
    let [english, chinese] = [ENGLISH, CHINESE].map(|name| Document::read(Path::new(name)));
    for (place, (english, chinese)) in (1..).zip(english.sections().zip(chinese.sections())) {
        let lost: Vec<_> = numbers(english).difference(&numbers(chinese)).cloned().collect();
        assert_eq!(lost, [""; 0], "figures missing from section {place} of {CHINESE}");
    }
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

    /// The lines under each heading of the second level, those before the first left out.
    fn sections(&self) -> impl Iterator<Item = &[String]> {
        self.prose.split(|line| line.starts_with("## ")).skip(1)
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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

/// The links but those from one README to the other.
fn other_links(document: &Document) -> BTreeSet<&str> {
    document.links().filter(|link| !link.starts_with("README")).collect()
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
