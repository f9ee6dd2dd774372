//! The sandbox from outside: what a user of `bowline run` sees of it, with real namespaces and real signals.
//!
//! This program plays two roles. As a test it starts itself again as a runner, which does nothing but run its arguments
//! in a sandbox, so that signals, users and process groups are those of a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says so by failing, or why it was skipped"
)]

mod support;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use bowline_gateway::sandbox::{Config, Exit, Sandbox};
use libtest_mimic::{Arguments, Failed, Trial};
use support::{
    ROLE, code, is_running, kill, me, printed, read_to_end, read_until, run, run_in_sandbox, runner, shell, start, wait,
};

fn main() {
    if env::var_os(ROLE).is_some() {
        std::process::exit(i32::from(run()));
    }
    let namespaces = run_in_sandbox(&["true"]).status.success();
    let rooted = rustix::process::geteuid().is_root() && namespaces;
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let anywhere = [trial("unknown_commands_and_bad_files_have_their_statuses", statuses_of_failures)];
    let sandboxed = [
        trial("the_commands_status_is_ours", the_commands_status_is_ours),
        trial("the_network_inside_is_the_promised_one", the_network_inside_is_the_promised_one),
        trial("packets_leave_through_the_tun", packets_leave_through_the_tun),
        trial("names_and_processes_are_private", names_and_processes_are_private),
        trial("limits_signals_and_descriptors_are_as_outside", limits_signals_and_descriptors_are_as_outside),
        trial("signals_are_passed_on", signals_are_passed_on),
        trial("a_signal_to_the_group_arrives_once", a_signal_to_the_group_arrives_once),
        trial("a_signal_that_comes_before_the_command_reaches_it", a_signal_that_comes_before_the_command_reaches_it),
        trial("killing_the_gateway_kills_the_command", killing_the_gateway_kills_the_command),
        trial("a_gateway_killed_as_it_begins_leaves_nothing", a_gateway_killed_as_it_begins_leaves_nothing),
        trial("killing_init_ends_the_gateway", killing_init_ends_the_gateway),
        trial("what_the_command_leaves_running_ends_with_it", what_the_command_leaves_running_ends_with_it),
        trial("ctrl_c_arrives_once", ctrl_c_arrives_once),
        trial("a_terminal_that_is_gone_hangs_up_the_command", a_terminal_that_is_gone_hangs_up_the_command),
        trial("ctrl_z_stops_the_job_and_fg_continues_it", ctrl_z_stops_the_job_and_fg_continues_it),
        trial("two_at_once_do_not_hold_each_other", two_at_once_do_not_hold_each_other),
    ];
    let privileged = [
        trial("an_ordinary_user_runs_it_as_himself", an_ordinary_user_runs_it_as_himself),
        trial("an_ordinary_user_is_told_about_the_device", an_ordinary_user_is_told_about_the_device),
        trial("root_of_a_user_namespace_runs_it", root_of_a_user_namespace_runs_it),
        trial("a_proc_of_other_processes_is_no_obstacle", a_proc_of_other_processes_is_no_obstacle),
        trial("root_does_without_user_namespaces", root_does_without_user_namespaces),
        trial("a_refusal_of_namespaces_is_explained", a_refusal_of_namespaces_is_explained),
    ];
    let ignore = |trial: Trial, runs: bool| trial.with_ignored_flag(!runs);
    let trials = anywhere.into_iter().chain(sandboxed.into_iter().map(|t| ignore(t, namespaces)));
    let trials = trials.chain(privileged.into_iter().map(|t| ignore(t, rooted)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn statuses_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain");
    fs::write(&file, "data").unwrap();
    let orphan = folder.path().join("orphan");
    fs::write(&orphan, "#!/nonexistent/interpreter\n").unwrap();
    fs::set_permissions(&orphan, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (command, status, says) in [
        ("bowline-no-such-command", 127, "command not found"),
        ("/nonexistent/command", 127, "no such file"),
        (file.to_str().unwrap(), 126, "permission denied"),
        (orphan.to_str().unwrap(), 126, "interpreter is missing"),
        ("", 125, "the command is empty"),
    ] {
        let output = run_in_sandbox(&[command]);
        let error = String::from_utf8(output.stderr).unwrap();
        if code(output.status) == Some(125) && status != 125 {
            continue; // no sandbox on this machine, and it says so
        }
        assert_eq!(code(output.status), Some(status), "{command}: {error}");
        assert!(error.contains(says) && error.lines().count() == 1, "{command}: {error}");
    }
}

fn the_commands_status_is_ours() {
    for status in [0, 1, 7, 125, 255] {
        let output = run_in_sandbox(&["sh", "-c", &format!("exit {status}")]);
        assert_eq!(code(output.status), Some(status));
    }
    for (signal, status) in [("TERM", 143), ("KILL", 137), ("PIPE", 141), ("SEGV", 139)] {
        let output = run_in_sandbox(&["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")]);
        assert_eq!(code(output.status), Some(status), "{signal}");
    }
    // whatever process group it has put itself in
    assert_eq!(code(run_in_sandbox(&["setsid", "--wait", "sh", "-c", "exit 9"]).status), Some(9));
    assert_eq!(code(run_in_sandbox(&["timeout", "10", "sh", "-c", "exit 8"]).status), Some(8));
    // a script without a first line is the shell's, as execvp has it
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "exit $1").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(code(run_in_sandbox(&[script.to_str().unwrap(), "33"]).status), Some(33));
}

fn the_network_inside_is_the_promised_one() {
    let routes = shell("cat /proc/net/route");
    assert!(routes.contains("bowline0\t00000000\t00000000"), "no default route in\n{routes}");
    assert!(routes.contains("bowline0\t0002000A\t00000000"), "no 10.0.2.0/24 in\n{routes}");
    let addresses = shell("cat /proc/net/fib_trie");
    assert!(addresses.contains("10.0.2.100") && addresses.contains("127.0.0.1"), "{addresses}");
    assert_eq!(shell("cat /sys/class/net/bowline0/mtu 2>/dev/null || echo 1500"), "1500\n");
    if fs::exists("/proc/net/if_inet6").unwrap() {
        let addresses = shell("cat /proc/net/if_inet6");
        let [ours] = addresses.lines().filter(|line| line.ends_with("bowline0")).collect::<Vec<_>>()[..] else {
            panic!("not one address in\n{addresses}");
        };
        // flags: permanent, no DAD; not tentative
        assert!(ours.starts_with("fd000000000000000000000000000100 ") && ours.contains(" 40 00 82 "), "{ours}");
        let routes = shell("cat /proc/net/ipv6_route");
        let default = "00000000000000000000000000000000 00 ";
        assert!(routes.lines().any(|line| line.starts_with(default) && line.ends_with("bowline0")), "{routes}");
    }
    // many short connections in a row do not use up the ports
    assert_eq!(shell("cat /proc/sys/net/ipv4/tcp_tw_reuse"), "1\n");
    // a low port needs no privilege in here
    assert_eq!(shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
}

/// The next packet from the TUN, without its virtio-net header, or `None` when the command ends first.
fn next_packet(sandbox: &mut Sandbox) -> Vec<u8> {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let mut buffer = [0u8; 2048];
        match rustix::io::read(&sandbox.tun, &mut buffer[..]) {
            Ok(len) => return buffer[10..len].to_vec(),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(errno) => panic!("{errno}"),
        }
        poll(&mut [PollFd::new(&sandbox.tun, PollFlags::IN)], None).unwrap();
    }
}

fn packets_leave_through_the_tun() {
    let talk = |to: &str| {
        let words = ["bash", "-c", &format!("echo hello > /dev/udp/{to}/9; read x")];
        let mut sandbox = Sandbox::spawn(&Config::new(words.map(Into::into).to_vec())).unwrap();
        sandbox.process.start().unwrap();
        let packet = next_packet(&mut sandbox);
        (sandbox.ipv6, packet)
    };
    let (ipv6, packet) = talk("192.0.2.1");
    assert_eq!((packet[0], packet[9], &packet[12..20]), (0x45, 17, &[10, 0, 2, 100, 192, 0, 2, 1][..]));
    assert_eq!(&packet[28..], b"hello\n");
    if ipv6 {
        let (_, packet) = talk("2001:db8::1");
        assert_eq!((packet[0] >> 4, packet[6]), (6, 17));
        assert_eq!(packet[8..24], bowline_gateway::addresses::GUEST_V6.octets());
        assert_eq!(&packet[48..], b"hello\n");
    }
}

fn names_and_processes_are_private() {
    let before = (fs::read_to_string("/etc/resolv.conf").ok(), fs::read_to_string("/etc/hosts").ok());
    let hosts = shell("cat /etc/hosts");
    assert!(hosts.contains("10.0.2.4\tbowline.internal\n"), "{hosts}");
    assert!(hosts.contains("10.0.2.2\thost.bowline.internal\n"), "{hosts}");
    assert!(shell("cat /etc/resolv.conf").contains("\nnameserver 10.0.2.3\n"));
    assert_eq!(shell("echo $$"), "2\n", "the command is the second process");
    assert_eq!(shell("cat /proc/1/comm"), "bowline-init\n");
    let after = (fs::read_to_string("/etc/resolv.conf").ok(), fs::read_to_string("/etc/hosts").ok());
    assert_eq!(before, after);
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("bowline"), "a mount is left on the host");
}

fn limits_signals_and_descriptors_are_as_outside() {
    let outside = |script: &str| printed(Command::new("sh").args(["-c", script]).output().unwrap());
    for script in ["ulimit -n; ulimit -Hn", "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status", "pwd; id -u; id -g"] {
        assert_eq!(shell(script), outside(script), "{script}");
    }
    let descriptors = "ls /proc/self/fd";
    let expected = printed(Command::new("sh").args(["-c", descriptors]).stdin(Stdio::null()).output().unwrap());
    assert_eq!(shell(descriptors), expected);
}

fn signals_are_passed_on() {
    use rustix::process::Signal;
    for (name, signal) in [
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
    ] {
        let script = format!("trap 'exit 9' {name}; echo ready; read x");
        let mut child = start(runner(&["sh", "-c", &script]));
        read_until(&mut child, "ready\n");
        kill(child.id(), signal);
        assert_eq!(code(wait(&mut child)), Some(9), "{name}");
    }
    let mut child = start(runner(&["sh", "-c", "echo ready; read x"]));
    read_until(&mut child, "ready\n");
    kill(child.id(), Signal::TERM);
    assert_eq!(code(wait(&mut child)), Some(143));
}

/// Counts its SIGINTs until it is told to say how many there were.
/// The shell reads for a moment at a time, which may end within a word: it would not notice a signal that comes just before
/// it begins to read.
const COUNT: &str = "n=0; trap 'n=$((n+1)); echo caught' INT; echo ready; word=; \
                     while :; do read -t 0.1 x; word=$word$x; if [ \"$word\" = done ]; then echo count=$n; exit 0; fi; done";

/// Waits until a process has taken the SIGINT that was sent to it. Another one would be lost before: only one can wait.
fn taken(pid: u32) {
    let waits = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
        u64::from_str_radix(pending.trim(), 16).unwrap() >> (libc::SIGINT - 1) & 1 == 1
    };
    while waits() {
        std::thread::yield_now();
    }
}

fn a_signal_to_the_group_arrives_once() {
    let mut command = runner(&["bash", "-c", COUNT]);
    command.process_group(0);
    let mut child = start(command);
    read_until(&mut child, "ready\n");
    let group = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    read_until(&mut child, "caught\n");
    taken(child.id());
    // one to the gateway alone, through the same channel: what would be the first one's echo comes before it
    kill(child.id(), rustix::process::Signal::INT);
    read_until(&mut child, "caught\n");
    child.stdin.take().unwrap().write_all(b"done\n").unwrap();
    assert_eq!(read_to_end(&mut child), "count=2\n");
    assert_eq!(code(wait(&mut child)), Some(0));
}

/// A Ctrl-C during the set-up, which ends nothing by itself.
fn a_signal_that_comes_before_the_command_reaches_it() {
    use rustix::process::{Signal, kill_process};
    let mut sandbox = Sandbox::spawn(&Config::new(["sleep", "20"].map(Into::into).to_vec())).unwrap();
    kill_process(sandbox.process.init(), Signal::INT).unwrap();
    sandbox.process.start().unwrap();
    assert_eq!(sandbox.process.wait().unwrap().status(), 128 + 2);
}

fn killing_the_gateway_kills_the_command() {
    let mut child = start(runner(&["sh", "-c", "sleep 1000 & echo ready; exec sleep 1000"]));
    read_until(&mut child, "ready\n");
    child.kill().unwrap();
    child.wait().unwrap();
    // the pipe ends only when the last process of the sandbox is gone
    assert_eq!(read_to_end(&mut child), "");
}

/// As soon as there is an init process, which has not asked to die along yet.
fn a_gateway_killed_as_it_begins_leaves_nothing() {
    for _ in 0..40 {
        let mut child = start(runner(&["sleep", "1000"]));
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let init = loop {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended by itself");
            if let Ok(init) = fs::read_to_string(&children).unwrap().trim().parse() {
                break init;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while is_running(init) {
            if Instant::now() > until {
                kill(init, rustix::process::Signal::KILL);
                panic!("an init process has outlived its gateway");
            }
            std::thread::yield_now();
        }
    }
}

fn killing_init_ends_the_gateway() {
    let mut child = start(runner(&["sh", "-c", "echo ready; exec sleep 1000"]));
    read_until(&mut child, "ready\n");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    kill(children.trim().parse().unwrap(), rustix::process::Signal::KILL);
    assert_eq!(code(wait(&mut child)), Some(137));
    assert_eq!(read_to_end(&mut child), "");
}

fn what_the_command_leaves_running_ends_with_it() {
    let mut child = start(runner(&["sh", "-c", "sleep 1000 & setsid sleep 1000 & exit 3"]));
    assert_eq!(read_to_end(&mut child), "");
    assert_eq!(code(wait(&mut child)), Some(3));
}

/// Runs `line` by a shell on a terminal of its own.
fn on_a_terminal(line: &str) -> Option<Child> {
    Command::new("script").arg("--version").output().ok()?;
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).env(ROLE, "1").env("COUNT", COUNT).env("SHELL", "/bin/bash");
    Some(start(command))
}

fn ctrl_c_arrives_once() {
    let Some(mut child) = on_a_terminal(&format!("stty -echo; exec {} bash -c \"$COUNT\"", me())) else {
        return;
    };
    read_until(&mut child, "ready");
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    read_until(&mut child, "caught");
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    read_until(&mut child, "caught");
    child.stdin.as_mut().unwrap().write_all(b"done\n").unwrap();
    read_until(&mut child, "count=2");
    assert_eq!(code(wait(&mut child)), Some(0));
}

/// The leader of the session alone hears of that from the kernel, and here it is the gateway.
fn a_terminal_that_is_gone_hangs_up_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script =
        format!("trap 'echo hung up > {}; exit 9' HUP; echo ready; while :; do sleep 0.1; done", told.display());
    let Some(mut child) = on_a_terminal(&format!("exec {} sh -c \"{script}\"", me())) else { return };
    read_until(&mut child, "ready");
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&told).is_ok_and(|told| told == "hung up\n") {
        assert!(Instant::now() < until, "the command runs on without a terminal");
        std::thread::yield_now();
    }
}

fn ctrl_z_stops_the_job_and_fg_continues_it() {
    // an interactive shell, so that there is job control
    let Some(mut child) = on_a_terminal("stty -echo; exec bash --norc --noprofile -i") else { return };
    let say = |child: &mut Child, line: &str| child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    say(&mut child, &format!("PS1=; {} sh -c 'echo rea''dy; read x; echo got=$x'; echo status=$?\n", me()));
    read_until(&mut child, "ready");
    say(&mut child, "\x1a");
    read_until(&mut child, "status=148");
    say(&mut child, "fg; echo ag''ain=$?\nword\n");
    read_until(&mut child, "got=word");
    read_until(&mut child, "again=0");
    say(&mut child, "exit 0\n");
    read_to_end(&mut child);
    assert_eq!(code(wait(&mut child)), Some(0));
}

fn two_at_once_do_not_hold_each_other() {
    let spawn = || Sandbox::spawn(&Config::new(["cat", "/dev/null"].map(Into::into).to_vec())).unwrap();
    let (mut first, mut second) = (spawn(), spawn());
    second.process.start().unwrap();
    first.process.start().unwrap();
    assert_eq!(first.process.wait().unwrap(), Exit::Exited(0));
    drop(first);
    assert_eq!(second.process.wait().unwrap(), Exit::Exited(0));
}

/// Runs `script` by root in mounts of its own, with `$ME` the runner where everybody can reach it.
fn in_private_mounts(script: &str) -> Output {
    let folder = tempfile::Builder::new().prefix("bowline-test").tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("runner");
    fs::copy(me(), &copy).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", script]).env("ME", &copy).env("DIR", folder.path()).env(ROLE, "1");
    command.stdin(Stdio::null()).current_dir("/").output().unwrap()
}

const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";
const OPEN_DEVICE: &str = "mknod $DIR/tun c 10 200; chmod 666 $DIR/tun; mount --bind $DIR/tun /dev/net/tun";

fn an_ordinary_user_runs_it_as_himself() {
    let inside = "id -u; id -g; grep CapEff /proc/self/status; cat /proc/sys/net/ipv4/ping_group_range; \
                  grep -c bowline0 /proc/net/route";
    let seen = printed(in_private_mounts(&format!("{OPEN_DEVICE}; exec {NOBODY} $ME sh -c '{inside}'")));
    assert_eq!(seen, "65534\n65534\nCapEff:\t0000000000000000\n65534\t65534\n2\n");
}

fn an_ordinary_user_is_told_about_the_device() {
    let output = in_private_mounts(&format!(
        "mknod $DIR/tun c 10 200; chmod 600 $DIR/tun; mount --bind $DIR/tun /dev/net/tun; exec {NOBODY} $ME true"
    ));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(code(output.status), Some(125), "{error}");
    assert!(error.contains("/dev/net/tun") && error.contains("chmod 0666") && error.lines().count() == 1, "{error}");
}

fn root_of_a_user_namespace_runs_it() {
    let seen = printed(in_private_mounts("exec unshare -Ur $ME sh -c 'id -u; cat /proc/self/uid_map'"));
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["0", "0", "0", "1"]);
}

/// In a process namespace whose `/proc` is the outer one's, numbers mean others.
fn a_proc_of_other_processes_is_no_obstacle() {
    assert_eq!(printed(in_private_mounts("exec unshare --pid --fork $ME sh -c 'echo $$'")), "2\n");
}

fn root_does_without_user_namespaces() {
    let script = "exec unshare -Ur sh -ec 'echo 0 > /proc/sys/user/max_user_namespaces; readlink /proc/self/ns/user; \
                  exec $ME readlink /proc/self/ns/user'";
    let seen = printed(in_private_mounts(script));
    let [outside, inside] = seen.lines().collect::<Vec<_>>()[..] else { panic!("{seen}") };
    assert_eq!(outside, inside);
}

fn a_refusal_of_namespaces_is_explained() {
    // the limit belongs to a user namespace, so the host's own is left alone
    let script = "exec unshare -Ur sh -ec 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all \
                  --inh-caps=-all $ME true'";
    let output = in_private_mounts(script);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(code(output.status), Some(125), "{error}");
    assert!(error.contains("refuses new namespaces") && error.lines().count() == 1, "{error}");
}
