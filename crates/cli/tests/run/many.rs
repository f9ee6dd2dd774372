//! Many connections, at once and in a row, and what the gateway keeps of them.

use std::time::Duration;

use crate::support::servers::Nginx;
use crate::support::{bowline, descriptors, folder, needs, resident, shell, wait_for};

#[test]
fn wrk_sees_no_error_on_200_connections() {
    needs!("wrk", "nginx");
    let folder = folder();
    let nginx = Nginx::start(folder.path());
    let url = format!("http://host.bowline.internal:{}/small", nginx.port);
    for header in ["Connection: keep-alive", "Connection: close"] {
        let words = ["wrk", "-t2", "-c200", "-d3s", "--timeout", "10s", "-H", header, &url];
        let text = bowline("-q", &words).within(60).run().printed();
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")).unwrap().0;
        assert!(requests.parse::<u64>().unwrap() > 200, "{text}");
        assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "{text}");
    }
}

/// Opens connections one after another: `client` closes first in every second one, the server in the others.
const IN_A_ROW: &str = r"
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
for line in sys.stdin:
    for n in range(int(line)):
        s = socket.create_connection((host, port))
        if n % 2:
            s.sendall(b'GET /small HTTP/1.0\r\n\r\n')
            while s.recv(65536): pass
        else:
            s.sendall(b'GET /small HTTP/1.1\r\nHost: x\r\n\r\n')
            s.recv(65536)
        s.close()
    print('done', flush=True)
";

#[test]
fn short_connections_in_a_row_are_all_served_and_leave_nothing() {
    needs!("python3", "nginx");
    let folder = folder();
    let nginx = Nginx::start(folder.path());
    let words = ["python3", "-c", IN_A_ROW, "host.bowline.internal", &nginx.port.to_string()];
    let mut run = bowline("--json", &words).with_input().within(120).start();
    // pools and tables have reached their size after these
    run.say("500");
    run.read_until("done");
    let (memory, open) = (resident(run.pid()), descriptors(run.pid()));
    run.say("2000");
    run.read_until("done");
    // one more may be there for good: the timer that the driver makes when it first needs it
    wait_for("the descriptors of closed connections go", Duration::from_secs(10), || {
        (descriptors(run.pid()) <= open + 1).then_some(())
    });
    let grown = resident(run.pid()).saturating_sub(memory);
    assert!(grown < 2 << 20, "{grown} bytes more than after 500 connections, {memory}");
    let ended = run.wait();
    ended.assert_success();
    assert!(ended.stderr.contains("\"connections\":2500,\"failed\":0,"), "{}", ended.stderr);
}

/// Opens more connections than there are descriptors for, closes those that are open, and waits for the others.
const TOO_MANY: &str = "
import select, socket, sys
def opened(sockets, wanted):
    found = set()
    while len(found) < wanted:
        waiting = [s for s in sockets if s not in found]
        found |= {s for s in select.select([], waiting, [])[1] if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0}
    return found
sockets = [socket.socket() for _ in range(50)]
for s in sockets:
    s.setblocking(False)
    s.connect_ex((sys.argv[1], int(sys.argv[2])))
some = opened(sockets, 20)
for s in some: s.close()
opened([s for s in sockets if s not in some], len(sockets) - len(some))
print('all', flush=True)
";

#[test]
fn a_lack_of_descriptors_is_told_of_once_and_ends_with_it() {
    needs!("python3");
    let port = crate::support::servers::echo();
    let script = "ulimit -n 64; exec $BOWLINE run -- python3 -c \"$TOO_MANY\" 10.0.2.2 $PORT";
    let ended = shell(script).env("TOO_MANY", TOO_MANY).env("PORT", port.to_string()).run();
    assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(0), "all\n"), "{}", ended.stderr);
    let told = ended.stderr.lines().filter(|line| line.contains("ulimit -n")).count();
    assert_eq!(told, 1, "{}", ended.stderr);
}
