//! What kind of file system a run is on. Its lock and its journal's log need one whose locks and shared
//! memory work between all processes that may use the run; between machines they often do not.

use std::path::Path;

/// A file system that is not this machine's alone, or may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    /// It is on a network.
    Network(&'static str),
    /// It is behind another program, which may be on a network or not.
    Unknown(&'static str),
}

/// The kind of file system that a path is on, or would be; `None` where it is a local one, or where the
/// system does not say.
#[cfg(target_os = "linux")]
pub(super) fn remote(path: &Path) -> Option<Remote> {
    let absolute = std::path::absolute(path).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statfs(there).ok()?;
    // The kind is a number of 32 bits, whatever the type that holds it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only the lower 32 bits are the kind"
    )]
    let kind = found.f_type as u32;
    by_number(kind)
}

/// Other systems have other ways to say it.
#[cfg(not(target_os = "linux"))]
pub(super) fn remote(_path: &Path) -> Option<Remote> {
    None
}

/// The numbers of statfs(2).
#[cfg(any(target_os = "linux", test))]
fn by_number(number: u32) -> Option<Remote> {
    use Remote::{Network, Unknown};
    Some(match number {
        0x0000_6969 => Network("NFS"),
        0x0000_517B | 0xFF53_4D42 | 0xFE53_4D42 => Network("SMB"),
        0x0000_564C => Network("NCP"),
        0x5346_414F | 0x6B41_4653 => Network("AFS"),
        0x7375_7245 => Network("Coda"),
        0x00C3_6400 => Network("Ceph"),
        0x0BD0_0BD0 => Network("Lustre"),
        0x4750_4653 => Network("GPFS"),
        0x0116_1970 => Network("GFS2"),
        0x7461_636F => Network("OCFS2"),
        0x6573_5546 => Unknown("FUSE"),
        0x0102_1997 => Unknown("9P"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_number() {
        assert_eq!(by_number(0x6969), Some(Remote::Network("NFS")));
        assert_eq!(by_number(0xFF53_4D42), Some(Remote::Network("SMB")));
        assert_eq!(by_number(0x6573_5546), Some(Remote::Unknown("FUSE")));
        // ext4, tmpfs.
        assert_eq!((by_number(0xEF53), by_number(0x0102_1994)), (None, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_path_that_is_not_there_is_where_its_parent_is() {
        let proc = Path::new("/proc/self/no/such/file");
        assert_eq!(remote(proc), None, "it is found, and of no kind that is listed");
        assert_eq!(remote(Path::new("no/such/folder")), remote(Path::new(".")));
    }
}
