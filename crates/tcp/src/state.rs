//! The states and the one table of transitions (RFC 9293 3.3.2, figure 5).
//!
//! Nothing else in the crate decides what state follows: the connection looks its next state up here by what happened.
//! The state diagram in the documentation is drawn from this table.

use core::fmt;

/// A connection's state (RFC 9293 3.3.2). CLOSED is the absence of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a connection request from any peer.
    Listen,
    /// Sent a SYN, waiting for the peer's.
    SynSent,
    /// Sent and received a SYN, waiting for the acknowledgement of ours.
    SynReceived,
    /// Open: data flows both ways.
    Established,
    /// We closed; our FIN is not acknowledged yet.
    FinWait1,
    /// Our FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer closed; we may still send.
    CloseWait,
    /// Both closed at once; our FIN is not acknowledged yet.
    Closing,
    /// The peer closed, then we did; our FIN is not acknowledged yet.
    LastAck,
    /// Both closed; old segments are left time to die.
    TimeWait,
}

/// Every state, in the order of RFC 9293 3.3.2.
pub const STATES: [State; 11] = [
    State::Listen,
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
    State::Closed,
];

/// What moves a connection from one state to the next: the labels of figure 5's arrows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// The user opened passively.
    PassiveOpen,
    /// The user opened actively, or sent on a passive open.
    ActiveOpen,
    /// A SYN without an acceptable ACK arrived.
    Syn,
    /// A SYN arrived with the acknowledgement of our SYN.
    SynAck,
    /// Our SYN was acknowledged.
    AckOfSyn,
    /// The peer's FIN arrived.
    Fin,
    /// Our FIN was acknowledged.
    AckOfFin,
    /// The peer's FIN arrived together with the acknowledgement of ours.
    FinAndAckOfFin,
    /// The user closed.
    Close,
    /// The user aborted.
    Abort,
    /// An acceptable RST arrived on a connection that was opened actively, or that was established.
    Reset,
    /// An acceptable RST arrived in SYN-RECEIVED after a passive open.
    ResetPassive,
    /// A retransmission, user, keepalive, FIN-WAIT-2 or 2MSL timer ended the connection, or ICMP did.
    Timeout,
}

/// An arrow of the state diagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// What happened.
    pub cause: Cause,
    /// The state after.
    pub to: State,
}

macro_rules! transitions {
    ($($from:ident, $cause:ident => $to:ident;)*) => {
        /// Every arrow there is: those of RFC 9293 figure 5, and those that end a connection early.
        pub const TRANSITIONS: &[Transition] =
            &[$(Transition { from: State::$from, cause: Cause::$cause, to: State::$to }),*];

        /// The state after `cause` in `from`; `None` where the table has no such arrow.
        #[must_use]
        pub const fn next(from: State, cause: Cause) -> Option<State> {
            match (from, cause) {
                $((State::$from, Cause::$cause) => Some(State::$to),)*
                _ => None,
            }
        }
    };
}

transitions! {
    Closed, PassiveOpen => Listen;
    Closed, ActiveOpen => SynSent;
    Listen, ActiveOpen => SynSent;
    Listen, Syn => SynReceived;
    Listen, Close => Closed;
    Listen, Abort => Closed;
    SynSent, Syn => SynReceived;
    SynSent, SynAck => Established;
    SynSent, Close => Closed;
    SynSent, Abort => Closed;
    SynSent, Reset => Closed;
    SynSent, Timeout => Closed;
    SynReceived, AckOfSyn => Established;
    SynReceived, Close => FinWait1;
    SynReceived, ResetPassive => Listen;
    SynReceived, Reset => Closed;
    SynReceived, Abort => Closed;
    SynReceived, Timeout => Closed;
    Established, Close => FinWait1;
    Established, Fin => CloseWait;
    Established, Reset => Closed;
    Established, Abort => Closed;
    Established, Timeout => Closed;
    FinWait1, AckOfFin => FinWait2;
    FinWait1, Fin => Closing;
    FinWait1, FinAndAckOfFin => TimeWait;
    FinWait1, Reset => Closed;
    FinWait1, Abort => Closed;
    FinWait1, Timeout => Closed;
    FinWait2, Fin => TimeWait;
    FinWait2, Reset => Closed;
    FinWait2, Abort => Closed;
    FinWait2, Timeout => Closed;
    CloseWait, Close => LastAck;
    CloseWait, Reset => Closed;
    CloseWait, Abort => Closed;
    CloseWait, Timeout => Closed;
    Closing, AckOfFin => TimeWait;
    Closing, Reset => Closed;
    Closing, Abort => Closed;
    Closing, Timeout => Closed;
    LastAck, AckOfFin => Closed;
    LastAck, Reset => Closed;
    LastAck, Abort => Closed;
    LastAck, Timeout => Closed;
    TimeWait, Timeout => Closed;
    TimeWait, Reset => Closed;
    TimeWait, Abort => Closed;
    TimeWait, Syn => SynReceived;
}

impl State {
    /// The state after something happened to what has no control block: a listener, a half-open connection, TIME-WAIT.
    pub(crate) fn after(self, cause: Cause) -> Self {
        let to = next(self, cause);
        debug_assert!(to.is_some(), "no arrow {cause:?} from {self}");
        to.unwrap_or(Self::Closed)
    }

    /// Whether both SYNs have been exchanged and acknowledged (RFC 9293 3.4, "synchronized").
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Whether the user may still queue data to send, now or once the connection is open.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }

    /// Whether data from the peer may still arrive.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// The RFC's name: `SYN-SENT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_send_and_who_may_receive() {
        use State::{CloseWait, Established, FinWait1, FinWait2, SynReceived, SynSent};
        let may = |of: fn(State) -> bool| STATES.into_iter().filter(move |&state| of(state)).count();
        assert!([SynSent, SynReceived, Established, CloseWait].into_iter().all(State::may_send));
        assert_eq!(may(State::may_send), 4);
        assert!([SynSent, SynReceived, Established, FinWait1, FinWait2].into_iter().all(State::may_receive));
        assert_eq!(may(State::may_receive), 5);
    }
}
