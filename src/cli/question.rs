//! The question before money is spent.

use std::io::{self, Write};

use tokio::sync::{oneshot, watch};

use crate::pipeline::Shutdown;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Ctrl-C, or another signal that ends the program.
    Interrupted,
}

/// Asks whether to go on. `listener` sees to signals while a person thinks.
pub(super) async fn ask(
    mut shutdown: watch::Receiver<Shutdown>,
    listener: impl Future<Output = ()>,
) -> io::Result<Answer> {
    {
        let mut stderr = io::stderr().lock();
        write!(stderr, "Go on? [y/N] ")?;
        stderr.flush()?;
    }
    let (sender, answer) = oneshot::channel();
    // Not joined: a read from a terminal ends when the person, or the process, ends it.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).map(|_bytes| line);
        // After a signal nobody waits for the answer.
        drop(sender.send(read));
    });
    tokio::select! {
        line = answer => match line {
            Ok(line) => Ok(if is_yes(&line?) { Answer::Yes } else { Answer::No }),
            Err(_thread_ended) => Ok(Answer::No),
        },
        _ = shutdown.wait_for(|level| *level != Shutdown::No) => Ok(Answer::Interrupted),
        () = listener => Ok(Answer::Interrupted),
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for yes in ["y\n", " YES \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yep\n", "y y\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
