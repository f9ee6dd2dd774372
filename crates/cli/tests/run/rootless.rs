//! Without privilege: as a user who is nobody, with the device open to everybody, and with it closed.

use std::fs;

use crate::support::{folder, is_root, needs, shell};

/// Runs `script` in mounts of its own with `$NOBODY` before it, a device of its own with `mode`, and the command under test
/// where everybody can reach it.
fn as_nobody(mode: &str, words: &str) -> crate::support::Ended {
    let folder = folder();
    fs::copy(env!("CARGO_BIN_EXE_bowline"), folder.path().join("bowline")).unwrap();
    let script = "mknod $DIR/tun c 10 200; chmod $MODE $DIR/tun; mount --bind $DIR/tun /dev/net/tun; \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups $DIR/bowline run -q -- $WORDS";
    let run = shell("cd /; exec unshare -m sh -ec \"$SCRIPT\"").env("SCRIPT", script).env("DIR", folder.path());
    run.env("MODE", mode).env("WORDS", words).run()
}

#[test]
fn an_ordinary_user_fetches_the_page() {
    needs!("setpriv", "curl");
    if !is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let text = as_nobody("666", "curl -sS http://bowline.internal/").printed();
    assert!(text.contains("ESTABLISHED"), "{text}");
}

#[test]
fn an_ordinary_user_without_the_device_is_told_what_to_do() {
    needs!("setpriv");
    if !is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let run = as_nobody("600", "true");
    assert_eq!(run.status.code(), Some(125), "{}", run.stderr);
    assert!(run.stderr.contains("chmod 0666 /dev/net/tun") && run.stderr.lines().count() == 1, "{}", run.stderr);
}
