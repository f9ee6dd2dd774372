mod info;

use crate::report::Verdict;
use crate::source::Source;
use crate::suite::{Plan, run_source};

fn outcomes(text: &str) -> Vec<(Verdict, String)> {
    let outcomes = run_source(&Source::new("test.pkt", text), &Plan::default());
    outcomes.into_iter().map(|outcome| (outcome.verdict, outcome.detail.unwrap_or_default())).collect()
}

#[track_caller]
fn passes(text: &str) {
    for (verdict, detail) in outcomes(text) {
        assert_eq!(verdict, Verdict::Passed, "{detail}");
    }
}

const PASSIVE: &str = "
0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0  bind(3, ..., ...) = 0
+0  listen(3, 1) = 0
+.1 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0  > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0  accept(3, ..., ...) = 4
";

#[test]
fn a_passive_open_in_all_versions() {
    passes(PASSIVE);
    assert_eq!(outcomes(PASSIVE).len(), 3);
}

/// A router may tell the link's MTU: nobody asks for it here.
#[test]
fn a_router_may_advertise_itself() {
    let text = established("+.1 < icmp router_advertisement mtu 1400\n+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 1\n");
    passes(&format!("--ip_version=ipv6\n{text}"));
}

/// The answer to a ping belongs to no connection: a script may expect it, and need not.
#[test]
fn a_ping_is_answered_whether_or_not_the_script_says_so() {
    for answer in ["", "+0 > icmp echo_reply id 7\n"] {
        passes(&established(&format!(
            "+.1 < icmp echo_request id 7\n{answer}+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 1\n"
        )));
        passes(&established(&format!("+.1 < icmp echo_request id 7\n{answer}")));
    }
    let detail = fails(&established("+.1 < icmp echo_request id 7\n+0 > icmp echo_reply id 8\n"));
    assert!(detail.contains("identifier: expected 8, seen 7"), "{detail}");
    let detail = fails(&established("+0 > icmp echo_reply id 7\n"));
    assert!(detail.contains("was not sent"), "{detail}");
}

#[track_caller]
fn fails(text: &str) -> String {
    let text = format!("--ip_version=ipv4\n{text}");
    let (verdict, detail) = outcomes(&text).remove(0);
    assert_eq!(verdict, Verdict::Failed, "{text}");
    // the diagram has a test of its own
    detail.split("\n\n").next().unwrap_or_default().to_owned()
}

fn established(more: &str) -> String {
    format!("{PASSIVE}{more}")
}

#[test]
fn what_a_script_can_say() {
    for more in [
        // several segments in a row may be one line
        "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n",
        // and one that leaves whole may be the lines of what a device cuts it into
        "+0 write(4, ..., 3000) = 3000\n+0 > . 1:1001(1000) ack 1\n+0 > . 1001:2001(1000) ack 1\n+0 > P. 2001:3001(1000) ack 1\n",
        "+0 write(4, ..., 3000) = 3000\n+0 > . 1:1001(1000) ack 1\n+0 > P. 1001:3001(2000) ack 1\n",
        "+0 write(4, \"hello\", 5) = 5\n+0 > P. 1:6(5) ack 1\n",
        "+.1 < P. 1:6(5) ack 1 win 257\n+0~+.1 > . 1:1(0) ack 6\n+0 read(4, ..., 100) = 5\n",
        "+.1 < R 1:1(0) win 0\n+0 read(4, ..., 100) = -1 ECONNRESET (Connection reset by peer)\n",
        "+0...0.5 read(4, ..., 100) = 10\n+.5 < P. 1:11(10) ack 1 win 257\n* > . 1:1(0) ack 11\n",
        "0.2...0.7 read(4, ..., 100) = 10\n0.7 < P. 1:11(10) ack 1 win 257\n* > . 1:1(0) ack 11\n",
        "+0 fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)\n+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n\
         +0 read(4, ..., 1) = -1 EAGAIN (Resource temporarily unavailable)\n",
        "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1\n",
        "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT, fd=4}) = 0\n\
         +0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1\n",
        "+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {..., 20}], msg_flags=0}, 0) = 30\n+0 > P. 1:31(30) ack 1\n",
        "+0 writev(4, [{..., 10}, {..., 20}], 2) = 30\n+0 > P. 1:31(30) ack 1\n+0 ioctl(4, SIOCOUTQ, [30]) = 0\n",
        "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0\n+0 getsockopt(4, SOL_SOCKET, SO_TYPE, [SOCK_STREAM], [4]) = 0\n",
        "+0 %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_state == TCPS_ESTABLISHED }%\n+0 %{ print(tcpi_snd_mss) }%\n",
        "+0 `nstat >/dev/null # as it is now`\n",
        // from the left to the right, as a shell does it: what is left out says nothing
        "+0 `false || true`\n+0 `false && false || true`\n+0 `true || false && true`\n+0 `true && true || false`\n",
        "+0 `sockstat -s | grep -c ESTABLISHED | grep 1`\n+0 `sysctl -q net.ipv4.tcp_sack=0`\n+0 `sleep 1`\n",
        "+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n* > F. 1:1(0) ack 1\n",
        "+0 `tcpdrop -a`\n+0 > R. 1:1(0) ack 1\n",
        // the peer begins anew with the number that it had; ours is another one, and zero again to the script
        "+0 < R 1:1(0) win 0\n+.1 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n\
         +0 < . 1:1(0) ack 1 win 257\n+0 accept(3, ..., ...) = 5\n+0 write(5, ..., 5) = 5\n+0 > P. 1:6(5) ack 1\n",
    ] {
        passes(&established(more));
    }
}

#[test]
fn what_differs_is_told() {
    let cases = [
        "+0 write(4, ..., 10) = 9\n",
        "+0 write(4, ..., 10) = 10\n",
        "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2\n",
        "+0 write(4, ..., 10) = 10\n+.5 > P. 1:11(10) ack 1\n",
        "+0 > . 1:1(0) ack 1\n",
        "+0 read(4, ..., 100) = 10\n",
        "+0...0.1 read(4, ..., 100) = 10\n",
        "+0...0.5 read(4, ..., 100) = 10\n+.1 < P. 1:11(10) ack 1 win 257\n+0~+.1 > . 1:1(0) ack 11\n",
        "+.1 < P. 1:6(5) ack 1 win 257\n+0~+.1 > . 1:1(0) ack 6\n+0 read(4, \"hello\", 100) = 5\n",
        "+0 read(4, ..., 100) = -1 EPIPE (Broken pipe)\n",
        "+0 %{ assert tcpi_state == TCP_CLOSE_WAIT }%\n",
        "+0 `iptables -L`\n",
        "+0 `true && false || false`\n",
        "+0 `true || false && sockstat -s | grep -c CLOSING | grep 1`\n",
        "+0 `sysctl net.ipv4.tcp_recovery=0`\n",
        "+0 getsockopt(4, SOL_SOCKET, SO_TYPE, [SOCK_DGRAM], [4]) = 0\n",
        "+0 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 1\n",
        "+0 shutdown(4) = 0\n",
        "+0 fly(4) = 0\n",
        "+0 socket(..., SOCK_FLYING, 0) = 5\n",
        "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 1 ecr 77>\n",
        "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:1001(1000) ack 1\n+0 > P. 1001:3001(2000) ack 1\n",
        "+0 write(4, ..., 3000) = 3000\n+0 > . 1:1001(1000) ack 1\n",
        "0.1 close(4) = 0\n",
    ];
    let told: Vec<_> = cases.iter().map(|more| fails(&established(more))).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn what_is_taken_without_effect_is_remembered() {
    let more = "+0 setsockopt(4, SOL_SOCKET, SO_PRIORITY, [1], 4) = 0\n+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0\n\
                +0 `sysctl -q net.ipv4.tcp_mem=\"1 2 3\" net.ipv4.tcp_sack=0 net.ipv4.tcp_dsack=1`\n";
    for ending in ["", "+0 read(4, ..., 1) = 7\n"] {
        let source = Source::new("test.pkt", established(&format!("{more}{ending}")));
        for outcome in run_source(&source, &Plan::default()) {
            assert_eq!(outcome.verdict == Verdict::Passed, ending.is_empty());
            assert_eq!(outcome.without_effect, ["SO_PRIORITY", "net.ipv4.tcp_mem"]);
        }
    }
}

#[test]
fn timestamps_are_those_of_the_script() {
    let text = "
0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0  connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0  > S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
+.1 < S. 500:500(0) ack 1 win 5000 <mss 1000,sackOK,TS val 7 ecr 100>
+0  > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 7>
+0  write(3, ..., 10) = 10
+0  > P. 1:11(10) ack 1 <nop,nop,TS val 200 ecr 7>
+.1 < . 1:1(0) ack 11 win 5000 <nop,nop,TS val 8 ecr 200>
";
    passes(&format!("--tcp_ts_tick_usecs=1000\n{text}"));
    let wrong = text.replace("> P. 1:11(10) ack 1 <nop,nop,TS val 200", "> P. 1:11(10) ack 1 <nop,nop,TS val 300");
    passes(&wrong.replace("ecr 200>", "ecr 300>"));
    assert!(fails(&format!("--tcp_ts_tick_usecs=1000\n{wrong}")).contains("options"));
    assert!(fails(&text.replace("val 200 ecr 7", "val 200 ecr 6")).contains("options"));
}

#[test]
fn datagrams_and_errors_about_them() {
    passes(
        "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 100) = 100
+0 > udp (100)
+.1 < udp (50)
+0 read(3, ..., 1000) = 50
+.1 < icmp unreachable port_unreachable [udp (100)]
+0 read(3, ..., 1000) = -1 ECONNREFUSED (Connection refused)
",
    );
}

#[test]
fn ports_tell_connections_apart() {
    passes(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 2) = 0
+0 < 5001 > 8080 S 0:0(0) win 1000 <mss 1000>
+0 > 8080 > 5001 S. 0:0(0) ack 1 <...>
+0 < 5002 > 8080 S 100:100(0) win 1000 <mss 1000>
+0 > 8080 > 5002 S. 0:0(0) ack 101 <...>
+0 < 5001 > 8080 . 1:1(0) ack 1 win 1000
+0 < 5002 > 8080 . 1:1(0) ack 1 win 1000
+0 accept(3, ..., ...) = 4
+0 accept(3, ..., ...) = 5
+0 write(5, ..., 10) = 10
+0 > 8080 > 5002 P. 1:11(10) ack 1
+0 write(4, ..., 20) = 20
+0 > 8080 > 5001 P. 1:21(20) ack 1
",
    );
}

#[test]
fn time_goes_on_after_the_last_line_where_it_is_asked_to() {
    let text = established("+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n");
    let plan = Plan { linger: std::time::Duration::from_secs(1), ..Plan::default() };
    let outcomes = run_source(&Source::new("test.pkt", &text), &plan);
    let message = outcomes[0].message.clone().unwrap();
    assert!(message.ends_with("after its last line the script expects no packet"), "{message}");
}

#[test]
fn a_failure_has_a_diagram() {
    let text = format!("--ip_version=ipv4\n{}", established("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2\n"));
    insta::assert_snapshot!(outcomes(&text).remove(0).1);
}

#[track_caller]
fn passes_as_freebsd(text: &str) {
    let plan = Plan { profile: bowline_posix::Profile::FreeBsd, ..Plan::default() };
    for outcome in run_source(&Source::new("test.pkt", text), &plan) {
        assert_eq!(outcome.verdict, Verdict::Passed, "{}", outcome.detail.unwrap_or_default());
    }
}

#[test]
fn a_socket_without_options_offers_none_and_agrees_to_none() {
    passes_as_freebsd(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_NOOPT, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000,sackOK,TS val 7 ecr 0,nop,wscale 6>
+0 > S. 0:0(0) ack 1 win 65535
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 %{ assert tcpi_state == TCPI_ESTABLISHED and tcpi_options == 0, tcpi_options }%
",
    );
    passes_as_freebsd(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_NOOPT, [1], 4) = 0
+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) win 65535
+.1 < S 0:0(0) win 65535 <mss 1000,sackOK>
+0 > S. 0:0(0) ack 1 win 65535
",
    );
}

#[test]
fn the_receive_buffer_is_whole_segments_once_their_size_is_known() {
    passes_as_freebsd(
        "--ip_version=ipv4
`sysctl -w net.inet.tcp.recvspace=65536`
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [65536], [4]) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) win 65535 <...>
+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [65536], [4]) = 0
+.1 < S. 0:0(0) ack 1 win 65535 <mss 1460>
+0 > . 1:1(0) ack 1 win 65535
+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [65700], [4]) = 0
",
    );
}

#[test]
fn what_is_sent_after_the_last_line_may_be_let_go() {
    let text = established("+0 close(4) = 0\n");
    let run = |open_end| run_source(&Source::new("test.pkt", &text), &Plan { open_end, ..Plan::default() });
    assert!(run(false).iter().all(|outcome| outcome.verdict == Verdict::Failed));
    assert!(run(true).iter().all(|outcome| outcome.verdict == Verdict::Passed && outcome.remarks.len() == 1));
}

#[test]
fn commands_may_come_before_every_script() {
    let text =
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, IPPROTO_TCP, TCP_LINGER2, [5], [4]) = 0\n";
    let verdict = |init: &[&str]| {
        let init = init.iter().map(ToString::to_string).collect();
        run_source(&Source::new("test.pkt", text), &Plan { init, ..Plan::default() })[0].verdict
    };
    assert_eq!(verdict(&[]), Verdict::Failed);
    assert_eq!(verdict(&["sysctl net.ipv4.tcp_fin_timeout=5"]), Verdict::Passed);
    assert_eq!(verdict(&["sysctl net.ipv4.tcp_fin_timeout=5", "sysctl no.such.thing=5"]), Verdict::Failed);
}
