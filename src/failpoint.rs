//! Moments at which the process can be made to die, for tests of what a crash leaves behind.
//!
//! Only debug builds and builds with the feature `failpoints` know them: there `INSTRUCTMILL_FAILPOINT`
//! names a point (`commit.before`), with `:3` the third time that it is reached, and with `:3:10` the
//! moment 10 ms after that. In any other build nothing reads the variable and nothing is left of them.

/// A moment in the life of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The run's directory was made.
    OpenDirectory,
    /// The journal is a file without tables.
    OpenJournal,
    /// The journal has its tables.
    OpenTables,
    /// The books of sessions that died are closed.
    OpenRecovered,
    /// The session is recorded.
    OpenSession,
    /// All of a commit is said, and it is not durable.
    CommitBefore,
    /// A commit is durable, and nobody who waits for it knows.
    CommitAfter,
    /// An attempt is about to be recorded.
    AttemptBefore,
    /// An attempt is recorded and has not left; a few milliseconds later it is under way.
    AttemptBegun,
    /// An answer has come and is not recorded.
    AnswerReceived,
    /// An answer is recorded, and what it costs is not.
    AnswerStored,
    /// What an answer costs is known, and the collector has not got it.
    AnswerSettled,
    /// Embeddings have come and are not recorded.
    EmbeddingsReceived,
    /// Embeddings are recorded with what they cost.
    EmbeddingsStored,
    /// A batch is recorded with its attempts, and nothing of it has left.
    BatchBegun,
    /// The requests of a batch are at the provider.
    BatchUploaded,
    /// It is recorded that a batch may exist, and the call that creates it has not left.
    BatchCreating,
    /// A batch exists, and its name is not recorded.
    BatchCreated,
    /// The name of a batch is recorded.
    BatchNamed,
    /// Lines of a batch's results have come, and none of them is recorded.
    BatchRead,
    /// Answers of a batch are recorded, and what they cost is not.
    BatchStored,
    /// All requests of a batch are accounted for, and that it has ended is not recorded.
    BatchTold,
    /// A response is about to be judged.
    JudgeBefore,
    /// Verdicts are there and not said to the journal.
    JudgeAfter,
    /// Verdicts are said to the journal, and perhaps not written.
    JudgeTold,
    /// Nothing is under way any more, and the end of the session is not recorded.
    CloseBefore,
    /// The end of the session is durable in the log.
    CloseCommitted,
    /// The session is over, and its summary is not written.
    CloseAfter,
    /// A file (summary, export) is whole under another name.
    FileWritten,
    /// A file has its name, and its directory does not have it on the disk.
    FilePlaced,
}

impl Point {
    /// Every point, in the order of a run.
    pub const ALL: [Self; 30] = [
        Self::OpenDirectory,
        Self::OpenJournal,
        Self::OpenTables,
        Self::OpenRecovered,
        Self::OpenSession,
        Self::AttemptBefore,
        Self::CommitBefore,
        Self::CommitAfter,
        Self::AttemptBegun,
        Self::AnswerReceived,
        Self::AnswerStored,
        Self::AnswerSettled,
        Self::EmbeddingsReceived,
        Self::EmbeddingsStored,
        Self::BatchBegun,
        Self::BatchUploaded,
        Self::BatchCreating,
        Self::BatchCreated,
        Self::BatchNamed,
        Self::BatchRead,
        Self::BatchStored,
        Self::BatchTold,
        Self::JudgeBefore,
        Self::JudgeAfter,
        Self::JudgeTold,
        Self::CloseBefore,
        Self::CloseCommitted,
        Self::CloseAfter,
        Self::FileWritten,
        Self::FilePlaced,
    ];

    /// The name by which it is chosen.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenDirectory => "open.directory",
            Self::OpenJournal => "open.journal",
            Self::OpenTables => "open.tables",
            Self::OpenRecovered => "open.recovered",
            Self::OpenSession => "open.session",
            Self::CommitBefore => "commit.before",
            Self::CommitAfter => "commit.after",
            Self::AttemptBefore => "attempt.before",
            Self::AttemptBegun => "attempt.begun",
            Self::AnswerReceived => "answer.received",
            Self::AnswerStored => "answer.stored",
            Self::AnswerSettled => "answer.settled",
            Self::EmbeddingsReceived => "embeddings.received",
            Self::EmbeddingsStored => "embeddings.stored",
            Self::BatchBegun => "batch.begun",
            Self::BatchUploaded => "batch.uploaded",
            Self::BatchCreating => "batch.creating",
            Self::BatchCreated => "batch.created",
            Self::BatchNamed => "batch.named",
            Self::BatchRead => "batch.read",
            Self::BatchStored => "batch.stored",
            Self::BatchTold => "batch.told",
            Self::JudgeBefore => "judge.before",
            Self::JudgeAfter => "judge.after",
            Self::JudgeTold => "judge.told",
            Self::CloseBefore => "close.before",
            Self::CloseCommitted => "close.committed",
            Self::CloseAfter => "close.after",
            Self::FileWritten => "file.written",
            Self::FilePlaced => "file.placed",
        }
    }
}

/// The run has come to this point: where it was chosen, the process dies, as it would of `kill -9`.
#[inline]
pub fn reached(point: Point) {
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    armed::reached(point);
    #[cfg(not(any(debug_assertions, feature = "failpoints")))]
    let _: Point = point;
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::Point;

    /// Which point, the how manyth time, and how much later.
    struct Chosen {
        point: Point,
        time: u64,
        delay: Duration,
    }

    static REACHED: AtomicU64 = AtomicU64::new(0);

    fn chosen() -> Option<&'static Chosen> {
        static CHOSEN: OnceLock<Option<Chosen>> = OnceLock::new();
        CHOSEN.get_or_init(|| parse(&std::env::var("INSTRUCTMILL_FAILPOINT").ok()?)).as_ref()
    }

    fn parse(text: &str) -> Option<Chosen> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let mut number = |default| parts.next().map_or(Some(default), |part| part.parse().ok());
        let (time, millis) = (number(1)?, number(0)?);
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        Some(Chosen { point, time, delay: Duration::from_millis(millis) })
    }

    pub(super) fn reached(point: Point) {
        let Some(chosen) = chosen().filter(|chosen| chosen.point == point) else { return };
        if REACHED.fetch_add(1, Ordering::Relaxed) + 1 != chosen.time {
            return;
        }
        if chosen.delay.is_zero() {
            // No destructor runs and no buffer is flushed; a panic would do both.
            std::process::abort();
        }
        std::thread::spawn(|| {
            std::thread::sleep(chosen.delay);
            std::process::abort();
        });
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_is_chosen_by_name_time_and_delay() {
            let read = |text| parse(text).map(|it| (it.point, it.time, it.delay.as_millis()));
            assert_eq!(read("commit.before"), Some((Point::CommitBefore, 1, 0)));
            assert_eq!(read("attempt.begun:3:10"), Some((Point::AttemptBegun, 3, 10)));
            for text in ["", "commit", "commit.before:x"] {
                assert_eq!(read(text), None, "{text}");
            }
        }
    }
}
