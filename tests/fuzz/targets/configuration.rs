//! The configuration file, and what a run is made of from it.

use instructmill::config::{Environment, FileError, RunConfig, Settings, read_settings};

use super::with_file;

/// The bytes are the file.
pub fn check(bytes: &[u8]) {
    match with_file(bytes, read_settings) {
        Ok(settings) => are_kept(&settings),
        Err(error) => is_told(&error, bytes),
    }
}

/// Settings are kept in a run as JSON, and compared with those of the next session.
fn are_kept(settings: &Settings) {
    let stored: Settings =
        serde_json::from_value(settings.to_json()).expect("settings are stored as JSON");
    assert_eq!(stored.changes_since(settings), []);
    assert_eq!(&stored, settings);
    assert_eq!(&Settings::default().or(settings.clone()), settings);
    // No file but this one is read, and no variable.
    let is_pure = settings.seeds.is_none() && settings.prices.is_none();
    let environment = Environment { get: &|_name| None };
    if is_pure && let Ok(resolved) = RunConfig::resolve(settings.clone(), environment) {
        assert_eq!(resolved.settings.changes_since(&resolved.settings), []);
        assert!(resolved.target > 0);
    }
}

/// With a line that the file has.
fn is_told(error: &FileError, bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    if let FileError::UnknownKey { line, .. } | FileError::Value { line, .. } = error {
        assert!((1..=lines).contains(line), "line {line} of {lines}: {error}");
    }
    assert!(!error.to_string().is_empty());
}
