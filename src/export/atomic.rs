//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failpoint::{Point, reached};

/// How many bytes are collected before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that takes its name only on [`commit`](Self::commit): until then its bytes are in a
/// temporary file of the same directory, and a file of that name stays as it is.
///
/// Dropped without commit, it leaves nothing behind. A process that is killed leaves the temporary
/// file, `.instructmill-*.tmp`.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    directory: PathBuf,
    file: BufWriter<NamedTempFile>,
}

/// The file can't be written. Each message says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum AtomicFileError {
    /// The directory that the file is to be in does not exist.
    #[error("the directory `{}` does not exist: make it with `mkdir -p`", .directory.display())]
    MissingDirectory {
        /// The missing directory.
        directory: PathBuf,
    },
    /// What should be the directory of the file is a file.
    #[error("`{}` is not a directory: choose another path", .directory.display())]
    NotADirectory {
        /// What is no directory.
        directory: PathBuf,
    },
    /// There is a directory of that name.
    #[error("`{}` is a directory: add the name of a file", .path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A device, pipe or socket, which a file must not replace.
    #[error("`{}` is not a regular file: write to stdout and redirect it there", .path.display())]
    NotRegular {
        /// The device, pipe or socket.
        path: PathBuf,
    },
    /// No file can be created in the directory.
    #[error("cannot write in `{}`: change its permissions or choose another place", .directory.display())]
    NotWritable {
        /// The directory.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another failure, a full disk among them. The file of that name, if any, is as it was.
    #[error("cannot write `{}`: check the space and the state of its disk", .path.display())]
    Failed {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl AtomicFile {
    /// Starts a file that [`commit`](Self::commit) will put at `path`. A symbolic link is followed.
    /// A new file has the usual permissions, and one that replaces another has the other's.
    ///
    /// # Errors
    ///
    /// [`AtomicFileError`] when no file can be put there. What is there already is as it was.
    pub fn create(path: &Path) -> Result<Self, AtomicFileError> {
        let target = resolve_link(path);
        let existing = check_target(&target)?;
        let directory = directory_of(&target);
        let file = create_in(&directory).map_err(|error| refused(&target, &directory, error))?;
        if let Some(existing) = existing {
            let copied = file.as_file().set_permissions(existing.permissions());
            copied.map_err(|source| AtomicFileError::Failed { path: target.clone(), source })?;
        }
        Ok(Self { target, directory, file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    /// Lets the file's owner alone read it, where the system knows such a thing.
    ///
    /// # Errors
    /// [`AtomicFileError::Failed`].
    pub fn make_private(&self) -> Result<(), AtomicFileError> {
        #[cfg(unix)]
        {
            let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
            let changed = self.file.get_ref().as_file().set_permissions(private);
            changed
                .map_err(|source| AtomicFileError::Failed { path: self.target.clone(), source })?;
        }
        Ok(())
    }

    /// Where the file will be, symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Puts the file in its place. When this returns, it is there whole, even after a power cut.
    ///
    /// # Errors
    ///
    /// [`AtomicFileError::Failed`]. The file of that name, if any, is as it was, except when the
    /// new one is in place and only its directory can't be brought to the disk.
    pub fn commit(self) -> Result<(), AtomicFileError> {
        let Self { target, directory, file } = self;
        let placed = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.as_file().sync_all()?;
            reached(Point::FileWritten);
            file.persist(&target).map_err(|failed| failed.error)?;
            reached(Point::FilePlaced);
            sync_directory(&directory)
        });
        placed.map_err(|source| AtomicFileError::Failed { path: target, source })
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The path that a link leads to, so that the link stays a link. A link to nothing is replaced.
fn resolve_link(path: &Path) -> PathBuf {
    let target = if path.is_symlink() { fs::canonicalize(path).ok() } else { None };
    target.unwrap_or_else(|| path.to_owned())
}

/// Refuses what is no file; gives the metadata of the file to be replaced.
fn check_target(target: &Path) -> Result<Option<fs::Metadata>, AtomicFileError> {
    let path = target.to_owned();
    let ends_in_slash = target.as_os_str().as_encoded_bytes().last() == Some(&b'/');
    if target.file_name().is_none() || ends_in_slash {
        return Err(AtomicFileError::IsDirectory { path });
    }
    match fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(metadata) if metadata.is_dir() => Err(AtomicFileError::IsDirectory { path }),
        Ok(_) => Err(AtomicFileError::NotRegular { path }),
        // Nothing there, or not to be seen: creating the temporary file says why.
        Err(_) => Ok(None),
    }
}

fn directory_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn create_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".instructmill-").suffix(".tmp");
    // Temporary files are private by default, but an export is a file like any other.
    #[cfg(unix)]
    let shared = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(shared);
    builder.tempfile_in(directory)
}

fn refused(target: &Path, directory: &Path, source: io::Error) -> AtomicFileError {
    let directory = directory.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => AtomicFileError::MissingDirectory { directory },
        io::ErrorKind::NotADirectory => AtomicFileError::NotADirectory { directory },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            AtomicFileError::NotWritable { directory, source }
        }
        _ => AtomicFileError::Failed { path: target.to_owned(), source },
    }
}

/// Brings the new name to the disk. Some network file systems can't, and have nothing to bring.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory)?.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn write(path: &Path, text: &str) {
        let mut file = AtomicFile::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.commit().unwrap();
    }

    #[test]
    fn appears_on_commit_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        let mut file = AtomicFile::create(&path).unwrap();
        assert_eq!(file.path(), path);
        file.write_all(&vec![b'x'; BUFFER_BYTES * 2 + 1]).unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), BUFFER_BYTES * 2 + 1);
        assert_eq!(names(folder.path()), ["data.json"]);
    }

    #[test]
    fn a_drop_leaves_nothing_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        write(&path, "old");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["data.json"]);
        write(&path, "new");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn says_what_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write(&file, "");
        let refusal = |path: &Path| AtomicFile::create(path).unwrap_err();
        let missing = refusal(&folder.path().join("no/such/file"));
        assert!(matches!(missing, AtomicFileError::MissingDirectory { .. }));
        assert!(missing.to_string().ends_with("no/such` does not exist: make it with `mkdir -p`"));
        assert!(matches!(refusal(&file.join("x")), AtomicFileError::NotADirectory { .. }));
        for directory in [folder.path(), &folder.path().join("new/"), Path::new("/"), Path::new("")]
        {
            assert!(matches!(refusal(directory), AtomicFileError::IsDirectory { .. }));
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn tells_failures_apart_by_their_kind() {
        let refusal = |kind| refused(Path::new("d/f"), Path::new("d"), io::Error::from(kind));
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let error = refusal(kind);
            assert!(matches!(error, AtomicFileError::NotWritable { .. }));
            assert!(error.to_string().starts_with("cannot write in `d`"));
        }
        assert!(matches!(refusal(io::ErrorKind::StorageFull), AtomicFileError::Failed { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_replaced() {
        let refusal = AtomicFile::create(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(refusal, AtomicFileError::NotRegular { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn has_the_permissions_of_other_files_or_of_the_one_it_replaces() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        File::create(&plain).unwrap();
        write(&ours, "");
        assert_eq!(mode(&ours), mode(&plain));

        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        symlink(&ours, &link).unwrap();
        write(&link, "through the link");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&ours).unwrap(), "through the link");
        assert_eq!(mode(&ours), 0o640);
    }
}
