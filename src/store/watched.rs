//! Files that must stay where they were: a run directory that is removed, moved or replaced while a
//! process works on it.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Files with what they were when the run was opened.
#[derive(Debug, Default)]
pub(super) struct Watched(Vec<(PathBuf, Identity)>);

impl Watched {
    /// Remembers these files.
    ///
    /// # Errors
    /// An I/O error when one is not there.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let with_identity = |path: PathBuf| Ok((path.clone(), identity(&fs::metadata(path)?)));
        paths.into_iter().map(with_identity).collect::<io::Result<_>>().map(Self)
    }

    /// Fails when one is gone, or another file is in its place. It takes microseconds: two system
    /// calls.
    ///
    /// # Errors
    /// [`StoreError::Moved`].
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let is_same = |path: &Path, before: &Identity| {
            fs::metadata(path).is_ok_and(|metadata| identity(&metadata) == *before)
        };
        match self.0.iter().find(|(path, before)| !is_same(path, before)) {
            Some((path, _)) => Err(StoreError::Moved { path: path.clone() }),
            None => Ok(()),
        }
    }
}

/// The number of the device and the file's own on it.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Where the system does not number files, that it is one.
#[cfg(not(unix))]
type Identity = bool;

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> Identity {
    metadata.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
        let watched = Watched::new([one.clone(), two.clone()]).unwrap();
        assert!(watched.check().is_ok());
        fs::write(&two, "more").unwrap();
        assert!(watched.check().is_ok());
        let aside = folder.path().join("aside");
        fs::rename(&two, &aside).unwrap();
        let moved = |path: &Path| matches!(watched.check(), Err(StoreError::Moved { path: p }) if p == path);
        assert!(moved(&two));
        fs::copy(&aside, &two).unwrap();
        assert!(cfg!(not(unix)) || moved(&two));
        fs::rename(&aside, &two).unwrap();
        assert!(watched.check().is_ok());
        fs::remove_file(&one).unwrap();
        assert!(moved(&one));
        assert!(Watched::new([one]).is_err());
    }
}
