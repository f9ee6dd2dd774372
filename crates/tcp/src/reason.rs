//! The reasons that the event stream gives: why a segment was sent, dropped, held back or believed lost.

/// Why a segment was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SendReason {
    /// Our SYN.
    Syn,
    /// The answer to a SYN.
    SynAck,
    /// The answer to a SYN, kept nowhere: a SYN cookie.
    SynCookie,
    /// New data, or our FIN.
    Data,
    /// New data on a duplicate acknowledgement (RFC 3042).
    LimitedTransmit,
    /// A retransmission in fast recovery.
    FastRetransmit,
    /// A retransmission because the RTO ran out.
    Timeout,
    /// A tail loss probe (RFC 8985).
    TailLossProbe,
    /// New data in a segment larger than the others, to see whether the path carries it (RFC 4821).
    MtuProbe,
    /// A probe of a closed window.
    WindowProbe,
    /// A keepalive probe.
    Keepalive,
    /// An acknowledgement because enough data came in.
    Ack,
    /// An acknowledgement because the delayed-ACK timer ran out.
    DelayedAck,
    /// An acknowledgement of data out of order.
    DuplicateAck,
    /// An acknowledgement that opens the window.
    WindowUpdate,
    /// A challenge (RFC 5961), or the answer to an unacceptable segment.
    ChallengeAck,
    /// A reset.
    Reset,
}

/// Why a segment was not processed. Each is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum DropReason {
    /// Neither a connection nor a listener has its four-tuple.
    NoConnection,
    /// Its checksum is wrong.
    Checksum,
    /// Its header makes no sense.
    Malformed,
    /// It lies outside the receive window (RFC 9293 3.10.7.4, first check).
    OutOfWindow,
    /// It is a copy of what was received already.
    Duplicate,
    /// Its timestamp is old (RFC 7323 5, PAWS).
    Paws,
    /// A RST that is not at the exact sequence number (RFC 5961 3.2).
    ResetChallenged,
    /// A RST outside the window.
    ResetIgnored,
    /// A SYN on a synchronized connection (RFC 5961 4.2).
    SynChallenged,
    /// An ACK of what was never sent, or of what is long gone (RFC 5961 5.2).
    BadAck,
    /// It has no ACK flag where one is required.
    NoAck,
    /// The listener's accept queue is full.
    ListenOverflow,
    /// The handshake's last ACK has no text, and the listener waits for some.
    AwaitsText,
    /// The SYN queue is full and cookies are off.
    SynQueueFull,
    /// An ACK towards a listener that is no valid SYN cookie.
    BadCookie,
    /// A SYN again, which asks for another kind of ECN than the first one (RFC 9768 3.1.5).
    EcnChanged,
    /// The receive queue's memory bound is reached.
    NoMemory,
    /// Data after the user closed: answered with RST.
    DataAfterClose,
    /// An invalid source or destination: broadcast, multicast, or port 0 (MUST-57).
    InvalidAddress,
    /// A SYN that a rule, the caller or a limit refused.
    Refused,
    /// TIME-WAIT holds the four-tuple.
    TimeWait,
    /// It has both a SYN and a FIN, which the options refuse.
    SynFin,
    /// It has no MD5 digest, but its sender shares a key (RFC 2385).
    Md5NotFound,
    /// It has an MD5 digest, but there is no key for its sender.
    Md5Unexpected,
    /// Its MD5 digest is wrong.
    Md5Failure,
    /// It has TCP-AO, but there is no such key for its sender (RFC 5925).
    AoKeyNotFound,
    /// It has no TCP-AO, but its sender shares a key.
    AoNotFound,
    /// Its MAC is wrong.
    AoBad,
}

/// What keeps data from leaving.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Hold {
    /// Nothing: there is no unsent data.
    Application,
    /// The congestion window.
    Congestion,
    /// The peer's window.
    Window,
    /// Nagle's algorithm.
    Nagle,
    /// TCP_CORK.
    Cork,
    /// Sender-side silly-window avoidance.
    SillyWindow,
    /// Pacing.
    Pacing,
    /// The send buffer: all in it is sent, and the application has more than fits.
    Buffer,
    /// Nothing any more: data is leaving.
    Nothing,
}

/// What made us believe that data is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LossReason {
    /// Three duplicate acknowledgements.
    DuplicateAcks,
    /// SACK: enough data beyond it has arrived (RFC 6675).
    Sack,
    /// A partial acknowledgement in fast recovery (RFC 6582).
    PartialAck,
    /// The retransmission timer.
    Timeout,
    /// RACK's reordering window has passed (RFC 8985).
    Rack,
    /// A tail loss probe was answered once where two answers were due (RFC 8985 7.4.2).
    TailLossProbe,
    /// A smaller path MTU: segments must be cut anew (RFC 1191).
    PathMtu,
    /// It went along with our SYN, and the SYN-ACK does not acknowledge it (RFC 7413 4.2.1).
    SynDataRefused,
}

/// A change of loss recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RecoveryChange {
    /// Fast recovery began.
    FastRecovery,
    /// Recovery from a time-out began.
    TimeoutRecovery,
    /// All that was outstanding at its beginning is acknowledged.
    Recovered,
    /// It was spurious, and its reduction of the window has been taken back.
    Undone,
}

/// The kinds of timers of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum TimerKind {
    /// Retransmission (RFC 6298).
    Retransmit,
    /// Zero-window probe.
    Persist,
    /// Delayed acknowledgement.
    DelayedAck,
    /// Keepalive.
    Keepalive,
    /// FIN-WAIT-2 of an orphan.
    FinWait2,
    /// 2MSL.
    TimeWait,
    /// The 200 ms of TCP_CORK.
    Cork,
    /// The user timeout (R2).
    User,
    /// The time in which a path may reorder segments (RFC 8985 6.2).
    Reordering,
    /// Tail loss probe (RFC 8985 7.2).
    TailLossProbe,
    /// Pacing.
    Pacing,
}
