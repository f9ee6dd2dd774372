//! One socket as plain values: what a live instance sends to `bowline ss`, and what `--json` prints.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bowline_tcp::KeyName;
use bowline_tcp::info::{Info, ListenerInfo};
use bowline_tcp::reason::TimerKind;
use bowline_tcp::state::State;
use serde::{Deserialize, Serialize};

mod detail;

pub use detail::{Detail, PathModel};

/// A connection or a listener.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The state with `ss`'s name: `ESTAB`, `SYN-RECV`, `LISTEN`.
    pub state: String,
    /// Bytes received and not read; of a listener, connections to accept.
    pub recv_q: u64,
    /// Bytes written and not acknowledged; of a listener, the backlog.
    pub send_q: u64,
    /// Our address; unspecified for any.
    pub local: SocketAddr,
    /// The peer's address; unspecified, with port 0, for any.
    pub peer: SocketAddr,
    /// Whether `local` stands for every address of both families, and port 0 for every port.
    #[serde(default, skip_serializing_if = "is_false")]
    pub any: bool,
    /// The timer that fires next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Timer>,
    /// Half-open connections of a listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_queue: Option<u64>,
    /// Whether a listener answers with SYN cookies.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cookies: bool,
    /// Peers with whom an MD5 key is shared, as networks; of a connection, its own. The keys are nobody's business.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub md5keys: Vec<String>,
    /// The same for TCP-AO, with SendID and RecvID, and which of them a connection uses: `10.0.0.2/32#61/84[current,rnext]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aokeys: Vec<String>,
    /// What `ss -i` shows; absent for listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<Detail>>,
}

/// A timer as `ss -o` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timer {
    /// `on`, `keepalive`, `timewait` or `persist`.
    pub name: String,
    /// Until it fires, in milliseconds.
    pub expires_ms: u64,
    /// How often it fired in a row.
    pub retrans: u8,
}

impl Row {
    /// A connection, half-open ones and those in TIME-WAIT included.
    #[must_use]
    pub fn connection(info: &Info) -> Self {
        Self {
            state: ss_name(info.state).to_owned(),
            recv_q: info.recv_queue,
            send_q: info.send_queue,
            local: info.tuple.local,
            peer: info.tuple.remote,
            any: false,
            timer: info.timer.and_then(|(kind, left, count)| Timer::new(kind, left, count)),
            syn_queue: None,
            cookies: false,
            md5keys: md5keys(&info.keys),
            aokeys: aokeys(&info.keys),
            info: Some(Box::new(detail::detail(info))),
        }
    }

    /// A listener.
    #[must_use]
    pub fn listener(info: &ListenerInfo) -> Self {
        let address = info.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let anybody = match address {
            IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self {
            state: ss_name(State::Listen).to_owned(),
            recv_q: info.accept_queue as u64,
            send_q: info.backlog as u64,
            local: SocketAddr::new(address, info.port.unwrap_or(0)),
            peer: SocketAddr::new(anybody, 0),
            any: info.address.is_none(),
            timer: None,
            syn_queue: Some(info.syn_queue as u64),
            cookies: info.cookies,
            md5keys: md5keys(&info.keys),
            aokeys: aokeys(&info.keys),
            info: None,
        }
    }

    /// The rows of a JSON array, as another instance printed them.
    ///
    /// # Errors
    /// The text is not such an array.
    pub fn parse_all(json: &str) -> serde_json::Result<Vec<Self>> {
        serde_json::from_str(json)
    }

    /// Rows as a JSON array.
    ///
    /// # Errors
    /// Never for rows that this crate made: their maps have string keys.
    pub fn print_all(rows: &[&Self]) -> serde_json::Result<String> {
        serde_json::to_string_pretty(rows)
    }
}

/// For whom there are MD5 keys.
fn md5keys(keys: &[KeyName]) -> Vec<String> {
    let name = |key: &KeyName| match key {
        KeyName::Md5(peers) => Some(peers.to_string()),
        KeyName::Ao { .. } => None,
    };
    keys.iter().filter_map(name).collect()
}

/// For whom there are keys for TCP-AO, and which.
fn aokeys(keys: &[KeyName]) -> Vec<String> {
    let name = |key: &KeyName| match *key {
        KeyName::Md5(_) => None,
        KeyName::Ao { peers, send_id, recv_id, is_current, is_next } => {
            let uses = match (is_current, is_next) {
                (true, true) => "[current,rnext]",
                (true, false) => "[current]",
                (false, true) => "[rnext]",
                (false, false) => "",
            };
            Some(format!("{peers}#{send_id}/{recv_id}{uses}"))
        }
    };
    keys.iter().filter_map(name).collect()
}

impl Timer {
    /// `None` for the timers of which `ss` does not tell.
    fn new(kind: TimerKind, left: Duration, retrans: u8) -> Option<Self> {
        let name = match kind {
            // As Linux shows its one timer of retransmission, probe and reordering.
            TimerKind::Retransmit | TimerKind::TailLossProbe | TimerKind::Reordering => "on",
            TimerKind::Pacing | TimerKind::User => "on",
            TimerKind::Persist => "persist",
            TimerKind::Keepalive => "keepalive",
            // Linux keeps an orphan's FIN-WAIT-2 in the same table as TIME-WAIT.
            TimerKind::FinWait2 | TimerKind::TimeWait => "timewait",
            TimerKind::DelayedAck | TimerKind::Cork => return None,
        };
        Some(Self { name: name.to_owned(), expires_ms: millis(left), retrans })
    }
}

/// The state's name in the tables of `ss`.
#[must_use]
pub const fn ss_name(state: State) -> &'static str {
    match state {
        State::Closed => "UNCONN",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECV",
        State::Established => "ESTAB",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}
