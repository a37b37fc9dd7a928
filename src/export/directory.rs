//! A directory that appears whole, or as good as.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;

/// The file by which a directory of ours is known: it lists the others.
pub const MANIFEST: &str = "instructmill.json";

/// A directory that is written under another name beside its place, and takes its name when
/// everything in it is on the disk.
///
/// No system call replaces a directory by another: the old one is moved aside first, and for that
/// moment there is none. A process that is killed then leaves the old one as `.instructmill-old-*`.
/// Dropped without commit, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicDirectory {
    target: PathBuf,
    parent: PathBuf,
    new: TempDir,
}

/// The directory can't be written. Each message says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is a file of that name.
    #[error("`{}` is a file: name a directory", .path.display())]
    NotADirectory {
        /// The file.
        path: PathBuf,
    },
    /// It has files that an export did not write.
    #[error("`{}` has files that are not of an export, such as `{}`: choose another directory, or empty it", .path.display(), .file.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The first of them.
        file: PathBuf,
    },
    /// The directory in which it is to be does not exist or can't be written.
    #[error("cannot write in `{}`: make it with `mkdir -p`, or change its permissions", .parent.display())]
    NotWritable {
        /// That directory.
        parent: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another failure.
    #[error("cannot write `{}`: check the space and the state of its disk", .path.display())]
    Failed {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The part of a manifest that says which files are ours.
#[derive(Deserialize)]
struct Listing {
    files: serde_json::Map<String, serde_json::Value>,
}

impl AtomicDirectory {
    /// Starts a directory that [`commit`](Self::commit) will put at `path`, in place of nothing, an
    /// empty directory, or one of ours to which nobody has added a file.
    ///
    /// # Errors
    /// [`DirectoryError`]; what is there already is as it was.
    pub fn create(path: &Path) -> Result<Self, DirectoryError> {
        // Without a slash at the end, and through a link, so that it stays one.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.components().collect());
        check(&target)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".instructmill-").suffix(".tmp");
        // Temporary directories are private by default, but an export is one like any other.
        #[cfg(unix)]
        let shared = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        #[cfg(unix)]
        builder.permissions(shared);
        let refused = |source| DirectoryError::NotWritable { parent: parent.clone(), source };
        let new = builder.tempdir_in(&parent).map_err(refused)?;
        Ok(Self { target, parent, new })
    }

    /// Where its files are to be written until then.
    pub fn path(&self) -> &Path {
        self.new.path()
    }

    /// Puts the directory in its place.
    ///
    /// # Errors
    /// [`DirectoryError::Failed`]. What was there is as it was.
    pub fn commit(self) -> Result<(), DirectoryError> {
        let Self { target, parent, new } = self;
        let failed = |source| DirectoryError::Failed { path: target.clone(), source };
        sync(new.path()).map_err(failed)?;
        let old = set_aside(&target, &parent).map_err(failed)?;
        if let Err(source) = fs::rename(new.path(), &target) {
            if let Some(old) = old {
                // Nothing more can be done when even this fails.
                drop(fs::rename(old, &target));
            }
            return Err(failed(source));
        }
        // Its name is gone: there is nothing to remove.
        drop(new.keep());
        sync(&parent).map_err(failed)?;
        match old {
            Some(old) => fs::remove_dir_all(old).map_err(failed),
            None => Ok(()),
        }
    }
}

/// Moves what is in the way to another name.
fn set_aside(target: &Path, parent: &Path) -> io::Result<Option<PathBuf>> {
    if !target.exists() {
        return Ok(None);
    }
    let aside = tempfile::Builder::new().prefix(".instructmill-old-").tempdir_in(parent)?.keep();
    // An empty directory may be replaced.
    fs::rename(target, &aside)?;
    Ok(Some(aside))
}

fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Refuses a directory whose files are not all ours.
fn check(target: &Path) -> Result<(), DirectoryError> {
    let path = target.to_owned();
    if !target.exists() {
        return Ok(());
    }
    if !target.is_dir() {
        return Err(DirectoryError::NotADirectory { path });
    }
    let failed = |source| DirectoryError::Failed { path: path.clone(), source };
    let ours = listed(target);
    match first_foreign(target, Path::new(""), &ours).map_err(failed)? {
        Some(file) => Err(DirectoryError::Foreign { path, file }),
        None => Ok(()),
    }
}

/// The files that a manifest lists, itself among them; none when there is no manifest of ours.
fn listed(target: &Path) -> BTreeSet<PathBuf> {
    let Ok(text) = fs::read(target.join(MANIFEST)) else { return BTreeSet::new() };
    let Ok(listing) = serde_json::from_slice::<Listing>(&text) else { return BTreeSet::new() };
    let own = [PathBuf::from(MANIFEST)];
    listing.files.into_iter().map(|(path, _)| PathBuf::from(path)).chain(own).collect()
}

fn first_foreign(
    root: &Path,
    within: &Path,
    ours: &BTreeSet<PathBuf>,
) -> io::Result<Option<PathBuf>> {
    let mut entries: Vec<_> = fs::read_dir(root.join(within))?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = within.join(entry.file_name());
        let found = if entry.file_type()?.is_dir() {
            let holds_ours = ours.iter().any(|own| own.starts_with(&path));
            if holds_ours { first_foreign(root, &path, ours)? } else { Some(path) }
        } else if ours.contains(&path) {
            None
        } else {
            Some(path)
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(path: &Path, text: &str) -> Result<(), DirectoryError> {
        let directory = AtomicDirectory::create(path)?;
        fs::create_dir(directory.path().join("data")).unwrap();
        fs::write(directory.path().join("data/rows"), text).unwrap();
        fs::write(directory.path().join(MANIFEST), r#"{"files": {"data/rows": 1}}"#).unwrap();
        directory.commit()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_nothing_an_empty_one_and_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        for text in ["first", "second"] {
            export(&path, text).unwrap();
            assert_eq!(fs::read_to_string(path.join("data/rows")).unwrap(), text);
        }
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        export(&empty.join(""), "x").unwrap();
        drop(AtomicDirectory::create(&folder.path().join("never")).unwrap());
        assert_eq!(names(folder.path()), ["empty", "set"]);
    }

    #[test]
    fn leaves_alone_what_others_have_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        let refusal = || export(&path, "new").unwrap_err().to_string();
        export(&path, "old").unwrap();
        for (foreign, named) in
            [("LICENSE", "LICENSE"), ("data/more", "data/more"), (".git/config", ".git")]
        {
            let file = path.join(foreign);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            assert!(refusal().contains(&format!("such as `{named}`")), "{}", refusal());
            fs::remove_file(file).unwrap();
        }
        fs::remove_dir(path.join(".git")).unwrap();
        fs::write(path.join(MANIFEST), "{}").unwrap();
        assert!(refusal().contains("not of an export"));
        assert_eq!(fs::read_to_string(path.join("data/rows")).unwrap(), "old");
        assert_eq!(names(folder.path()), ["set"]);

        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(export(&file, ""), Err(DirectoryError::NotADirectory { .. })));
        let nowhere = export(&folder.path().join("no/such"), "");
        assert!(matches!(nowhere, Err(DirectoryError::NotWritable { .. })));
    }
}
