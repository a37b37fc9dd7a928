//! Ending a run from outside: the first signal drains, the second aborts; both lose nothing.

use tokio::sync::watch;

/// What the outside asks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shutdown {
    /// Go on.
    #[default]
    No,
    /// Send nothing more, and wait for what is under way.
    Drain,
    /// End now; what is under way counts as unconfirmed.
    Abort,
}

/// Listens for SIGINT, SIGTERM and SIGHUP (Ctrl-C elsewhere) until the receiver is gone.
///
/// # Errors
/// An I/O error when the system does not let signals be handled.
#[cfg(unix)]
pub fn listen() -> std::io::Result<(watch::Receiver<Shutdown>, impl Future<Output = ()>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (sender, receiver) = watch::channel(Shutdown::No);
    let listener = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            raise(&sender);
        }
    };
    Ok((receiver, listener))
}

/// Listens for Ctrl-C until the receiver is gone.
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn listen() -> std::io::Result<(watch::Receiver<Shutdown>, impl Future<Output = ()>)> {
    let (sender, receiver) = watch::channel(Shutdown::No);
    let listener = async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            raise(&sender);
        }
    };
    Ok((receiver, listener))
}

fn raise(sender: &watch::Sender<Shutdown>) {
    sender.send_modify(|level| {
        *level = match level {
            Shutdown::No => Shutdown::Drain,
            Shutdown::Drain | Shutdown::Abort => Shutdown::Abort,
        };
    });
}
