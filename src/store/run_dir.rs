//! Opening a run directory: creating, locking, checking, and what a crash left behind.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::journal::{Journal, WriterThread};
use super::memory::Memory;
use super::place::{Remote, remote};
use super::schema::{self, FORMAT_VERSION};
use super::watched::Watched;
use super::writer::Place;
use super::{RunReader, StoreError, unix_ms};
use crate::failpoint::{Point, reached};

/// How much room is set aside for the moment when the disk is full: enough for the compressed
/// responses of a thousand requests under way.
const BALLAST_BYTES: u64 = 8 * 1024 * 1024;

/// How often a lock is tried for before somebody else is taken to work on the run.
const LOCK_TRIES: u32 = 5;

/// Where a run lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
    /// Where it is instead, in a simulation.
    memory: Option<Memory>,
    on_network: bool,
}

/// A run opened for work: locked, checked, with its journal.
#[derive(Debug)]
pub struct OpenRun {
    /// The writing side.
    pub journal: Journal,
    /// The thread that writes, to be waited for at the end.
    pub writer: WriterThread,
    /// The reading side.
    pub reader: RunReader,
    /// Whether the last session died without a word; its attempts without an answer are now
    /// unconfirmed.
    pub recovered: bool,
    /// Keeps other processes out for as long as it lives.
    pub lock: RunLock,
}

/// The lock of a run directory, released on drop and by the system when the process dies.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "holds the lock by being open")] Option<File>);

impl RunDir {
    /// Names a directory; nothing is read or made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), memory: None, on_network: false }
    }

    /// A run in memory in place of a directory: nothing is locked, watched or set aside.
    pub fn in_memory(memory: Memory) -> Self {
        Self { path: memory.uri().into(), memory: Some(memory), on_network: false }
    }

    /// The same, which may be worked on where it is on a network.
    #[must_use]
    pub fn on_network(self, on_network: bool) -> Self {
        Self { on_network, ..self }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's file.
    pub fn database(&self) -> PathBuf {
        if self.memory.is_some() { self.path.clone() } else { self.path.join("run.db") }
    }

    /// The totals' file.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// Whether there is a run here.
    pub fn exists(&self) -> bool {
        match &self.memory {
            Some(memory) => {
                memory.connect().and_then(|run| schema::version_of(&run)).is_ok_and(|v| v.is_some())
            }
            None => self.database().exists(),
        }
    }

    /// Whether a process is working on the run now.
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.path.join("run.lock")) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Opens the run for reading, at any time.
    ///
    /// # Errors
    /// [`StoreError`] when there is no run, or it cannot be read.
    pub fn read(&self) -> Result<RunReader, StoreError> {
        RunReader::open(self)
    }

    /// Opens the run for work, creating it when the directory is missing or empty.
    ///
    /// # Errors
    /// [`StoreError`]: a foreign directory, another process at work, a newer format, a damaged
    /// journal, a file system that refuses.
    pub fn open(&self) -> Result<OpenRun, StoreError> {
        let lock = match self.memory {
            Some(_) => None,
            None => Some(self.take()?),
        };
        let database = self.database();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&database, &error);
        let mut connection = self.connect()?;
        reached(Point::OpenJournal);
        self.ensure_tables(&mut connection)?;
        reached(Point::OpenTables);
        let crashed = last_session_crashed(&connection).map_err(sqlite)?;
        if crashed {
            self.check_integrity(&connection)?;
        }
        let late = recover(&mut connection).map_err(sqlite)?;
        reached(Point::OpenRecovered);
        let place = self.place()?;
        let session = start_session(&connection).map_err(sqlite)?;
        reached(Point::OpenSession);
        let reader = RunReader::open(self)?;
        let (journal, writer) = Journal::start(connection, place, session, &reader)?;
        let recovered = crashed || late > 0;
        Ok(OpenRun { journal, writer, reader, recovered, lock: RunLock(lock) })
    }

    /// The directory, for this process alone.
    fn take(&self) -> Result<File, StoreError> {
        self.check_file_system()?;
        self.prepare_directory()?;
        self.lock()
    }

    /// What the writer needs of the files, with the ballast set aside.
    fn place(&self) -> Result<Place, StoreError> {
        let (database, ballast) = (self.database(), self.path.join("ballast"));
        if let Some(memory) = &self.memory {
            let disk = Some(Arc::clone(memory.disk()));
            return Ok(Place { database, ballast, watched: Watched::default(), disk });
        }
        set_aside(&ballast)?;
        let watched = self.watched(&["run.db", "run.db-wal", "run.lock"])?;
        // What is bought from now on must not be in a file whose name a power cut can take away.
        sync_directory(&self.path).map_err(|error| StoreError::io(&self.path, &error))?;
        Ok(Place { database, ballast, watched, disk: None })
    }

    /// Files of the run, to notice when they are gone or others are in their place. A run in memory has
    /// none.
    pub(super) fn watched(&self, names: &[&str]) -> Result<Watched, StoreError> {
        let names = if self.memory.is_some() { &[] } else { names };
        Watched::new(names.iter().map(|name| self.path.join(name)))
            .map_err(|error| StoreError::io(&self.path, &error))
    }

    /// A lock that a process on another machine does not see would let both spend.
    fn check_file_system(&self) -> Result<(), StoreError> {
        match remote(&self.path) {
            Some(Remote::Network(kind)) if !self.on_network => {
                Err(StoreError::Network { path: self.path.clone(), kind })
            }
            Some(Remote::Network(kind) | Remote::Unknown(kind)) => {
                tracing::warn!(
                    "{} is on {kind}: see to it that no other machine uses this run meanwhile",
                    self.path.display()
                );
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn prepare_directory(&self) -> Result<(), StoreError> {
        let io = |error: std::io::Error| StoreError::io(&self.path, &error);
        if self.path.exists() && !self.path.is_dir() {
            return Err(self.foreign("it is a file"));
        }
        if !self.path.exists() {
            create_private(&self.path).map_err(io)?;
            reached(Point::OpenDirectory);
            return Ok(());
        }
        let ours = ["run.db", "run.lock"];
        if ours.iter().any(|name| self.path.join(name).exists()) {
            return Ok(());
        }
        match fs::read_dir(&self.path).map_err(io)?.next() {
            None => Ok(()),
            Some(_) => Err(self.foreign("it holds other files")),
        }
    }

    fn foreign(&self, reason: &str) -> StoreError {
        StoreError::Foreign { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.path.join("run.lock");
        let io = |error: std::io::Error| StoreError::io(&path, &error);
        let file = private_file(&path).map_err(io)?;
        for tries_left in (0..LOCK_TRIES).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(io(error)),
                // `status` takes the lock for a moment to see whether it is free.
                Err(TryLockError::WouldBlock) if tries_left > 0 => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Err(StoreError::Locked { path: self.path.clone() })
    }

    /// The writing connection. `synchronous=FULL` makes a commit survive a power cut.
    fn connect(&self) -> Result<Connection, StoreError> {
        let database = self.database();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&database, &error);
        if let Some(memory) = &self.memory {
            return memory.connect().map_err(sqlite);
        }
        // Its write-ahead log takes over the permissions.
        private_file(&database).map_err(|error| StoreError::io(&database, &error))?;
        let connection = Connection::open_with_flags(
            &database,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(sqlite)?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(sqlite)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        Ok(connection)
    }

    /// A connection that reads.
    pub(super) fn connect_to_read(&self) -> Result<Connection, StoreError> {
        let database = self.database();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match &self.memory {
            Some(memory) => memory.connect(),
            None => Connection::open_with_flags(&database, flags),
        };
        opened.map_err(|error| StoreError::sqlite(&database, &error))
    }

    fn ensure_tables(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let database = self.database();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&database, &error);
        match schema::version_of(connection).map_err(sqlite)? {
            Some(found) if found > FORMAT_VERSION => {
                Err(StoreError::Newer { path: self.path.clone(), found, supported: FORMAT_VERSION })
            }
            Some(_) => Ok(()),
            None => {
                if !schema::is_empty(connection).map_err(sqlite)? {
                    return Err(self.foreign("run.db belongs to another program"));
                }
                schema::create(connection).map_err(sqlite)
            }
        }
    }

    fn check_integrity(&self, connection: &Connection) -> Result<(), StoreError> {
        let database = self.database();
        let found: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| StoreError::sqlite(&database, &error))?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Damaged { path: database, detail: found })
    }
}

/// Opens a file for writing, making it when it is missing; its owner alone can read it, where the
/// system knows such a thing.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Makes a directory for its owner alone, and those above it as usual. Their names are on the disk
/// when this returns.
fn create_private(path: &Path) -> std::io::Result<()> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let parent = above(path);
    let missing: Vec<_> = parent.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(&parent)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    missing
        .into_iter()
        .map(above)
        .chain([parent.clone()])
        .try_for_each(|path| sync_directory(&path))
}

/// Brings the names in a directory to the disk, where the system can.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{InvalidInput, Unsupported};
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported) => Ok(()),
        synced => synced,
    }
}

fn last_session_crashed(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sessions WHERE stop_reason IS NULL)",
        [],
        |row| row.get(0),
    )
}

/// Closes the books of sessions that died: attempts without a response become unconfirmed, unless
/// they are in a batch, whose results can still be had. Those with a response are settled by whoever
/// can read the body. Returns how many changed.
fn recover(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let changed = transaction.execute(
        "UPDATE attempts SET state = 'unconfirmed', ended_at_ms = ?1,
            message = 'the process ended before an answer was recorded'
         WHERE state = 'reserved' AND batch_id IS NULL
            AND id NOT IN (SELECT attempt_id FROM responses)",
        [unix_ms()],
    )?;
    transaction
        .execute("UPDATE sessions SET stop_reason = 'crashed' WHERE stop_reason IS NULL", [])?;
    transaction.commit()?;
    Ok(changed)
}

fn start_session(connection: &Connection) -> rusqlite::Result<i64> {
    let now = unix_ms();
    connection
        .execute("INSERT INTO sessions (started_at_ms, seen_at_ms) VALUES (?1, ?1)", [now])?;
    Ok(connection.last_insert_rowid())
}

/// Fills the ballast file with real blocks. A file system that cannot is used without.
fn set_aside(path: &Path) -> Result<(), StoreError> {
    let file = private_file(path).map_err(|error| StoreError::io(path, &error))?;
    match fs4::FileExt::allocate(&file, BALLAST_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            Err(StoreError::DiskFull { path: path.to_owned() })
        }
        _ => Ok(()),
    }
}
