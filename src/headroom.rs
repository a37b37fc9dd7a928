//! How much memory this process may still take: what the machine has left, and what its limits leave.

use std::fs;
use std::path::{Component, Path};

/// Bytes that this process may take beside what it has, as far as the system says: the least of what
/// the machine has available, and of what the limits of its control groups (Linux, versions 1 and 2) and
/// of its address space (`ulimit -v`) leave. `None` where the system says nothing, as outside of Linux.
pub fn available() -> Option<u64> {
    let addresses = rlimit::Resource::AS.get_soft().ok().filter(|limit| *limit != rlimit::INFINITY);
    available_by(Path::new("/proc"), Path::new("/sys/fs/cgroup"), addresses)
}

/// The same, for a place where the kernel tells of processes, one where it tells of control groups, and a
/// limit of address space.
fn available_by(proc: &Path, groups: &Path, addresses: Option<u64>) -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(&proc.join("meminfo")).and_then(|text| kilobytes(&text, "MemAvailable:"));
    let own = read(&proc.join("self/status")).unwrap_or_default();
    let beyond = |limit: u64, used: &str| limit.saturating_sub(kilobytes(&own, used).unwrap_or(0));
    let membership = read(&proc.join("self/cgroup")).unwrap_or_default();
    let group = membership.lines().filter_map(|line| group_limit(line, groups)).min();
    let left = [
        machine,
        group.map(|limit| beyond(limit, "VmRSS:")),
        addresses.map(|limit| beyond(limit, "VmSize:")),
    ];
    left.into_iter().flatten().min()
}

/// The bytes in a line such as `VmRSS:   1234 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest limit of a group and those around it; the line is `NUMBER:CONTROLLERS:PATH`, of version 2
/// without controllers.
fn group_limit(line: &str, groups: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, Path::new(parts.next()?));
    let (root, file) = match controllers {
        "" => (groups.to_owned(), "memory.max"),
        list if list.split(',').any(|one| one == "memory") => {
            (groups.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // In a container the path may be that of the machine outside, which is not there.
    let inside =
        path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let path = if inside { path } else { Path::new("/") };
    let limit = |group: &Path| {
        let group = root.join(group.strip_prefix("/").unwrap_or(group));
        // `max` is no number, and no limit.
        fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
    };
    path.ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A system with so much memory, and a process of 20 MiB in a group.
    fn system(available_kb: u64, membership: &str, limits: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/meminfo", &format!("MemTotal: 9 kB\nMemAvailable:   {available_kb} kB\n"));
        write("proc/self/status", "Name:\tx\nVmSize:\t  102400 kB\nVmRSS:\t   20480 kB\n");
        write("proc/self/cgroup", membership);
        for (name, limit) in limits {
            write(&format!("cgroup/{name}"), limit);
        }
        folder
    }

    fn available(system: &tempfile::TempDir, addresses: Option<u64>) -> Option<u64> {
        available_by(&system.path().join("proc"), &system.path().join("cgroup"), addresses)
    }

    #[test]
    fn the_least_of_machine_groups_and_addresses_counts() {
        let free = system(1024 * 1024, "0::/\n", &[("memory.max", "max\n")]);
        assert_eq!(available(&free, None), Some(1024 * MIB));
        assert_eq!(available(&free, Some(500 * MIB)), Some(400 * MIB));
        assert_eq!(available(&free, Some(50 * MIB)), Some(0));
        let limits = [("a/b/memory.max", "max\n"), ("a/memory.max", "268435456\n")];
        let grouped = system(1024 * 1024, "0::/a/b\n", &limits);
        assert_eq!(available(&grouped, None), Some(236 * MIB));
        let limits = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/job/memory.limit_in_bytes", "134217728\n"),
        ];
        let first = system(1024 * 1024, "5:cpu,cpuacct:/x\n4:memory:/job\n0::/\n", &limits);
        assert_eq!(available(&first, None), Some(108 * MIB));
        let foreign = system(1024, "0::/../../outside\n", &[("memory.max", "134217728\n")]);
        assert_eq!(available(&foreign, None), Some(MIB));
    }

    #[test]
    fn a_system_that_says_nothing_is_not_taken_for_one_without_memory() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(available(&empty, None), None);
        assert!(super::available().is_none_or(|bytes| bytes > 0));
    }
}
