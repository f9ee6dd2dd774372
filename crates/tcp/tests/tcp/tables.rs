//! State × event (RFC 9293 3.10.7): what each kind of segment does in each state. A row is a segment, a column a state.

use bowline_tcp::State;

use crate::bench::peer::{Peer, opened};

/// The columns: states, with what each side will send next and what is acknowledged.
const COLUMNS: [(State, Numbers); 9] = [
    (State::SynSent, Numbers { theirs: 0, ours: 1, una: 0 }),
    (State::SynReceived, Numbers { theirs: 1, ours: 1, una: 0 }),
    (State::Established, Numbers { theirs: 1, ours: 1, una: 1 }),
    (State::FinWait1, Numbers { theirs: 1, ours: 2, una: 1 }),
    (State::FinWait2, Numbers { theirs: 1, ours: 2, una: 2 }),
    (State::CloseWait, Numbers { theirs: 2, ours: 1, una: 1 }),
    (State::Closing, Numbers { theirs: 2, ours: 2, una: 1 }),
    (State::LastAck, Numbers { theirs: 2, ours: 2, una: 1 }),
    (State::TimeWait, Numbers { theirs: 2, ours: 2, una: 2 }),
];

#[derive(Clone, Copy)]
struct Numbers {
    /// RCV.NXT.
    theirs: u32,
    /// SND.NXT.
    ours: u32,
    /// SND.UNA.
    una: u32,
}

/// A segment: its flags, its number beside RCV.NXT, what it acknowledges (nothing, or a number beside SND.NXT or
/// SND.UNA), and its length.
type Segment = (&'static str, i64, Ack, u32);

#[derive(Clone, Copy, PartialEq)]
enum Ack {
    None,
    /// Beside SND.NXT.
    Next(i64),
    /// Beside SND.UNA.
    Una(i64),
}
use Ack::{Next, None as NoAck, Una};

/// The cells. `.`: nothing is sent, nothing changes. `ack`: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, nothing changes.
/// `rst`: <SEQ=SEG.ACK><CTL=RST>. `ack>STATE`, `>STATE`: it changes, with an ACK of all that came or without one.
/// A connection that is over counts as CLOSED, whether or not its listener goes on.
#[rustfmt::skip]
const TABLE: &[(Segment, [&str; 9])] = &[
    //                                    SYN-SENT         SYN-RECEIVED        ESTABLISHED       FIN-WAIT-1     FIN-WAIT-2       CLOSE-WAIT   CLOSING        LAST-ACK    TIME-WAIT
    // SYN: of a simultaneous open, in the window, before it, beyond it. RFC 5961 4.2; RFC 6191 in TIME-WAIT.
    (("SYN", 0, NoAck, 0),                ["syn>SYN-RECEIVED", "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "syn>SYN-RECEIVED"]),
    (("SYN", 100, NoAck, 0),              ["syn>SYN-RECEIVED", "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "syn>SYN-RECEIVED"]),
    (("SYN", -500, NoAck, 0),             ["syn>SYN-RECEIVED", "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("SYN", 200_000, NoAck, 0),          ["syn>SYN-RECEIVED", "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "syn>SYN-RECEIVED"]),
    // SYN,ACK.
    (("SYN,ACK", 0, Next(0), 0),          ["ack>ESTABLISHED",  "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("SYN,ACK", 100, Next(0), 0),        ["ack>ESTABLISHED",  "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("SYN,ACK", 0, Next(7), 0),          ["rst",              "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("SYN,ACK", -500, Next(0), 0),       ["ack>ESTABLISHED",  "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    // RST: exact, in the window, outside of it. RFC 5961 3.2; RFC 1337 in TIME-WAIT; 3.10.7.3 in SYN-SENT.
    (("RST", 0, NoAck, 0),                [".",                ">CLOSED",       ">CLOSED",        ">CLOSED",     ">CLOSED",       ">CLOSED",   ">CLOSED",     ">CLOSED",  "."]),
    (("RST,ACK", 0, Next(0), 0),          [">CLOSED",          ">CLOSED",       ">CLOSED",        ">CLOSED",     ">CLOSED",       ">CLOSED",   ">CLOSED",     ">CLOSED",  "."]),
    (("RST,ACK", 0, Next(9), 0),          [".",                ">CLOSED",       ">CLOSED",        ">CLOSED",     ">CLOSED",       ">CLOSED",   ">CLOSED",     ">CLOSED",  "."]),
    (("RST", 1, NoAck, 0),                [".",                "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "."]),
    (("RST", 60_000, NoAck, 0),           [".",                "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "."]),
    (("RST", -1, NoAck, 0),               [".",                ".",             ".",              ".",           ".",             ".",         ".",           ".",        "."]),
    (("RST", 200_000, NoAck, 0),          [".",                ".",             ".",              ".",           ".",             ".",         ".",           ".",        "."]),
    // ACK: of all that we sent, of nothing new, of what was never sent, of what is long gone (RFC 5961 5.2).
    (("ACK", 0, Next(0), 0),              [".",                ">ESTABLISHED",  ".",              ">FIN-WAIT-2", ".",             ".",         ">TIME-WAIT",  ">CLOSED",  "."]),
    (("ACK", 0, Una(0), 0),               ["rst",              "rst",           ".",              ".",           ".",             ".",         ".",           ".",        "."]),
    (("ACK", 0, Next(1), 0),              ["rst",              "rst",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "."]),
    (("ACK", 0, Una(-200_000), 0),        ["rst",              "rst",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "."]),
    (("ACK", -1, Next(0), 0),             [".",                "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("ACK", 200_000, Next(0), 0),        [".",                "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    // Text: next in order, beyond a hole, received before, beyond the window, with a bad ACK, without any.
    (("ACK", 0, Una(0), 10),              ["rst",              "rst",           "ack>ESTABLISHED", "ack>FIN-WAIT-1", "ack>FIN-WAIT-2", ".",    ".",           ".",        "ack"]),
    (("ACK", 50, Una(0), 10),             ["rst",              "rst",           "ack",            "ack",         "ack",           ".",         ".",           ".",        "ack"]),
    (("ACK", -10, Una(0), 10),            ["rst",              "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("ACK", 200_000, Una(0), 10),        ["rst",              "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("ACK", 0, Next(1), 10),             ["rst",              "rst",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
    (("-", 0, NoAck, 10),                 [".",                ".",             ".",              ".",           ".",             ".",         ".",           ".",        "."]),
    // FIN: next in order, beyond a hole, without an ACK, with the ACK of ours, once more.
    (("FIN,ACK", 0, Una(0), 0),           ["rst",              "rst",           "ack>CLOSE-WAIT", "ack>CLOSING", "ack>TIME-WAIT", ".",         ".",           ".",        "ack"]),
    (("FIN,ACK", 0, Next(0), 0),          [".",                "ack>CLOSE-WAIT", "ack>CLOSE-WAIT", "ack>TIME-WAIT", "ack>TIME-WAIT", ".",       ">TIME-WAIT",  ">CLOSED",  "ack"]),
    (("FIN,ACK", 0, Next(0), 5),          [".",                "ack>CLOSE-WAIT", "ack>CLOSE-WAIT", "ack>TIME-WAIT", "ack>TIME-WAIT", ".",       ">TIME-WAIT",  ">CLOSED",  "ack"]),
    (("FIN,ACK", 50, Una(0), 0),          ["rst",              "rst",           "ack",            "ack",         "ack",           ".",         ".",           ".",        "ack"]),
    (("FIN", 0, NoAck, 0),                [".",                ".",             ".",              ".",           ".",             ".",         ".",           ".",        "."]),
    (("FIN,ACK", -1, Una(0), 0),          ["rst",              "ack",           "ack",            "ack",         "ack",           "ack",       "ack",         "ack",      "ack"]),
];

/// Brings a connection into the state, sends it the segment, and compares with the cell.
fn check(column: usize, segment: &Segment, cell: &str) -> Result<(), String> {
    let (state, numbers) = COLUMNS[column];
    let (flags, offset, ack, len) = *segment;
    let (mut p, _) = opened(state);
    let at = |base: u32, offset: i64| i64::from(base).wrapping_add(offset) as u32;
    let seq = at(numbers.theirs, offset);
    let ack_number = match ack {
        NoAck => None,
        Next(n) => Some(at(numbers.ours, n)),
        Una(n) => Some(at(numbers.una, n)),
    };
    let ack_text = ack_number.map_or(String::new(), |ack| format!(" ack={ack}"));
    p.inject(&format!("{flags} seq={seq}{ack_text} len={len}"));

    let (reply, after) = cell.split_once('>').unwrap_or((cell, ""));
    let after = if after.is_empty() { state.name() } else { after };
    compare_reply(&mut p, reply, cell, numbers, seq, segment, ack_number)?;
    let now = match p.state() {
        State::Listen => State::Closed, // the connection is over, its listener is not
        now => now,
    };
    if now.name() != after { Err(format!("the state is {now}")) } else { Ok(()) }
}

#[allow(clippy::too_many_arguments, reason = "what a row of a table has")]
fn compare_reply(
    p: &mut Peer,
    reply: &str,
    cell: &str,
    numbers: Numbers,
    seq: u32,
    segment: &Segment,
    ack: Option<u32>,
) -> Result<(), String> {
    let (flags, _, _, len) = *segment;
    if matches!(reply, "." | "") {
        return if p.has_sent() { Err(format!("it sends {:?}", p.next_sent().header)) } else { Ok(()) };
    }
    if !p.has_sent() {
        return Err("it sends nothing".into());
    }
    let sent = p.next_sent().header;
    let next = sent.seq.0.wrapping_sub(p.our_isn());
    let acked = sent.ack.0.wrapping_sub(crate::bench::peer::PEER_ISN);
    // What was accepted is acknowledged; what was not leaves RCV.NXT where it was.
    let control = u32::from(flags.contains("FIN")) + u32::from(flags.contains("SYN"));
    let all = seq.wrapping_add(len + control);
    let expected_ack = if cell.contains('>') { all } else { numbers.theirs };
    let wanted = match reply {
        "ack" => ("ACK", numbers.ours, expected_ack),
        "syn" => ("SYN,ACK", 0, all),
        "rst" => ("RST", ack.unwrap_or(0), 0u32.wrapping_sub(crate::bench::peer::PEER_ISN)),
        other => return Err(format!("{other:?} is no cell")),
    };
    let got_flags = (sent.flags - bowline_wire::tcp::TcpFlags::PSH).to_string();
    if (got_flags.as_str(), next, acked) != wanted {
        return Err(format!("it sends {got_flags} seq={next} ack={acked} and not {wanted:?}"));
    }
    if p.has_sent() { Err(format!("it also sends {:?}", p.next_sent().header)) } else { Ok(()) }
}

#[test]
fn every_segment_in_every_state() {
    // RFC 5961 3.2, RFC5961-3.2-1, RFC5961-3.2-2, RFC5961-3.2-3; 4.2, RFC5961-4.2-1; 5.2, RFC5961-5.2-1; RFC 9293 3.10.7.4,
    // MAY-12.
    let mut wrong = Vec::new();
    for (segment, cells) in TABLE {
        for (column, cell) in cells.iter().enumerate() {
            if let Err(what) = check(column, segment, cell) {
                let (flags, offset, ..) = segment;
                let state = COLUMNS[column].0;
                let len = segment.3;
                wrong.push(format!("{state:<13} {flags} at RCV.NXT{offset:+} LEN={len}, {cell:?}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The states that have no connection: CLOSED, LISTEN, and SYN-RECEIVED of a half-open one. Each segment with the reply
/// in them; a reply is a line of a script.
#[rustfmt::skip]
const WITHOUT_CONNECTION: &[(&str, [&str; 3])] = &[
    //                            CLOSED                        LISTEN                      SYN-RECEIVED
    ("SYN seq=0",               ["RST,ACK abs seq=0 ack=4294967276", "SYN,ACK seq=0 ack=1", "SYN,ACK seq=0 ack=1"]),
    ("SYN seq=0 len=9",         ["RST,ACK abs seq=0 ack=4294967285", "SYN,ACK seq=0 ack=1", "SYN,ACK seq=0 ack=1"]),
    ("SYN,ACK seq=0 ack=9",     ["RST seq=9",                   "RST seq=9",                "ACK seq=1 ack=1"]),
    ("SYN seq=7",               ["RST,ACK abs seq=0 ack=4294967283", "SYN,ACK seq=0 ack=8", "ACK seq=1 ack=1"]),
    ("ACK seq=1 ack=9",         ["RST seq=9",                   "RST seq=9",                "RST seq=9"]),
    ("ACK seq=1 ack=1 len=5",   ["RST seq=1",                   "RST seq=1",                "ACK seq=1 ack=6"]),
    ("FIN,ACK seq=1 ack=1",     ["RST seq=1",                   "RST seq=1",                "ACK seq=1 ack=2"]),
    ("FIN seq=1",               ["RST,ACK abs seq=0 ack=4294967277", ".",                   "."]),
    ("- seq=1 len=5",           ["RST,ACK abs seq=0 ack=4294967281", ".",                   "."]),
    ("RST seq=1",               [".",                           ".",                        "."]),
    ("RST,ACK seq=1 ack=1",     [".",                           ".",                        "."]),
    ("RST seq=500",             [".",                           ".",                        "ACK seq=1 ack=1"]),
    ("RST,SYN seq=0",           [".",                           ".",                        "."]),
];

#[test]
fn every_segment_where_there_is_no_connection() {
    for (segment, replies) in WITHOUT_CONNECTION {
        for (column, reply) in replies.iter().enumerate() {
            let mut p = Peer::plain();
            if column > 0 {
                p.listen(5);
            }
            if column == 2 {
                p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
            }
            let reply = if *reply == "." { ".".into() } else { format!("> {reply}") };
            p.run(&format!("< {segment}\n{reply}"));
        }
    }
}
