//! Which users and groups exist inside the user namespace.
//!
//! An unprivileged user is mapped to itself, so that a program sees its own uid and its files as its own. Root keeps
//! every user and group that it can see, so that programs which change users still can.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use rustix::process::{Pid, PidfdFlags, getegid, geteuid, pidfd_open};

/// Writes the maps of `child`, which is in a user namespace of its own.
pub(super) fn write(child: Pid) -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    let number = in_proc(child).unwrap_or_else(|| child.as_raw_nonzero().to_string());
    let of = |file: &str| format!("/proc/{number}/{file}");
    if uid.is_root() {
        let all = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).map(|map| identity(&map));
        let wide = all("uid_map").and_then(|map| fs::write(of("uid_map"), map));
        if wide.is_ok() {
            return fs::write(of("gid_map"), all("gid_map")?);
        }
        // root without CAP_SETUID, as in some containers, is as any other user
    }
    fs::write(of("setgroups"), "deny")?;
    fs::write(of("uid_map"), format!("{0} {0} 1\n", uid.as_raw()))?;
    fs::write(of("gid_map"), format!("{0} {0} 1\n", gid.as_raw()))
}

/// The number of `child` in `/proc`, which may be that of an outer process namespace and then counts differently
/// (`unshare --pid --fork`): there it would be some other process's.
fn in_proc(child: Pid) -> Option<String> {
    let handle = pidfd_open(child, PidfdFlags::empty()).ok()?;
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
    let number = about.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim();
    number.parse::<u32>().is_ok_and(|number| number > 0).then(|| number.to_owned())
}

/// The map that keeps every id which `map`, our own one, knows.
fn identity(map: &str) -> String {
    let mut out = String::new();
    for line in map.lines() {
        let mut words = line.split_whitespace();
        if let (Some(inside), Some(_), Some(count)) = (words.next(), words.next(), words.next()) {
            out.push_str(&format!("{inside} {inside} {count}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keeps_what_it_sees_and_no_more() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
        assert_eq!(identity("broken"), "");
    }
}
