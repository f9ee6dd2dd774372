//! Exit statuses, signals, mistakes, and what is left behind.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::servers::{echo, free_port};
use crate::support::{Running, bowline, folder, needs, wait_for};

#[test]
fn the_commands_status_is_ours_and_our_failures_have_their_own() {
    needs!();
    for status in [0, 1, 125, 255] {
        let run = bowline("-q", &["sh", "-c", &format!("exit {status}")]).run();
        assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
    }
    for (signal, status) in [("TERM", 143), ("KILL", 137)] {
        let run = bowline("-q", &["sh", "-c", &format!("kill -{signal} $$")]).run();
        assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
    }
    let folder = folder();
    let plain = folder.path().join("plain");
    fs::write(&plain, "data").unwrap();
    for (command, status) in [("bowline-no-such-command", 127), (plain.to_str().unwrap(), 126)] {
        let run = bowline("", &[command]).run();
        assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
        assert!(run.stderr.contains(command) && run.stderr.lines().count() == 1, "{}", run.stderr);
    }
}

#[test]
fn every_mistake_is_one_line_that_names_it() {
    needs!();
    let taken = echo();
    let folder = folder();
    let nowhere = folder.path().join("missing/run.pcapng");
    for (options, says) in [
        ("--loss 200%", "200%"),
        ("--loss many", "many"),
        ("--delay 40", "40"),
        ("--rate fast", "fast"),
        ("--mtu 12", "12"),
        ("--deny nowhere", "nowhere"),
        ("--publish 1:2:3:4:5", "1:2:3:4:5"),
        ("--congestion fast", "fast"),
        ("--no-such-option", "--no-such-option"),
        (&format!("-p 127.0.0.1:{taken}:80"), &taken.to_string()),
        (&format!("--pcap {}", nowhere.display()), "run.pcapng"),
    ] {
        let run = bowline(options, &["true"]).run();
        assert_eq!(run.status.code(), Some(125), "{options}: {}", run.stderr);
        assert!(run.stderr.starts_with("bowline: ") && run.stderr.lines().count() == 1, "{options}: {}", run.stderr);
        assert!(run.stderr.contains(says) && run.stdout.is_empty(), "{options}: {}", run.stderr);
    }
}

/// Processes whose command line contains `word`.
fn processes(word: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let has_word = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word) && *pid != std::process::id()
    };
    pids.filter(has_word).collect()
}

/// Network namespaces that some process is in.
fn namespaces() -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut found: Vec<_> = entries.filter_map(|entry| fs::read_link(entry.path().join("ns/net")).ok()).collect();
    found.sort();
    found.dedup();
    found
}

/// Doors of instances that can be asked.
fn door(pid: u32) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    sockets.lines().any(|line| line.contains("@bowline/") && line.ends_with(&format!("/{pid}")))
}

/// A run that holds a connection and a published port, with a word in its command lines that no other has.
fn busy(word: &str, port: u16) -> Running {
    // bash itself ignores SIGQUIT, so that it is not what runs in the end
    let script = format!(
        "exec 3<>/dev/tcp/host.bowline.internal/{port}; echo hello >&3; read line <&3; \
         exec sh -c 'sleep 1000 & echo ready; wait' {word}"
    );
    let published = free_port();
    let mut run = bowline(&format!("-p {published}:80"), &["bash", "-c", &script, word]).within(60).start();
    run.read_until("ready");
    run
}

/// Waits until nothing is left of a run, whose namespace is `namespace`.
fn assert_gone(word: &str, pid: u32, namespace: &std::path::Path) {
    wait_for("the processes go", Duration::from_secs(5), || processes(word).is_empty().then_some(()));
    wait_for("the namespace goes", Duration::from_secs(5), || {
        (!namespaces().iter().any(|found| found == namespace)).then_some(())
    });
    assert!(!door(pid), "the socket of {pid} is left");
    let here = fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!here.contains("bowline0"), "a device is left\n{here}");
}

fn namespace_of(word: &str) -> std::path::PathBuf {
    let pids = processes(word);
    let mine = fs::read_link("/proc/self/ns/net").unwrap();
    let theirs = pids.iter().filter_map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok());
    theirs.into_iter().find(|namespace| *namespace != mine).unwrap()
}

#[test]
fn ctrl_c_and_termination_leave_nothing_behind() {
    needs!("bash");
    let port = echo();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let word = format!("bowline-e2e-{}-{status}", std::process::id());
        let run = busy(&word, port);
        let (pid, namespace) = (run.pid(), namespace_of(&word));
        run.signal_group(signal);
        let ended = run.wait();
        assert_eq!(ended.status.code(), Some(status), "{}", ended.stderr);
        assert!(ended.stderr.contains("1 connection"), "the summary comes all the same: {}", ended.stderr);
        assert_gone(&word, pid, &namespace);
    }
}

#[test]
fn killing_either_side_leaves_nothing_behind() {
    needs!("bash");
    let port = echo();
    let word = format!("bowline-e2e-{}-gateway", std::process::id());
    let run = busy(&word, port);
    let (pid, namespace) = (run.pid(), namespace_of(&word));
    run.signal(Signal::KILL);
    run.wait();
    assert_gone(&word, pid, &namespace);

    let word = format!("bowline-e2e-{}-init", std::process::id());
    let run = busy(&word, port);
    let (pid, namespace) = (run.pid(), namespace_of(&word));
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let init = rustix::process::Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(init, Signal::KILL).unwrap();
    assert_eq!(run.wait().status.code(), Some(137));
    assert_gone(&word, pid, &namespace);
}
