//! What `generate --summary` writes: how the command ended, for whoever started it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failure::CliError;
use super::output::{OF_A_RUN, SUMMARY};
use super::status;
use crate::export::AtomicFile;
use crate::report::{RunReport, to_value};
use crate::store::RunDir;
use crate::summary::StopReason;

/// A larger file is no summary.
const MOST_BYTES: u64 = 1 << 20;

/// What is known of a run when the command ends; nothing at first.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) dir: Option<RunDir>,
    pub(super) report: Option<RunReport>,
}

/// Where a summary will be: `None` for stdout.
#[derive(Debug)]
pub(super) struct Place(Option<PathBuf>);

impl Place {
    /// Fails when a summary cannot be there. One of an earlier command is removed: if this one is
    /// killed, there is none.
    pub(super) fn take(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self(None));
        }
        refuse_other(path)?;
        // In the run's directory it may take the place of a file that is still to come.
        let mut of_a_run = OF_A_RUN.iter().filter(|name| **name != SUMMARY);
        if of_a_run.any(|name| path.file_name() == Some(OsStr::new(name))) {
            let message = format!("--summary {} has the name of a run's file", path.display());
            return Err(CliError::usage(message).with_hint("give --summary another name"));
        }
        // Made and removed again: only the system knows.
        drop(AtomicFile::create(path).map_err(|error| CliError::usage(error.to_string()))?);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CliError::usage(format!(
                "the earlier summary {} cannot be removed: {error}",
                path.display()
            ))),
            _ => Ok(Self(Some(path.to_owned()))),
        }
    }

    /// Writes how the command ended.
    pub(super) fn write(
        &self,
        known: &Known,
        ended: &Result<u8, CliError>,
    ) -> Result<(), CliError> {
        let text = format!("{:#}\n", describe(known, ended));
        match &self.0 {
            None => Ok(io::stdout().write_all(text.as_bytes())?),
            Some(path) => {
                refuse_other(path)?;
                let mut file = AtomicFile::create(path)?;
                file.write_all(text.as_bytes())?;
                Ok(file.commit()?)
            }
        }
    }
}

/// Fails when another file than a summary has this name.
fn refuse_other(path: &Path) -> Result<(), CliError> {
    if !path.is_file() || is_summary(path) {
        return Ok(());
    }
    let message = format!("--summary {} is there and is no summary", path.display());
    Err(CliError::usage(message).with_hint("give --summary another name"))
}

fn is_summary(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    let value = read.ok().and_then(|_bytes| serde_json::from_slice::<Value>(&bytes).ok());
    value.is_some_and(|value| value.get("exit_code").is_some())
}

/// The fields of `status --json`, as far as there is a run, and how the command ended.
fn describe(known: &Known, ended: &Result<u8, CliError>) -> Value {
    let stored = || known.dir.as_ref().and_then(|dir| status::stored(dir).ok());
    let report = known.report.clone().or_else(stored);
    let mut value = match &report {
        Some(report) => to_value(report),
        None => json!({ "run": known.dir.as_ref().map(|dir| dir.path().display().to_string()) }),
    };
    let (code, error, hint) = match ended {
        Ok(code) => (*code, None, None),
        Err(error) => (error.code(), Some(error.message()), Some(error.hint())),
    };
    // A session that did not begin has no reason of its own.
    let reason = known.report.as_ref().and_then(|report| report.stop_reason);
    value["stop_reason"] = json!(reason.map(StopReason::as_str));
    value["exit_code"] = json!(code);
    value["exit_meaning"] = json!(meaning(code));
    let is_lasting = ended.as_ref().is_err_and(CliError::is_lasting);
    value["run_again"] = json!(!is_lasting && goes_on(code, reason));
    value["error"] = json!(error);
    value["hint"] = json!(hint.filter(|hint| !hint.is_empty()));
    value
}

fn meaning(code: u8) -> &'static str {
    match code {
        0 => "stopped by design",
        2 => "usage or configuration: nothing was sent",
        130 => "interrupted",
        _ => "failure",
    }
}

/// Whether the same command, given again, would go on without any other change than time.
fn goes_on(code: u8, reason: Option<StopReason>) -> bool {
    matches!(code, 1 | 130) && reason != Some(StopReason::NoProgress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::RunError;
    use crate::provider::ApiError;

    #[test]
    fn nothing_but_a_summary_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        let place = Place::take(&path).unwrap();
        let failed = Err(CliError::usage("no such model").with_hint("name another"));
        place.write(&Known::default(), &failed).unwrap();
        let value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((&value["exit_code"], &value["run_again"]), (&json!(2), &json!(false)));
        let wrong_key = ApiError {
            status: 401,
            code: None,
            kind: None,
            param: None,
            message: "no such key".to_owned(),
            retry_after: None,
        };
        let wrong_key = RunError::Refused { error: wrong_key, hint: "" };
        let unreachable = RunError::Unreachable {
            base_url: String::new(),
            message: String::new(),
            certificate: false,
        };
        for (error, again) in [(wrong_key, false), (unreachable, true)] {
            let value = describe(&Known::default(), &Err(error.into()));
            assert_eq!((&value["exit_code"], &value["run_again"]), (&json!(1), &json!(again)));
        }
        let value = describe(&Known::default(), &failed);
        assert_eq!((&value["error"], &value["run"]), (&json!("no such model"), &Value::Null));

        Place::take(&path).unwrap();
        assert!(
            !path.exists(),
            "an earlier one could be taken for that of a command that was killed"
        );
        fs::write(&path, "{\"target\": 3}").unwrap();
        assert!(Place::take(&path).is_err());
        assert!(place.write(&Known::default(), &Ok(0)).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"{\"target\": 3}");
        assert!(Place::take(&folder.path().join("no/such/folder")).is_err());
    }

    #[test]
    fn what_time_may_mend_is_worth_another_try() {
        assert!(goes_on(130, Some(StopReason::Interrupted)) && goes_on(1, None));
        assert!(!goes_on(0, Some(StopReason::Budget)) && !goes_on(2, None));
        assert!(!goes_on(1, Some(StopReason::NoProgress)));
    }
}
