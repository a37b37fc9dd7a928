//! Holds the source to the table of layers: who may import whom, how long a file may be, and that
//! the documents name what is there.
//!
//! The source is read as text, without comments and literals. A path that a macro puts together
//! from parts would escape it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, lowest layer first. A module may import itself and what is in a lower layer; in the
/// lowest, which is plain data, also what is before it in the list.
const LAYERS: [&[&str]; 6] = [
    &[
        "usd",
        "chat",
        "task",
        "event",
        "summary",
        "embedding",
        "clock",
        "histogram",
        "host",
        "headroom",
        "failpoint",
    ],
    &[
        "pool",
        "template",
        "ledger",
        "limit",
        "provider",
        "store",
        "filter",
        "novelty",
        "benchmark",
        "dataset",
        "export",
        "report",
        "simulator",
        "metrics",
    ],
    &["config"],
    &["pipeline", "viewer"],
    &["cli"],
    &["main"],
];

/// The most lines of a source file, its tests included. Aim for 400 without them.
const MAX_LINES: usize = 500;

/// Declares the modules and imports nothing.
const ROOT: &str = "src/lib.rs";

#[test]
fn modules_import_lower_layers_only() {
    let files = source_files();
    assert!(files.len() > 20, "only {} source files found", files.len());
    let found = violations(&files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_has_a_layer_and_every_layer_a_module() {
    let files = source_files();
    let there: BTreeSet<&str> =
        files.iter().map(|(path, _)| module_of(path)).filter(|module| *module != "lib").collect();
    let listed: BTreeSet<&str> = LAYERS.concat().into_iter().collect();
    assert_eq!(there, listed);
}

#[test]
fn files_are_short() {
    let long: Vec<String> = source_files()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path} has {lines} lines, the most is {MAX_LINES}"))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn the_documentation_of_the_library_has_the_same_table() {
    let files = source_files();
    let (_, root) = files.iter().find(|(path, _)| path == ROOT).expect("the library has a root");
    let highest_first: Vec<BTreeSet<&str>> =
        LAYERS.iter().rev().map(|layer| layer.iter().copied().collect()).collect();
    assert_eq!(documented_layers(root), highest_first);
}

#[test]
fn the_architecture_names_every_folder() {
    let Ok(text) = fs::read_to_string(package().join("ARCHITECTURE.md")) else {
        return; // A package without the document has nothing to compare.
    };
    for folder in folders() {
        assert!(text.contains(&format!("{folder}/")), "ARCHITECTURE.md does not name {folder}/");
    }
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Path from the package, with slashes, and text of each Rust file in `src`.
fn source_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![package().join("src")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                files.push((relative(&path), text));
            }
        }
    }
    files.sort();
    files
}

fn folders() -> Vec<String> {
    let folders = entries(&package().join("src")).into_iter().filter(|path| path.is_dir());
    folders.map(|path| module_of(&relative(&path)).to_owned()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    entries.map(|entry| entry.expect("the entry is readable").path()).collect()
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(package()).expect("source is inside of the package");
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The module directly below the root to which a file belongs: `pool` for `src/pool/seed.rs`.
fn module_of(path: &str) -> &str {
    let path = path.trim_start_matches("src/");
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// The modules between the root and the items of a file: `pool`, `seed` for `src/pool/seed.rs`.
fn module_path(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let parts = path.split('/').filter(|part| !["mod", "main", "lib"].contains(part));
    parts.map(str::to_owned).collect()
}

/// What a module may import has a lower rank: its layer, and in the lowest its place in the list.
fn rank_of(module: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(layer, modules)| {
        let place = modules.iter().position(|name| *name == module)?;
        Some((layer, if layer == 0 { place } else { 0 }))
    })
}

/// The layers of the `text` block under "The layers" in the root's documentation, in its order.
fn documented_layers(root: &str) -> Vec<BTreeSet<&str>> {
    let lines = root.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim);
    let block = lines
        .skip_while(|line| *line != "# The layers")
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```");
    let mut layers = vec![BTreeSet::new()];
    for word in block.flat_map(str::split_whitespace) {
        match (word, layers.last_mut()) {
            ("->", _) => layers.push(BTreeSet::new()),
            ("{" | "}", _) | (_, None) => {}
            (module, Some(layer)) => {
                layer.insert(module);
            }
        }
    }
    layers
}

/// Every import that the table does not allow, as `path:line: what`. Takes (path, text) of each
/// file.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path != ROOT) {
        let module = module_of(path);
        for import in imports(text, &module_path(path)) {
            if let Some(what) = objection(module, &import.path) {
                found.push(format!("{path}:{}: {what}", import.line));
            }
        }
    }
    found.dedup();
    found
}

/// What is wrong with an import, given as the path from the root.
fn objection(module: &str, path: &[String]) -> Option<String> {
    let imported = match path.first().map(String::as_str) {
        None => return Some("the root itself is imported, which hides what is meant".to_owned()),
        Some("*") => return Some("everything in the root is imported".to_owned()),
        Some(imported) => imported,
    };
    if imported == module {
        return None;
    }
    match (rank_of(module), rank_of(imported)) {
        (None, _) => Some(format!("{module} is in no layer")),
        (_, None) => Some(format!("{imported}, which is imported, is in no layer")),
        (Some(own), Some(other)) if other < own => None,
        _ => Some(format!("{module} must not import {imported}")),
    }
}

/// A path of this package that a file names, from the root.
struct Import {
    path: Vec<String>,
    line: usize,
}

/// All paths that start at the root or at a module above, in `use` and elsewhere.
fn imports(text: &str, module: &[String]) -> Vec<Import> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, imports: Vec::new() };
    let mut module = module.to_vec();
    // How deep in braces each module is that is written out in the file, such as `mod tests`.
    let (mut depth, mut inline) = (0, Vec::new());
    while let Some(token) = reader.word(0) {
        let follows_path = reader.at > 0 && tokens[reader.at - 1].word == "::";
        match token {
            "crate" | "instructmill" | "super" | "self" if !follows_path => {
                let base = match token {
                    "super" => module[..module.len().saturating_sub(1)].to_vec(),
                    "self" => module.clone(),
                    _ => Vec::new(),
                };
                reader.start(base);
                continue;
            }
            "mod" if reader.word(2) == Some("{") => {
                module.push(reader.word(1).unwrap_or_default().to_owned());
                inline.push(depth);
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
            }
            _ => {}
        }
        reader.at += 1;
    }
    reader.imports
}

/// Reads paths and trees of paths.
struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    imports: Vec<Import>,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> Option<&'_ str> {
        self.tokens.get(self.at + ahead).map(|token| &*token.word)
    }

    /// At the first word of a path, of which `base` is the meaning. A word that no path follows,
    /// as in `pub(crate)` or `self.len()`, is no import.
    fn start(&mut self, base: Vec<String>) {
        match self.word(1) {
            Some("::") => {
                self.at += 2;
                self.tree(base);
            }
            Some("as") => {
                self.import(base);
                self.at += 1;
            }
            _ => self.at += 1,
        }
    }

    /// After `base::`: a name, a star, or a group of trees in braces.
    fn tree(&mut self, mut base: Vec<String>) {
        match self.word(0) {
            Some("{") => self.group(&base),
            Some("super") => {
                base.pop();
                self.rest(base);
            }
            Some("self" | "crate") => self.rest(base),
            Some(name) if name == "*" || is_name(name) => {
                base.push(name.to_owned());
                self.rest(base);
            }
            _ => self.import(base),
        }
    }

    fn rest(&mut self, base: Vec<String>) {
        self.at += 1;
        if self.word(0) == Some("::") {
            self.at += 1;
            self.tree(base);
        } else {
            self.import(base);
        }
    }

    fn group(&mut self, base: &[String]) {
        self.at += 1;
        while let Some(word) = self.word(0) {
            match word {
                "}" => {
                    self.at += 1;
                    return;
                }
                "," => self.at += 1,
                "as" => self.at += 2,
                _ => {
                    let before = self.at;
                    self.tree(base.to_vec());
                    self.at = self.at.max(before + 1);
                }
            }
        }
    }

    fn import(&mut self, path: Vec<String>) {
        let line = self.tokens.get(self.at.saturating_sub(1)).map_or(0, |token| token.line);
        self.imports.push(Import { path, line });
    }
}

/// A name, `::`, or one character of punctuation.
struct Token {
    word: String,
    line: usize,
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words of Rust source, without comments, texts, characters and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut counted, mut line) = (0, 0, 1);
    while at < chars.len() {
        line += chars[counted..at].iter().filter(|c| **c == '\n').count();
        counted = at;
        let rest = &chars[at..];
        let (length, is_word) = match rest {
            ['/', '/', ..] => (rest.iter().take_while(|c| **c != '\n').count(), false),
            ['/', '*', ..] => (block_comment(rest), false),
            ['"', ..] => (quoted(rest), false),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => (character(rest), false),
            ['\'', ..] => (1 + rest[1..].iter().take_while(|c| is_name_part(**c)).count(), false),
            ['r', ..] | ['b' | 'c', 'r', ..] if raw_text(rest).is_some() => {
                (raw_text(rest).unwrap_or(1), false)
            }
            [':', ':', ..] => (2, true),
            [c, ..] if is_name_part(*c) => {
                (rest.iter().take_while(|c| is_name_part(**c)).count(), true)
            }
            [c, ..] => (1, !c.is_whitespace()),
            [] => break,
        };
        if is_word {
            tokens.push(Token { word: rest[..length].iter().collect(), line });
        }
        at += length.max(1);
    }
    tokens
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment between `/*` and `*/`, which may have others in it.
fn block_comment(chars: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a text between quotation marks.
fn quoted(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a character literal.
fn character(chars: &[char]) -> usize {
    let inside = if chars[1] == '\\' { 3 } else { 2 };
    inside + 1 + chars[inside..].iter().take_while(|c| **c != '\'').count()
}

/// The length of a raw text such as `r#"…"#`, if it is one.
fn raw_text(chars: &[char]) -> Option<usize> {
    let prefix = chars.iter().take_while(|c| "rbc".contains(**c)).count();
    let hashes = chars[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes + 1;
    if chars.get(start - 1) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = chars[start..].windows(end.len()).position(|window| window == end)?;
    Some(start + length + end.len())
}

fn found_in(path: &str, text: &str) -> Vec<String> {
    violations(&[(format!("src/{path}"), text.to_owned())])
}

#[test]
fn planted_violations_are_found() {
    for (path, text, imported) in [
        ("filter/mod.rs", "use crate::pipeline::run;", "pipeline"),
        ("filter/mod.rs", "use crate::{task::Candidate, novelty};", "novelty"),
        ("filter/mod.rs", "use {std::fs, crate::novelty as n};", "novelty"),
        ("filter/mod.rs", "use crate::{task, novelty::{self, Finding as F}};", "novelty"),
        ("filter/mod.rs", "use super::novelty;", "novelty"),
        ("filter/rule.rs", "use super::super::novelty::Index;", "novelty"),
        ("filter/rule.rs", "use super::{super::novelty, Rule};", "novelty"),
        ("filter/rule.rs", "mod tests { use super::super::super::cli; }", "cli"),
        ("filter/rule.rs", "mod a { fn f() {} } use super::super::cli;", "cli"),
        ("filter/mod.rs", "fn f() { crate::store::open(\"x\") }", "store"),
        ("filter/mod.rs", "fn f(x: &'static crate::store::Run) {}", "store"),
        ("filter/mod.rs", "const C: char = '\"'; use crate::store; // \"", "store"),
        ("filter/mod.rs", "const C: char = '\\''; use crate::store; // '", "store"),
        ("filter/mod.rs", "m!(r#\"\" crate::cli \"#, crate::store::X)", "store"),
        ("task.rs", "use crate::pool::Pool;", "pool"),
        ("usd.rs", "use crate::task::TaskRef;", "task"),
        ("config/mod.rs", "use crate::cli;", "cli"),
        ("cli/mod.rs", "use instructmill::main;", "main"),
    ] {
        let module = module_of(path);
        let expected = format!("src/{path}:1: {module} must not import {imported}");
        assert_eq!(found_in(path, text), [expected], "in {text}");
    }
}

#[test]
fn imports_that_hide_what_they_import_are_found() {
    const ROOT_ITSELF: &str = "the root itself is imported, which hides what is meant";
    for (text, what) in [
        ("use crate::*;", "everything in the root is imported"),
        ("use super::*;", "everything in the root is imported"),
        ("use crate as root;", ROOT_ITSELF),
        ("use super::{self as root};", ROOT_ITSELF),
        ("use crate::helpers::x;", "helpers, which is imported, is in no layer"),
    ] {
        assert_eq!(found_in("filter/mod.rs", text), [format!("src/filter/mod.rs:1: {what}")]);
    }
    let unknown = found_in("helpers.rs", "/* two\nlines */\nuse crate::task::x;");
    assert_eq!(unknown, ["src/helpers.rs:3: helpers is in no layer"]);
}

#[test]
fn allowed_imports_and_what_only_looks_like_one_pass() {
    for (path, text) in [
        ("filter/mod.rs", "use crate::{event::Rejection, task::*}; use crate::filter::Rule;"),
        ("filter/rule.rs", "use super::Rule; use super::super::task::Candidate; use self::a::b;"),
        ("filter/rule.rs", "mod tests { use super::*; use super::super::Rule; }"),
        ("filter/mod.rs", "// use crate::cli;\n/* crate::cli /* crate::cli */ crate::cli */"),
        ("filter/mod.rs", "/// [`crate::cli::run`]\npub(crate) fn f<'a>(&'a self) {}"),
        ("filter/mod.rs", r##"f("crate::cli \" crate::cli", r#"crate::cli"#, br"crate::cli")"##),
        ("filter/mod.rs", "fn f() { other::crate_::cli(); x::super_y(); }"),
        ("pipeline/mod.rs", "use crate::{config::Run, pool::Pool, usd::Usd};"),
        ("task.rs", "use crate::usd::Usd;"),
        ("main.rs", "fn main() { instructmill::cli::run() }"),
        ("lib.rs", "pub mod cli; pub use crate::cli::run;"),
    ] {
        assert_eq!(found_in(path, text), [""; 0], "in {text}");
    }
}

#[test]
fn the_table_in_the_documentation_is_read() {
    let root =
        "//! # The layers\n//!\n//! ```text\n//! a -> b\n//!  -> { c d }\n//! ```\n//! e -> f";
    let layers: [BTreeSet<&str>; 3] = [["a"].into(), ["b"].into(), ["c", "d"].into()];
    assert_eq!(documented_layers(root), layers);
}
