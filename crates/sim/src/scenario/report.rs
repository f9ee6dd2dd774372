//! What came of a scenario, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What came of a scenario. Times are in seconds, rates in bits per second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How long it took in the world.
    pub seconds: f64,
    /// Each flow.
    pub flows: Vec<FlowReport>,
    /// Each direction of each link.
    pub links: Vec<LinkReport>,
    /// The goodput of all flows together: bytes that applications got, from the first start to the last end.
    pub goodput: f64,
    /// Jain's index over the goodput of the bulk flows, 1 for equal shares; `None` where there is none.
    pub fairness: Option<f64>,
    /// Retransmitted bytes of all senders, as a share of those they sent.
    pub retransmitted: f64,
}

/// What came of a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowReport {
    /// Its name.
    pub name: String,
    /// What it did: `bulk`, `requests`, `on-off`, `idle`.
    pub kind: &'static str,
    /// When it began.
    pub start: f64,
    /// How long it took, or ran; `None` where it never began.
    pub seconds: Option<f64>,
    /// Whether it was done.
    pub done: bool,
    /// Why it ended early, if it did.
    pub error: Option<String>,
    /// Bytes that the application at the other end (of requests: this end) got.
    pub bytes: u64,
    /// Those by time.
    pub goodput: f64,
    /// Bytes the sender sent again.
    pub retransmitted_bytes: u64,
    /// Segments the sender sent again.
    pub retransmitted_segments: u64,
    /// Retransmission time-outs.
    pub timeouts: u64,
    /// The smallest and the smoothed round-trip time of the sender.
    pub rtt: Option<(f64, f64)>,
    /// Requests: how many, and how long the median, the 99th percentile and the slowest took.
    pub answers: Option<Answers>,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answers {
    /// How many were answered.
    pub count: u64,
    /// Half took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// None took longer.
    pub max: f64,
}

/// What happened in one direction of a link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkReport {
    /// `FROM → TO`.
    pub name: String,
    /// Packets that entered.
    pub packets: u64,
    /// Bytes that came out.
    pub bytes: u64,
    /// Those by time, as a share of the rate; `None` without a rate.
    pub utilization: Option<f64>,
    /// Packets that queue and policer dropped.
    pub dropped: u64,
    /// Packets that the wire lost.
    pub lost: u64,
    /// Packets that the queue marked.
    pub marked: u64,
    /// How long packets waited: the mean and the 99th percentile.
    pub wait: (f64, f64),
}

/// Jain's fairness index of these shares; `None` if nobody got anything.
#[must_use]
pub fn jain(shares: &[f64]) -> Option<f64> {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:.3} s in the world, seed {}\n", self.seconds, self.seed)?;
        let columns = ["flow", "goodput", "time", "retrans", "timeouts", "RTT min/smoothed", "answers p50/p99"];
        let flows = self.flows.iter().map(FlowReport::cells);
        table(f, &columns, flows)?;
        writeln!(f)?;
        let columns = ["link", "packets", "used", "dropped", "lost", "marked", "wait mean/p99"];
        table(f, &columns, self.links.iter().map(LinkReport::cells))?;
        write!(f, "\ntogether {}", rate(self.goodput))?;
        if let Some(fairness) = self.fairness.filter(|_| self.flows.len() > 1) {
            write!(f, ", fairness {fairness:.3}")?;
        }
        writeln!(f, ", {} of all bytes sent again", share(self.retransmitted))
    }
}

impl FlowReport {
    fn cells(&self) -> Vec<String> {
        let time = match (&self.error, self.seconds, self.done) {
            (Some(error), ..) => error.clone(),
            (None, Some(seconds), true) => format!("{seconds:.3} s"),
            (None, Some(_), false) => "to the end".to_owned(),
            (None, None, _) => "never began".to_owned(),
        };
        let rtt = self.rtt.map_or_else(|| "-".to_owned(), |(min, smoothed)| format!("{}/{}", ms(min), ms(smoothed)));
        let answers = self.answers.map_or_else(|| "-".to_owned(), |a| format!("{}/{}", ms(a.p50), ms(a.p99)));
        let sent_again = format!("{}", self.retransmitted_segments);
        vec![self.name.clone(), rate(self.goodput), time, sent_again, self.timeouts.to_string(), rtt, answers]
    }
}

impl LinkReport {
    fn cells(&self) -> Vec<String> {
        let used = self.utilization.map_or_else(|| "-".to_owned(), share);
        let numbers = [self.dropped, self.lost, self.marked].map(|number| number.to_string());
        let [dropped, lost, marked] = numbers;
        let wait = format!("{}/{}", ms(self.wait.0), ms(self.wait.1));
        vec![self.name.clone(), self.packets.to_string(), used, dropped, lost, marked, wait]
    }
}

/// The first column to the left, the others to the right.
fn table(f: &mut fmt::Formatter<'_>, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> fmt::Result {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(f, "{cell:<width$}")?;
            } else {
                write!(f, "  {cell:>width$}")?;
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn rate(bits: f64) -> String {
    let units = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
    let unit = units.iter().find(|(factor, _)| bits >= *factor);
    unit.map_or_else(|| format!("{bits:.0} bit/s"), |(factor, name)| format!("{:.2} {name}", bits / factor))
}

fn ms(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

fn share(of_one: f64) -> String {
    format!("{:.2} %", of_one * 100.0)
}

/// A duration in seconds, for reports.
pub(super) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
