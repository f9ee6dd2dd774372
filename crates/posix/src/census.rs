//! How many connections are in a state, as `sockstat` and `ss` count them.

use bowline_base::Instant;
use bowline_tcp::State;

use crate::host::Host;

/// A state by the name that RFC 9293 or either system has for it: `SYN-RECEIVED`, `SYN_RCVD`, `SYN_RECV`.
#[must_use]
pub fn state_named(name: &str) -> Option<State> {
    Some(match name.replace('-', "_").as_str() {
        "LISTEN" => State::Listen,
        "SYN_SENT" => State::SynSent,
        "SYN_RCVD" | "SYN_RECEIVED" | "SYN_RECV" => State::SynReceived,
        "ESTABLISHED" => State::Established,
        "CLOSE_WAIT" => State::CloseWait,
        "FIN_WAIT_1" => State::FinWait1,
        "FIN_WAIT_2" => State::FinWait2,
        "CLOSING" => State::Closing,
        "LAST_ACK" => State::LastAck,
        "TIME_WAIT" => State::TimeWait,
        _ => return None,
    })
}

impl Host {
    /// How many connections are in this state; in LISTEN, how many listeners there are. `is_v4`: of that version of IP only.
    #[must_use]
    pub fn count_in(&self, now: Instant, state: State, is_v4: Option<bool>) -> usize {
        let tcp = self.stack.tcp();
        if state == State::Listen {
            return tcp.listeners(now).len();
        }
        let connections = tcp.connections(now);
        let is_meant = |info: &&bowline_tcp::Info| {
            info.state == state && is_v4.is_none_or(|is_v4| info.tuple.local.is_ipv4() == is_v4)
        };
        connections.iter().filter(is_meant).count()
    }
}
