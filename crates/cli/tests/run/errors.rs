//! What goes wrong outside looks inside exactly as it does outside: the same errno, as fast; and the end of a program
//! looks outside as it would without Bowline.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{bowline, folder, needs, servers, shell};

const FILES: [(&str, &str); 3] = [
    ("host.sh", include_str!("errors/host.sh")),
    ("serve.py", include_str!("errors/serve.py")),
    ("probe.py", include_str!("errors/probe.py")),
];

/// A line of the probe: what was tried, how it went, how many milliseconds it took.
fn parse(text: &str) -> Vec<(&str, &str, i64)> {
    let columns = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    columns.map(|columns| (columns[0], columns[1], columns[2].parse().unwrap())).collect()
}

#[test]
fn every_failure_has_the_errno_and_the_pace_that_it_has_outside() {
    needs!("python3", "ip", "nsenter");
    let folder = folder();
    for (name, content) in FILES {
        fs::write(folder.path().join(name), content).unwrap();
    }
    // first all outside, then all inside: a router answers only so fast
    let script = ". $DIR/host.sh; cd $DIR; \
                  python3 probe.py 4 77 > outside4 & v4=$!; python3 probe.py 6 77 > outside6; wait $v4; \
                  $BOWLINE run -q -- sh -ec 'python3 probe.py 4 78 > inside4 & v4=$!; python3 probe.py 6 78 > inside6; \
                  wait $v4'";
    let host = "exec unshare -Urnmpf --mount-proc --kill-child sh -ec \"$SCRIPT\"";
    shell(host).env("SCRIPT", script).env("DIR", folder.path()).within(60).run().assert_success();
    for version in ["4", "6"] {
        let [outside, inside] = ["outside", "inside"]
            .map(|name| fs::read_to_string(folder.path().join(format!("{name}{version}"))).unwrap());
        compare(version, &parse(&outside), &parse(&inside));
    }
}

fn compare(version: &str, outside: &[(&str, &str, i64)], inside: &[(&str, &str, i64)]) {
    assert_eq!((outside.len(), inside.len()), (40, 40));
    let mut different = Vec::new();
    for (expected, seen) in outside.iter().zip(inside) {
        // a router as near as this one answers while connect still holds the socket: the kernel takes that for a hint,
        // and goes by the answer to its second SYN, a second later
        let noise = expected.2 / 5;
        let early = if expected.2 > 1400 { 300 } else { 1100 + noise };
        let late = 500 + noise;
        let is_paced = (expected.2 - early..=expected.2 + late).contains(&seen.2);
        if (expected.0, expected.1) != (seen.0, seen.1) || !is_paced {
            different.push(format!(
                "{}: outside {} in {} ms, inside {} in {} ms",
                expected.0, expected.1, expected.2, seen.1, seen.2
            ));
        }
    }
    assert!(different.is_empty(), "IPv{version}: {}", different.join("\n"));
}

/// Sends to a host that only a default route leads to, by both IP versions, until what comes of it is what a line of input
/// says, or five seconds have passed, and prints it.
const UNCONNECTED: &str = "
import errno, socket, sys, time
def send(family, host):
    try:
        socket.socket(family, socket.SOCK_DGRAM).sendto(b'x', (host, 9))
        return 'sent'
    except OSError as error:
        return errno.errorcode[error.errno]
for wanted in sys.stdin:
    until = time.monotonic() + 5
    while True:
        came = send(socket.AF_INET, '198.51.100.1') + ' ' + send(socket.AF_INET6, '2001:db8:9::1')
        if came == wanted.strip() or time.monotonic() > until: break
    print(came, flush=True)
";

/// A host whose only cable is pulled and plugged in again, then has no way beyond that cable, and a program that is there all
/// the while; then one that begins without a network.
const CABLE: &str = "
plug_in() { ip link set out0 up; ip route replace default dev out0; ip -6 route replace default dev out0; }
ip link set lo up
ip link add out0 type veth peer name in0
ip link set in0 up
ip address add 198.18.0.1/24 dev out0
ip address add 2001:db8:1::1/64 dev out0 nodad
plug_in
mkfifo $DIR/in $DIR/out
$BOWLINE run -q -- python3 -c \"$UNCONNECTED\" < $DIR/in > $DIR/out &
exec 3> $DIR/in 4< $DIR/out
ask() { echo \"$1\" >&3; read -r came <&4; echo \"$came\"; }
ask 'sent sent'
ip link set out0 down
ask 'ENETUNREACH ENETUNREACH'
plug_in
ask 'sent sent'
ip route delete default
ip -6 route delete default
ask 'ENETUNREACH ENETUNREACH'
plug_in
ask 'sent sent'
exec 3>&-
wait
ip link delete out0
echo 'ENETUNREACH ENETUNREACH' | $BOWLINE run -q -- python3 -c \"$UNCONNECTED\"
";

#[test]
fn a_host_without_a_network_is_one_inside_too() {
    needs!("python3", "ip");
    let folder = folder();
    let host = "exec unshare -Urnmpf --mount-proc --kill-child sh -ec \"$SCRIPT\"";
    let run =
        shell(host).env("SCRIPT", CABLE).env("UNCONNECTED", UNCONNECTED).env("DIR", folder.path()).within(60).run();
    let none = "ENETUNREACH ENETUNREACH";
    assert_eq!(run.printed().lines().collect::<Vec<_>>(), ["sent sent", none, "sent sent", none, "sent sent", none]);
}

/// What a server saw of a client: what it read, and how that ended.
type Seen = (Vec<u8>, Option<io::ErrorKind>);

/// A server that sends a greeting, and reports what each client sends and how it ends.
fn witness() -> (u16, mpsc::Receiver<Seen>) {
    let (report, seen) = mpsc::channel();
    let port = servers::tcp(move |mut stream| {
        let _ = stream.write_all(b"welcome\n");
        let mut read = Vec::new();
        let end = stream.read_to_end(&mut read).err().map(|error| error.kind());
        let _ = report.send((read, end));
    });
    (port, seen)
}

#[test]
fn the_end_of_a_program_looks_outside_as_it_would_without_us() {
    needs!("bash");
    let (port, seen) = witness();
    // how the client ends, and whether there is something that it has not read
    let clients = [
        ("exit 0", true),
        ("read line <&3; exit 0", false),
        ("kill -KILL $$", true),
        ("read line <&3; kill -KILL $$", false),
    ];
    for (end, unread) in clients {
        // it waits until the greeting is there, and looks without taking it
        let client = format!("exec 3<>/dev/tcp/$HOST/{port}; echo hello >&3; until read -t 0 <&3; do :; done; {end}");
        let word = "bash -c \"$CLIENT\" || true";
        let outside = shell(word).env("HOST", "127.0.0.1").env("CLIENT", &client).run();
        outside.assert_success();
        let expected = seen.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(expected.1, unread.then_some(io::ErrorKind::ConnectionReset), "{end}");
        // a client among other programs, and one whose end is the end of the sandbox
        for words in [&["sh", "-c", &format!("{word}; read line")][..], &["bash", "-c", &client]] {
            for host in ["10.0.2.2", "fd00::2"] {
                let run = bowline("-q", words).env("HOST", host).env("CLIENT", &client).with_input().start();
                let found = seen.recv_timeout(Duration::from_secs(5));
                assert_eq!(found.as_ref(), Ok(&expected), "{end} at {host} by {words:?}");
                run.wait();
            }
        }
    }
}
