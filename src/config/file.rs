//! `instructmill.toml`: every setting by its key, unknown keys refused with a suggestion.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Settings;

/// The largest configuration file.
const MAX_FILE_BYTES: u64 = 1_000_000;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no configuration file.
    #[error("the configuration file {} is larger than 1 MB: is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is in another encoding.
    #[error("the configuration file {} is not UTF-8: save it as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A key is none of the settings.
    #[error("{}, line {line}: unknown key `{key}`{suggestion}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The key.
        key: String,
        /// `: did you mean ...?`, or the list of keys.
        suggestion: String,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("{}, line {line}: {message}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// [`FileError`], naming the file, the line and the key.
pub fn read_settings(path: &Path) -> Result<Settings, FileError> {
    let bytes =
        read_bytes(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes)
        .map_err(|_not_utf8| FileError::NotUtf8 { path: path.to_owned() })?;
    parse(path, text.strip_prefix('\u{feff}').unwrap_or(&text))
}

/// The file, or enough of it to tell that it is too large.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, text: &str) -> Result<Settings, FileError> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let start = span.start;
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        let path = path.to_owned();
        match unknown_key(error.message()) {
            Some(key) => FileError::UnknownKey {
                path,
                line,
                key: key.to_owned(),
                suggestion: suggestion(key, Settings::KEYS),
            },
            None => {
                let message = error.message().to_owned();
                let message = match text.get(span) {
                    Some(key) if message == "duplicate key" => format!("{message} `{key}`"),
                    _ => message,
                };
                FileError::Value { path, line, message }
            }
        }
    })
}

/// The key in serde's message on an unknown field.
fn unknown_key(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// `: did you mean ...?` for a close name, the whole list otherwise.
pub(super) fn suggestion(name: &str, names: &[&str]) -> String {
    let close = names
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.8);
    match close {
        Some((_, known)) => format!(": did you mean `{known}`?"),
        None => format!(": one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(Path::new("mill.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        insta::assert_snapshot!(
            error("target = 5\nmodle = \"x\"\n"),
            @"mill.toml, line 2: unknown key `modle`: did you mean `model`?"
        );
        insta::assert_snapshot!(
            error("# hi\n\ntarget = \"many\"\n"),
            @r#"mill.toml, line 3: invalid type: string "many", expected u64"#
        );
        insta::assert_snapshot!(
            error("budget = nan\n"),
            @"mill.toml, line 1: `NaN` is not an amount in US dollars: expected a decimal number such as 4.50"
        );
        assert!(error("target = \n").starts_with("mill.toml, line 1: "));
        insta::assert_snapshot!(
            error("target = 5\nrpm = 60\ntarget = 9\n"),
            @"mill.toml, line 3: duplicate key `target`"
        );
    }

    #[test]
    fn what_is_no_configuration_file_is_refused_without_reading_it_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mill.toml");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read_settings(&path)
        };
        assert!(matches!(read(&vec![b' '; 1_000_001]), Err(FileError::TooLarge { .. })));
        assert!(matches!(read(b"model = \"\xe9\""), Err(FileError::NotUtf8 { .. })));
        assert_eq!(read("\u{feff}target = 5".as_bytes()).unwrap().target, Some(5));
        let nested = format!("a = {}", "[".repeat(400_000));
        assert!(matches!(read(nested.as_bytes()), Err(FileError::Value { .. })));
        if cfg!(unix) {
            let endless = read_settings(Path::new("/dev/zero"));
            assert!(matches!(endless, Err(FileError::TooLarge { .. })));
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text = "seeds = \"a.jsonl\"\nbudget = 4.5\nprice_in = \"0.15\"\nrpm = 60\n\
                    temperature = 1.0\nkeywords = [\"map\"]\n";
        let settings = parse(Path::new("x"), text).unwrap();
        assert_eq!(settings.rpm, Some(60));
        assert_eq!(settings.budget.map(|m| m.0.to_string()).as_deref(), Some("4.5"));
    }
}
