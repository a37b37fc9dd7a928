//! Files that are named pipes: opening one waits for somebody to write into it. That is said, so that it
//! is not taken for a program that hangs.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::failure::say;
use crate::config::{self, ConfigError, Environment, FileError, RunConfig, Settings};

/// Who writes into a pipe at once, as `<(command)` in a shell does, is not waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads a configuration file.
pub(super) fn read_settings(path: &Path) -> Result<Settings, FileError> {
    read(&[("--config", path.to_owned())], || config::read_settings(path))
}

/// Resolves settings, which reads the files that they name.
pub(super) fn resolve(
    settings: Settings,
    environment: Environment<'_>,
) -> Result<RunConfig, ConfigError> {
    let one = |flag, path: &Option<PathBuf>| path.clone().map(|path| (flag, path));
    let benchmarks = settings.decontaminate.iter().flatten().cloned();
    let files: Vec<_> = one("--seeds", &settings.seeds)
        .into_iter()
        .chain(one("--prices", &settings.prices))
        .chain(benchmarks.map(|path| ("--decontaminate", path)))
        .collect();
    read(&files, || RunConfig::resolve(settings, environment))
}

/// Reads files, each given by a flag, and says when a pipe among them has no writer yet.
fn read<T>(files: &[(&'static str, PathBuf)], read: impl FnOnce() -> T) -> T {
    let pipes = files.iter().filter(|(_, path)| is_pipe(path));
    let names: Vec<String> =
        pipes.map(|(flag, path)| format!("{} ({flag})", path.display())).collect();
    if names.is_empty() {
        return read();
    }
    let (done, waiting) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                say(&format!(
                    "waiting for all of what is written into the named pipe {}",
                    names.join(", ")
                ));
            }
        });
        let read = read();
        drop(done);
        read
    })
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_path: &Path) -> bool {
    false
}
