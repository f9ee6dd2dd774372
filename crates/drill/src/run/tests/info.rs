//! What `tcp_info` says while a scripted peer loses, repeats and marks.

use bowline_posix::Profile;

use super::{PASSIVE, Plan, Source, Verdict, run_source};

#[track_caller]
fn holds_in(profile: Profile, text: &str) {
    for outcome in run_source(&Source::new("info.pkt", text), &Plan { profile, ..Plan::default() }) {
        assert_eq!(outcome.verdict, Verdict::Passed, "{}", outcome.detail.unwrap_or_default());
    }
}

/// After a handshake with SACK, and segments of 1,000 bytes.
#[track_caller]
fn holds(more: &str) {
    holds_in(Profile::Linux, &format!("{PASSIVE}{more}"));
}

#[test]
fn what_sack_reports_is_counted_in_segments() {
    holds(
        "+0 write(4, ..., 5000) = 5000
+0 > P. 1:5001(5000) ack 1
+0 %{
assert tcpi_unacked == 5, tcpi_unacked
assert tcpi_sacked == 0 and tcpi_lost == 0 and tcpi_retrans == 0
assert tcpi_ca_state == TCP_CA_Open, tcpi_ca_state
assert tcpi_delivery_rate == 0
}%
+.1 < . 1:1(0) ack 1 win 257 <sack 1001:2001,nop,nop>
+0 %{
assert tcpi_ca_state == TCP_CA_Disorder, tcpi_ca_state
assert tcpi_sacked == 1, tcpi_sacked
assert tcpi_lost == 0, tcpi_lost
}%
+0 < . 1:1(0) ack 1 win 257 <sack 1001:4001,nop,nop>
+0 > . 1:1001(1000) ack 1
+0 %{
assert tcpi_ca_state == TCP_CA_Recovery, tcpi_ca_state
assert tcpi_unacked == 5, tcpi_unacked
assert tcpi_sacked == 3, tcpi_sacked
assert tcpi_lost == 1, tcpi_lost
assert tcpi_retrans == 1, tcpi_retrans
assert tcpi_fackets == 0
assert tcpi_total_retrans == 1, tcpi_total_retrans
assert tcpi_bytes_retrans == 1000, tcpi_bytes_retrans
}%
+.1 < . 1:1(0) ack 5001 win 257
+0 %{
assert tcpi_ca_state == TCP_CA_Open, tcpi_ca_state
assert tcpi_unacked == 0 and tcpi_sacked == 0 and tcpi_lost == 0 and tcpi_retrans == 0
assert tcpi_total_retrans == 1 and tcpi_bytes_acked == 5000 and tcpi_dsack_dups == 0
}%
+.1 < . 1:1(0) ack 5001 win 257 <sack 1:1001,nop,nop>
+0 %{ assert tcpi_dsack_dups == 1, tcpi_dsack_dups }%
",
    );
}

#[test]
fn what_arrives_late_was_reordered() {
    holds(
        "+0 write(4, ..., 3000) = 3000
+0 > P. 1:3001(3000) ack 1
+.1 < . 1:1(0) ack 1 win 257 <sack 1001:3001,nop,nop>
+0 %{ assert tcpi_sacked == 2 and tcpi_reord_seen == 0, tcpi_sacked }%
+0 < . 1:1(0) ack 3001 win 257
+0 %{
assert tcpi_reord_seen == 1, tcpi_reord_seen
assert tcpi_reordering == 3, tcpi_reordering
}%
",
    );
}

#[test]
fn without_sack_duplicate_acknowledgements_count_as_sacked() {
    let text = format!(
        "{}{}",
        PASSIVE.replace("sackOK", "nop"),
        "
+0 write(4, ..., 5000) = 5000
+0 > P. 1:5001(5000) ack 1
+.1 < . 1:1(0) ack 1 win 257
+0 %{ assert tcpi_ca_state == TCP_CA_Disorder and tcpi_sacked == 1, tcpi_sacked }%
+0 < . 1:1(0) ack 1 win 257
+0 %{ assert tcpi_sacked == 2 and tcpi_lost == 0, tcpi_sacked }%
+0 < . 1:1(0) ack 1 win 257
+0 > . 1:1001(1000) ack 1
+0 %{
assert tcpi_ca_state == TCP_CA_Recovery, tcpi_ca_state
assert tcpi_sacked == 3 and tcpi_lost == 1 and tcpi_retrans == 1, tcpi_sacked
}%
"
    );
    holds_in(Profile::Linux, &text);
}

#[test]
fn a_time_out_is_a_loss_and_a_probe_before_it_is_none() {
    holds(
        "+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+.3 > P. 1:1001(1000) ack 1
+0 %{
assert tcpi_ca_state == TCP_CA_Open, tcpi_ca_state
assert tcpi_total_retrans == 1 and tcpi_retrans == 0 and tcpi_lost == 0, tcpi_retrans
}%
+.3 > P. 1:1001(1000) ack 1
+0 %{
assert tcpi_ca_state == TCP_CA_Loss, tcpi_ca_state
assert tcpi_unacked == 1 and tcpi_lost == 1 and tcpi_retrans == 1, tcpi_lost
assert tcpi_retransmits == 1 and tcpi_backoff == 1, tcpi_backoff
assert tcpi_total_retrans == 2 and tcpi_total_rto == 1
assert tcpi_snd_cwnd == 1, tcpi_snd_cwnd
}%
",
    );
}

#[test]
fn an_echo_of_congestion_is_cwr_until_newer_data_is_acknowledged() {
    holds_in(
        Profile::Linux,
        "
`sysctl -q net.ipv4.tcp_ecn=1`
0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  bind(3, ..., ...) = 0
+0  listen(3, 7) = 0
+0  < SEW 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0  > SE. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0  accept(3, ..., ...) = 4
+0  %{ assert tcpi_options & TCPI_OPT_ECN and tcpi_ca_state == TCP_CA_Open, tcpi_options }%
+0  write(4, ..., 2000) = 2000
+0  > [ect0] P. 1:2001(2000) ack 1
+.1 < E. 1:1(0) ack 1001 win 257
+0  %{ assert tcpi_ca_state == TCP_CA_CWR, tcpi_ca_state }%
+.1 < . 1:1(0) ack 2001 win 257
+0  %{ assert tcpi_ca_state == TCP_CA_CWR, tcpi_ca_state }%
+0  write(4, ..., 1000) = 1000
+0  > [ect0] PW. 2001:3001(1000) ack 1
+.1 < . 1:1(0) ack 3001 win 257
+0  %{ assert tcpi_ca_state == TCP_CA_Open, tcpi_ca_state }%
",
    );
}

#[test]
fn the_receiver_tells_of_its_acknowledgements() {
    holds(
        "+0 %{
assert tcpi_ato == 0, tcpi_ato
assert tcpi_rcv_mss == 536, tcpi_rcv_mss
assert tcpi_rcv_space == 14600, tcpi_rcv_space
assert tcpi_snd_ssthresh == 2147483647 and tcpi_snd_cwnd == 10
}%
+.1 < P. 1:1001(1000) ack 1 win 257
+0~+.05 > . 1:1(0) ack 1001
+0 %{
assert tcpi_ato == 40000, tcpi_ato
assert tcpi_rcv_mss == 1000, tcpi_rcv_mss
assert tcpi_bytes_received == 1000 and tcpi_data_segs_in == 1 and tcpi_rcv_ooopack == 0
}%
+.1 < P. 2001:3001(1000) ack 1 win 257
+0 > . 1:1(0) ack 1001 <nop,nop,sack 2001:3001>
+0 %{ assert tcpi_rcv_ooopack == 1 and tcpi_bytes_received == 1000, tcpi_rcv_ooopack }%
",
    );
}

#[test]
fn a_closed_window_is_probed() {
    holds(
        "+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+.1 < . 1:1(0) ack 1001 win 0
+0 write(4, ..., 1000) = 1000
+.3 > . 1000:1000(0) ack 1
+0 %{ assert tcpi_probes == 1 and tcpi_retransmits == 0, tcpi_probes }%
+.6 > . 1000:1000(0) ack 1
+0 %{ assert tcpi_probes == 2 and tcpi_backoff == 2, tcpi_backoff }%
+.1 < . 1:1(0) ack 1001 win 257
+0 > P. 1001:2001(1000) ack 1
+0 %{ assert tcpi_probes == 0 and tcpi_backoff == 0 and tcpi_unacked == 1, tcpi_probes }%
",
    );
}

#[test]
fn freebsd_tells_positions() {
    holds_in(
        Profile::FreeBsd,
        &format!(
            "{PASSIVE}{}",
            "
+0 %{ una = tcpi_snd_una }%
+0 %{ nxt = tcpi_rcv_nxt }%
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0 < P. 1:101(100) ack 1 win 257
* > . 1001:1001(0) ack 101
+0 %{
assert tcpi_snd_una == una
assert tcpi_snd_nxt == una + 1000 and tcpi_snd_max == tcpi_snd_nxt
assert tcpi_rcv_nxt == nxt + 100
assert tcpi_rcv_adv == tcpi_rcv_nxt + tcpi_rcv_space
assert tcpi_rcv_numsacks == 0
}%
+0 < P. 201:301(100) ack 1 win 257
* > . 1001:1001(0) ack 101 <...>
+0 %{ assert tcpi_rcv_numsacks == 1 and tcpi_rcv_ooopack == 1, tcpi_rcv_numsacks }%
"
        ),
    );
}

#[test]
fn a_listener_tells_of_its_accept_queue() {
    let text = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 5) = 0
+0 %{ assert tcpi_state == TCP_LISTEN and tcpi_unacked == 0 and tcpi_sacked == 5, tcpi_sacked }%
";
    holds_in(Profile::Linux, text);
}
