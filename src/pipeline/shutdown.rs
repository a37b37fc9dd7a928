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

/// The number of the signal that says that a file is larger than a limit allows, on all systems but
/// MIPS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Listens for SIGINT, SIGTERM and SIGHUP (Ctrl-C elsewhere) until the receiver is gone. A SIGHUP that
/// was to be ignored when the program began stays ignored: `nohup` asks for that.
///
/// SIGXFSZ is caught so that a write beyond a limit fails, as on a full disk, and does not kill.
///
/// # Errors
/// An I/O error when the system does not let signals be handled.
#[cfg(unix)]
pub fn listen() -> std::io::Result<(watch::Receiver<Shutdown>, impl Future<Output = ()>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = if is_ignored(1) { None } else { Some(signal(SignalKind::hangup())?) };
    let file_limit = signal(SignalKind::from_raw(SIGXFSZ))?;
    let (sender, receiver) = watch::channel(Shutdown::No);
    let listener = async move {
        let _file_limit = file_limit;
        loop {
            let hung_up = async {
                match &mut hang_up {
                    Some(hang_up) => hang_up.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            raise(&sender);
        }
    };
    Ok((receiver, listener))
}

/// Whether the process ignores this signal; only Linux says so without unsafe code.
#[cfg(unix)]
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
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
