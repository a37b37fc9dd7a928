//! Tells the program the commit it is built from, for `--version`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = packaged_commit().or_else(checked_out_commit);
    let shown = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=INSTRUCTMILL_COMMIT={shown}");
}

/// The commit that `cargo package` noted.
fn packaged_commit() -> Option<String> {
    let note = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = note.split_once("\"sha1\"")?;
    let sha1 = rest.split('"').nth(1)?;
    sha1.get(..9).map(str::to_owned)
}

/// The commit of the checkout. Only release builds follow it: a debug build would be done again
/// after each commit.
fn checked_out_commit() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
        println!("cargo:rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "--short=9", "HEAD"])?;
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_clean { commit } else { format!("{commit}, changed") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
