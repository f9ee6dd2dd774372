//! The summary at the end: connections, bytes, retransmissions, resets, the worst round-trip time, drops by reason.
//!
//! It has two sources, and a caller uses one for each number: the final [`Info`] of each connection (cheap, and enough
//! for most), or the record stream, which also knows why segments were dropped.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use bowline_tcp::info::Info;
use bowline_tcp::state::{Cause, State};
use bowline_tcp::trace::{Record, Trace};
use bowline_tcp::{ConnectionError, Counters, FourTuple};
use bowline_wire::tcp::{TcpFlags, TcpHeader};
use serde::{Deserialize, Serialize};

use crate::wire_count::WireCount;
use crate::words;

/// What happened, in numbers. Bytes are payload.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Connections that were opened, by either side.
    pub connections: u64,
    /// Opens that failed.
    pub failed: u64,
    /// Payload bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Wire segments sent.
    pub segments_sent: u64,
    /// Wire segments received.
    pub segments_received: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// RSTs sent.
    pub resets_sent: u64,
    /// Connections that the peer reset.
    pub resets_received: u64,
    /// Connections that timed out.
    pub timeouts: u64,
    /// The largest round-trip time of any connection, in microseconds; from records, the largest smoothed one.
    pub worst_rtt: Option<u64>,
    /// The most that waited for a slow reader at once, in bytes, where it was all that may wait over all connections.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub queues_full: Option<u64>,
    /// Segments dropped, by reason.
    pub drops: BTreeMap<String, u64>,
    /// The segment sizes of open connections, to count wire segments in records.
    #[serde(skip)]
    sizes: Sizes,
}

/// It says nothing about what happened, and so takes no part in comparisons.
#[derive(Clone, Debug, Default)]
struct Sizes(HashMap<FourTuple, WireCount>);

impl PartialEq for Sizes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sizes {}

/// Connections whose segment size is remembered; the super-segments of others count as one each.
const SIZES: usize = 65_536;

impl Summary {
    /// Takes one record in.
    pub fn push(&mut self, record: &Record) {
        match &record.what {
            Trace::State { from, to, cause } => {
                self.on_state(*from, *to, *cause);
                if *to == State::Closed {
                    self.sizes.0.remove(&record.tuple);
                }
            }
            Trace::Sent { header, len, again, .. } => {
                let count = self.count(record, header, *len);
                self.segments_sent += count;
                self.bytes_sent += u64::from(*len);
                self.retransmissions += if *again { count } else { 0 };
                self.resets_sent += u64::from(header.flags.contains(TcpFlags::RST));
            }
            Trace::Received { header, len, dropped, .. } => {
                self.segments_received += self.count(record, header, *len);
                match dropped {
                    Some(why) => *self.drops.entry(words::drop_reason(*why).to_owned()).or_default() += 1,
                    None => self.bytes_received += u64::from(*len),
                }
            }
            Trace::Congestion { srtt: Some(srtt), .. } => self.on_rtt(*srtt),
            Trace::Ended(ConnectionError::TimedOut) => self.timeouts += 1,
            _ => {}
        }
    }

    /// Adds what a connection was when it ended, and how it did.
    pub fn add_connection(&mut self, info: &Info, error: Option<ConnectionError>) {
        self.connections += 1;
        self.bytes_sent += info.bytes_sent;
        self.bytes_received += info.bytes_received;
        self.segments_sent += info.segs_out;
        self.segments_received += info.segs_in;
        self.retransmissions += info.total_retrans;
        match error {
            Some(ConnectionError::Reset) => self.resets_received += 1,
            Some(ConnectionError::TimedOut) => self.timeouts += 1,
            _ => {}
        }
        if let Some(rtt) = info.max_rtt.or(info.srtt) {
            self.on_rtt(rtt);
        }
    }

    /// Adds what only the stack's counters know: failed opens, RSTs sent, and drops where no record told of them.
    pub fn add_counters(&mut self, counters: &Counters) {
        self.failed += counters.attempt_fails;
        self.resets_sent += counters.out_rsts;
        let drops = [
            ("wrong checksum", counters.in_csum_errors),
            ("outside the window", counters.out_of_window),
            ("old timestamp (PAWS)", counters.paws_estab),
            ("acknowledges what was not sent", counters.bad_acks),
            ("accept queue full", counters.listen_overflows),
            ("not a valid SYN cookie", counters.syncookies_failed),
            ("receive memory full", counters.ofo_drop),
            ("RST outside the window", counters.resets_ignored),
        ];
        for (why, count) in drops.into_iter().filter(|(_, count)| *count > 0) {
            *self.drops.entry(why.to_owned()).or_default() += count;
        }
    }

    /// All segments dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.values().sum()
    }

    fn on_state(&mut self, from: State, to: State, cause: Cause) {
        let was_open = from.is_synchronized() && from != State::TimeWait;
        self.connections += u64::from(!from.is_synchronized() && to.is_synchronized());
        self.failed += u64::from(matches!(from, State::SynSent | State::SynReceived) && to == State::Closed);
        self.resets_received += u64::from(was_open && cause == Cause::Reset);
    }

    /// The wire segments of one that a record tells of.
    fn count(&mut self, record: &Record, header: &TcpHeader, len: u32) -> u64 {
        let sizes = &mut self.sizes.0;
        if record.id != 0 && header.flags.contains(TcpFlags::SYN) && sizes.len() < SIZES {
            sizes.entry(record.tuple).or_default().observe(header);
        }
        sizes.get(&record.tuple).map_or(1, |size| u64::from(size.count(header, len)))
    }

    fn on_rtt(&mut self, rtt: Duration) {
        let micros = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        self.worst_rtt = self.worst_rtt.max(Some(micros));
    }
}

impl fmt::Display for Summary {
    /// A few lines, without a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", words::counted(self.connections, "connection"))?;
        if self.failed > 0 {
            write!(f, ", {} failed", words::thousands(self.failed))?;
        }
        let (out, into) = (words::bytes(self.bytes_sent), words::bytes(self.bytes_received));
        write!(f, "; sent {out} in {}", words::counted(self.segments_sent, "segment"))?;
        write!(f, ", received {into} in {}", words::counted(self.segments_received, "segment"))?;
        write!(f, "\n{}", words::counted(self.retransmissions, "retransmission"))?;
        if self.segments_sent > 0 {
            write!(f, " ({:.2} %)", self.retransmissions as f64 * 100.0 / self.segments_sent as f64)?;
        }
        write!(f, ", {} sent and {} received", words::counted(self.resets_sent, "reset"), self.resets_received)?;
        write!(f, ", {}", words::counted(self.timeouts, "time-out"))?;
        match self.worst_rtt {
            Some(rtt) => write!(f, ", worst RTT {}.{:03} ms", rtt / 1000, rtt % 1000)?,
            None => f.write_str(", no RTT measured")?,
        }
        if !self.drops.is_empty() {
            let reasons: Vec<_> = self.drops.iter().map(|(why, n)| format!("{} {why}", words::thousands(*n))).collect();
            write!(f, "\n{} dropped: {}", words::counted(self.dropped(), "segment"), reasons.join(", "))?;
        }
        if let Some(most) = self.queues_full {
            let most = words::bytes(most);
            write!(f, "\n{most} waited for slow readers, which is all that may: others got little ahead")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
