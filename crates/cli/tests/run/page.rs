//! The built-in page, and the names that lead to it and to the host.

use std::fs;

use crate::support::{bowline, folder, needs, shell};

#[test]
fn the_page_names_the_connection_its_state_options_and_round_trip_time() {
    needs!("curl");
    for (family, guest, page) in [("-4", "10.0.2.100:", "10.0.2.4:80"), ("-6", "[fd00::100]:", "[fd00::4]:80")] {
        let run = bowline("", &["curl", family, "-sS", "http://bowline.internal/"]).run();
        let text = run.printed();
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim().to_owned()
        };
        let connection = line("Connection");
        assert!(connection.starts_with(guest) && connection.ends_with(&format!("-> {page}")), "{connection}");
        assert_eq!(line("State"), "ESTABLISHED");
        for option in ["MSS ", "window scaling ", "timestamps", "SACK"] {
            assert!(line("Options").contains(option), "{text}");
        }
        assert!(line("RTT ").contains(" ms"), "{text}");
    }
}

#[test]
fn the_names_resolve_to_the_gateway_and_the_page() {
    needs!("getent");
    let script = "getent ahostsv4 bowline.internal; getent ahostsv6 bowline.internal; \
                  getent ahostsv4 host.bowline.internal; getent ahostsv6 host.bowline.internal";
    let seen = bowline("-q", &["sh", "-c", script]).run().printed();
    let mut seen: Vec<_> = seen.lines().filter_map(|line| line.split_whitespace().next()).collect();
    seen.dedup();
    assert_eq!(seen, ["10.0.2.4", "fd00::4", "10.0.2.2", "fd00::2"]);
}

/// A name server that knows one name, by UDP and TCP, on port 53 of its namespace's loopback.
const NAME_SERVER: &str = r"
import socket, struct, threading
def answer(query):
    end = query.index(0, 12) + 5
    kind = struct.unpack('>H', query[end - 4:end - 2])[0]
    known = query[12:end - 5] == b'\x04door\x04test'
    data = {1: bytes([192, 0, 2, 53]), 28: bytes.fromhex('20010db8000000000000000000000053')}.get(kind) if known else None
    record = b'\xc0\x0c' + query[end - 4:end] + struct.pack('>IH', 60, len(data)) + data if data else b''
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack('>HHHHH', flags, 1, 1 if data else 0, 0, 0) + query[12:end] + record
def serve_tcp(listener):
    while True:
        stream, _ = listener.accept()
        size = struct.unpack('>H', stream.recv(2, socket.MSG_WAITALL))[0]
        reply = answer(stream.recv(size, socket.MSG_WAITALL))
        stream.sendall(struct.pack('>H', len(reply)) + reply)
        stream.close()
listener = socket.create_server(('127.0.0.53', 53))
threading.Thread(target=serve_tcp, args=(listener,), daemon=True).start()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.53', 53))
print('ready', flush=True)
while True:
    query, peer = server.recvfrom(4096)
    server.sendto(answer(query), peer)
";

/// Runs `script` behind the gateway in a namespace that has the server of [`NAME_SERVER`] and this resolv.conf.
fn with_name_server(resolv_conf: &str, script: &str) -> String {
    let folder = folder();
    fs::write(folder.path().join("names.py"), NAME_SERVER).unwrap();
    fs::write(folder.path().join("resolv.conf"), resolv_conf).unwrap();
    // the host of this test is a namespace, whose resolv.conf is its own
    let inside = "ip link set lo up; mount --bind $DIR/resolv.conf /etc/resolv.conf; mkfifo $DIR/ready; \
                  python3 $DIR/names.py > $DIR/ready & read ready < $DIR/ready; $BOWLINE run -q -- sh -c \"$SCRIPT\"";
    let run = shell("exec unshare -Urnmpf --mount-proc --kill-child sh -ec \"$INSIDE\"").env("INSIDE", inside);
    run.env("SCRIPT", script).env("DIR", folder.path()).run().printed()
}

#[test]
fn names_are_resolved_by_the_hosts_name_server() {
    needs!("python3", "ip", "getent");
    let script = "cat /etc/resolv.conf; getent ahostsv4 door.test; getent ahostsv6 door.test; \
                  RES_OPTIONS=use-vc getent hosts door.test; getent hosts nothing.test || echo status $?";
    let text = with_name_server("nameserver 127.0.0.53\n", script);
    assert!(text.contains("nameserver 10.0.2.3"), "{text}");
    assert!(text.contains("192.0.2.53") && text.contains("2001:db8::53"), "{text}");
    assert_eq!(text.matches("2001:db8::53").count(), 4, "three by UDP, one by TCP\n{text}");
    assert!(text.contains("status 2"), "a name that is not there\n{text}");
}

/// Nobody listens where the first server should be, and there is no way to the second one at all.
#[test]
fn a_dead_name_server_is_passed_over_as_the_hosts_own_programs_do() {
    needs!("python3", "ip", "getent");
    let dead = "nameserver 127.0.0.99\nnameserver 198.51.100.1\nnameserver 127.0.0.53\n";
    for by in ["", "RES_OPTIONS=use-vc "] {
        let text = with_name_server(dead, &format!("{by}getent ahostsv4 door.test"));
        assert!(text.contains("192.0.2.53"), "{by}{text}");
    }
}
