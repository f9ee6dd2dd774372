//! Scripts of strangers: whatever their text is, reading and running them ends, and panics nowhere.
//!
//! The first byte of an input chooses the profile and the version of IP; the rest is the script. A script is run only where it
//! is short: what takes time there is the stack, which has targets of its own.

use bowline_drill::lex::Defines;
use bowline_drill::parse::parse;
use bowline_drill::run::{Setting, run as run_script};
use bowline_drill::script::IpVersion;
use bowline_drill::source::Source;
use bowline_posix::Profile;

/// Events that are run at most.
const MAX_EVENTS: usize = 40;

/// The target.
pub fn run(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else { return };
    let source = Source::new("fuzz.pkt", String::from_utf8_lossy(text));
    let defines: Defines = [("A".to_owned(), "1".to_owned())].into_iter().collect();
    let script = match parse(&source, &defines) {
        Ok(script) => script,
        Err(error) => {
            assert!(source.show(&error).contains(&error.message));
            return;
        }
    };
    let profile = [Profile::Bowline, Profile::Linux, Profile::FreeBsd][usize::from(choice) % 3];
    let version = IpVersion::ALL[usize::from(choice / 3) % 3];
    if script.events.len() > MAX_EVENTS || !script.admits(version) {
        return;
    }
    if let Err(failed) = run_script(&script, Setting { profile, version, ..Setting::default() }) {
        let failure = failed.failure;
        assert!(failure.show(&source).contains(&failure.what));
    }
}

/// Scripts of every kind of line.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    SEEDS.iter().enumerate().map(|(number, text)| [&[number as u8], text.as_bytes()].concat()).collect()
}

const SEEDS: &[&str] = &[
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+.1 < S 0:0(0) win 1000 <mss 1000,sackOK,nop,nop,TS val 1 ecr 0,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 2 ecr 0>
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 3000) = 3000
+0 > P. 1:3001(3000) ack 1 <...>
",
    "--ip_version=ipv4
--tolerance_usecs=5000
`sysctl -q net.ipv4.tcp_sack=0`
0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0~+.1 > S 0:0(0) <...>
+.1 < S. 0:0(0) ack 1 win 1000 <mss 1000>
* > . 1:1(0) ack 1
+0...0.5 poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 1000) = 1
+.5 < [ce] P. 1:11(10) ack 1 win 257
+0 %{ assert tcpi_state == 1 and (tcpi_snd_cwnd & 10) != 0, 'cwnd %d' % tcpi_snd_cwnd; print(1 if 2 else 3) }%
+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{...,1000}], msg_flags=0, msg_control=[]}, MSG_PEEK) = 10
",
    "#ifdef A
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
#else
0 socket(..., SOCK_RAW, 0) = 3
#endif
+0 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr(\"192.0.2.1\")}, 16) = 0
+0 write(3, \"hello\\n\", 6) = 6
+0 > (tos 0x0, ttl 64) udp (6) // ours
/* theirs */ +.1 < icmp unreachable port_unreachable mtu 0 [udp (6)]
+0 read(3, \"\"..., 10) = -1 ECONNREFUSED (Connection refused)
",
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 < 5000 > 8080 P.5 17:20(3) ack 34 win 5 urg 1 <sack 1:2 3:4,FO 1234,eol>
+0 > 8080 > 5000 R 34:34(0)! win 0
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, fd=3}) = 0
+0 epoll_wait(5, {events=EPOLLHUP, fd=3}, 1, 0) = 1
+0 `sockstat -s | grep -c LISTEN | grep 0; tcpdrop -a`
+0 getsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=0, linger=0}, [8]) = 0
+0 close(3) = 0
",
];
