//! What can go wrong with a run directory.

use std::path::{Path, PathBuf};

/// What can go wrong with a run directory. Cheap to clone: one failed commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The path exists and is no run directory.
    #[error("{} is not a run directory: {reason}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// There is no run to read.
    #[error("there is no run in {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Another process works on the run.
    #[error("another process is working on the run in {}", path.display())]
    Locked {
        /// The path.
        path: PathBuf,
    },
    /// The directory is on a network file system.
    #[error("{} is on {kind}, where a lock may not keep another machine from spending too", path.display())]
    Network {
        /// The path.
        path: PathBuf,
        /// Which one.
        kind: &'static str,
    },
    /// The run was written by a newer program.
    #[error(
        "the run in {} has format version {found}, and this program writes version {supported}",
        path.display()
    )]
    Newer {
        /// The path.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The newest version that this program can write.
        supported: i64,
    },
    /// The database does not pass SQLite's own check.
    #[error("the journal {} is damaged: {detail}", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The file system refused.
    #[error("{} cannot be used: {message}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A file of the run was removed, moved or replaced while this process worked on it.
    #[error("{} was removed or replaced while the run was under way", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// No room is left.
    #[error("the disk that holds {} is full", path.display())]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("the journal {} failed: {message}", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The writer thread is gone: an earlier error said why.
    #[error("the journal is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull { path: path.to_owned() };
        }
        Self::Io { path: path.to_owned(), message: error.to_string() }
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { path: path.to_owned() },
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.to_owned(), detail: error.to_string() }
            }
            _ => Self::Sqlite { path: path.to_owned(), message: error.to_string() },
        }
    }

    /// What a person can do about it; empty when the message says all.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "give --run a new or empty directory",
            Self::Missing { .. } => {
                "name the directory of a run with --run; `instructmill generate --run DIR` starts one"
            }
            Self::Locked { .. } => {
                "wait for it or stop it; `instructmill status` and `export` work meanwhile"
            }
            Self::Network { .. } => {
                "give --run a directory of this machine, or --allow-network-fs when no other machine uses it"
            }
            Self::Newer { .. } => {
                "use the newer program; status and export still work with this one"
            }
            Self::Damaged { .. } => {
                "nothing was changed; copy the directory before trying SQLite's `.recover` on run.db"
            }
            Self::DiskFull { .. } => {
                "free some space and run the same command again: it goes on where it stopped"
            }
            Self::Io { .. } | Self::Sqlite { .. } => {
                "mend the cause and run the same command again: it goes on where it stopped"
            }
            Self::Moved { .. } => {
                "nothing more was sent: put the directory back and run the same command again; answers \
                 that came since are lost"
            }
            Self::Closed => "",
        }
    }
}
