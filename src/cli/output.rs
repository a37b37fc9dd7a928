//! Where results may be written: checked before anything is bought, and never in place of something
//! that is still needed.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::CliError;
use crate::config::Settings;
use crate::export::AtomicFile;
use crate::store::RunDir;

/// The files of a run directory that are not to be replaced.
pub(super) const OF_A_RUN: [&str; 6] =
    ["run.db", "run.db-wal", "run.db-shm", "run.lock", "ballast", SUMMARY];
/// Of these the one whose name others may have too.
pub(super) const SUMMARY: &str = "summary.json";

/// Fails unless a file can be put at `output` that is not the run's own.
pub(super) fn check_output(dir: &RunDir, output: &Path) -> Result<(), CliError> {
    for name in OF_A_RUN {
        refuse_same(output, &dir.path().join(name), "a file of the run itself")?;
    }
    // Made and removed again: only the system knows.
    drop(AtomicFile::create(output).map_err(|error| CliError::usage(error.to_string()))?);
    Ok(())
}

/// Fails when a summary would be in the place of what the run writes itself.
pub(super) fn check_summary(
    dir: &RunDir,
    output: Option<&Path>,
    summary: &Path,
) -> Result<(), CliError> {
    let own = OF_A_RUN.map(|name| dir.path().join(name));
    let mut taken = own.iter().map(PathBuf::as_path).chain(output);
    if !taken.any(|taken| is_same(taken, summary)) {
        return Ok(());
    }
    let message = format!("--summary {} is a file that the run writes itself", summary.display());
    Err(CliError::usage(message).with_hint("give --summary another name"))
}

/// Fails when `output` is one of the files that a run reads.
pub(super) fn check_not_input(
    output: &Path,
    config: Option<&Path>,
    settings: &Settings,
) -> Result<(), CliError> {
    let benchmarks = settings.decontaminate.iter().flatten().map(PathBuf::as_path);
    let files = [config, settings.seeds.as_deref(), settings.prices.as_deref()];
    for input in files.into_iter().flatten().chain(benchmarks) {
        refuse_same(output, input, "a file that the run reads")?;
    }
    Ok(())
}

fn refuse_same(output: &Path, other: &Path, what: &str) -> Result<(), CliError> {
    if !is_same(output, other) {
        return Ok(());
    }
    let message = format!("--output {} is {what}", output.display());
    Err(CliError::usage(message).with_hint("give --output another name"))
}

/// Whether both names lead to one file, there already or not.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
        Some(fs::canonicalize(path).unwrap_or(parent.join(path.file_name()?)))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_recognised_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        fs::create_dir(path("d")).unwrap();
        assert!(is_same(&path("a"), &path("d/../a")));
        assert!(is_same(&path("new"), &path("d/../new")));
        assert!(!is_same(&path("a"), &path("d/a")));
        assert!(!is_same(&path("no/such"), &path("no/such")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
            assert!(is_same(&path("link"), &path("a")));
        }
    }
}
