//! A run in memory, for simulations: the same tables, statements and groups as on disk, without
//! files, locks and a thread. Whoever simulates decides when its writes fail ([`Disk`]).
//!
//! What it leaves out is what lies below SQLite: files, their locks, what a power cut leaves of them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

/// A write that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// The disk is full.
    Full,
    /// The disk does not work.
    Failed,
}

/// What becomes of the writes of a run in memory. Durations are of tokio's clock.
pub trait Disk: fmt::Debug + Send + Sync {
    /// How long a command takes from whoever asks to the writer.
    fn hand_over(&self) -> Duration;

    /// How long the writer waits for company of a command, and for the disk.
    fn gather(&self) -> Duration;

    /// A group is about to be committed.
    ///
    /// # Errors
    /// The fault that it meets: nothing of the group is durable then.
    fn commit(&self) -> Result<(), WriteFault>;

    /// The group is durable, and nobody knows of it yet.
    fn committed(&self);

    /// The space that was set aside is given up.
    fn give_up_ballast(&self);
}

/// A database in memory that lives as long as one of its clones, whoever opens and closes it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    uri: String,
    disk: Arc<dyn Disk>,
    /// What is in memory is gone with its last connection.
    _kept: Mutex<Connection>,
}

impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Memory {}

impl Memory {
    /// An empty database. Within a process all of one name are the same.
    ///
    /// # Errors
    /// SQLite's.
    pub fn new(name: &str, disk: Arc<dyn Disk>) -> rusqlite::Result<Self> {
        let uri = format!("file:/{name}?vfs=memdb");
        let kept = Mutex::new(connect(&uri)?);
        Ok(Self(Arc::new(Inner { uri, disk, _kept: kept })))
    }

    /// A further connection to it.
    ///
    /// # Errors
    /// SQLite's.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        connect(&self.0.uri)
    }

    /// The name by which SQLite knows it.
    pub fn uri(&self) -> &str {
        &self.0.uri
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.0.disk
    }
}

fn connect(uri: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}

impl From<WriteFault> for rusqlite::Error {
    /// As SQLite says it.
    fn from(fault: WriteFault) -> Self {
        let code = match fault {
            WriteFault::Full => ffi::SQLITE_FULL,
            WriteFault::Failed => ffi::SQLITE_IOERR_FSYNC,
        };
        Self::SqliteFailure(ffi::Error::new(code), Some("simulated fault".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RunDir, StoreError};

    #[derive(Debug, Default)]
    struct Fragile(Mutex<Option<WriteFault>>);

    impl Disk for Fragile {
        fn hand_over(&self) -> Duration {
            Duration::ZERO
        }

        fn gather(&self) -> Duration {
            Duration::from_millis(1)
        }

        fn commit(&self) -> Result<(), WriteFault> {
            self.0.lock().unwrap().map_or(Ok(()), Err)
        }

        fn committed(&self) {}

        fn give_up_ballast(&self) {
            *self.0.lock().unwrap() = None;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_in_memory_outlives_its_sessions_and_meets_its_faults() {
        let disk = Arc::new(Fragile::default());
        let dir = RunDir::in_memory(Memory::new("fragile", Arc::<Fragile>::clone(&disk)).unwrap());
        assert!(!dir.exists());
        let run = dir.open().unwrap();
        run.journal.set_meta("kept", "yes".to_owned()).await.unwrap();
        drop(run);

        let run = dir.open().unwrap();
        assert!(run.recovered);
        assert_eq!(run.reader.meta("kept").unwrap().as_deref(), Some("yes"));
        *disk.0.lock().unwrap() = Some(WriteFault::Full);
        run.journal.set_meta("on the ballast", "yes".to_owned()).await.unwrap();
        *disk.0.lock().unwrap() = Some(WriteFault::Failed);
        let failed = run.journal.set_meta("kept", "no".to_owned()).await;
        assert!(matches!(failed, Err(StoreError::Sqlite { .. })), "{failed:?}");
        assert_eq!(run.reader.meta("on the ballast").unwrap().as_deref(), Some("yes"));
        assert_eq!(run.reader.meta("kept").unwrap().as_deref(), Some("yes"));
    }
}
