//! The words for the core's reasons, the same in diagrams, packet comments, summaries and JSON.
//!
//! They decide nothing: one name per variant, short enough to stand beside an arrow.

use bowline_tcp::reason::{DropReason, Hold, LossReason, RecoveryChange, SendReason, TimerKind};
use bowline_tcp::state::Cause;

/// Why a segment was sent: `retransmission: time-out`.
#[must_use]
pub const fn send_reason(why: SendReason) -> &'static str {
    match why {
        SendReason::Syn => "open",
        SendReason::SynAck => "answer to SYN",
        SendReason::SynCookie => "SYN cookie",
        SendReason::Data => "data",
        SendReason::LimitedTransmit => "limited transmit",
        SendReason::FastRetransmit => "retransmission: fast",
        SendReason::Timeout => "retransmission: time-out",
        SendReason::TailLossProbe => "tail loss probe",
        SendReason::MtuProbe => "probe of the path's MTU",
        SendReason::WindowProbe => "window probe",
        SendReason::Keepalive => "keepalive",
        SendReason::Ack => "acknowledgement",
        SendReason::DelayedAck => "delayed acknowledgement",
        SendReason::DuplicateAck => "duplicate acknowledgement",
        SendReason::WindowUpdate => "window update",
        SendReason::ChallengeAck => "challenge acknowledgement",
        SendReason::Reset => "reset",
    }
}

/// Why a segment was sent again: [`send_reason`], but that the handshake's segments have one name whether time was up or the
/// peer's came again.
#[must_use]
pub const fn again_reason(why: SendReason) -> &'static str {
    match why {
        SendReason::Syn | SendReason::SynAck => "retransmission: handshake",
        why => send_reason(why),
    }
}

/// Whether a reader wants to be told this reason: it is not simply data or its acknowledgement.
#[must_use]
pub const fn is_remarkable(why: SendReason) -> bool {
    !matches!(
        why,
        SendReason::Syn
            | SendReason::SynAck
            | SendReason::Data
            | SendReason::Ack
            | SendReason::DelayedAck
            | SendReason::Reset
    )
}

/// Why a segment was not processed: `outside the window`.
#[must_use]
pub const fn drop_reason(why: DropReason) -> &'static str {
    match why {
        DropReason::NoConnection => "no connection",
        DropReason::Checksum => "wrong checksum",
        DropReason::Malformed => "malformed",
        DropReason::OutOfWindow => "outside the window",
        DropReason::Duplicate => "duplicate",
        DropReason::Paws => "old timestamp (PAWS)",
        DropReason::ResetChallenged => "RST not at the exact number: challenged",
        DropReason::ResetIgnored => "RST outside the window",
        DropReason::SynChallenged => "SYN on an open connection: challenged",
        DropReason::BadAck => "acknowledges what was not sent",
        DropReason::NoAck => "no ACK flag",
        DropReason::ListenOverflow => "accept queue full",
        DropReason::AwaitsText => "no text, which the listener waits for",
        DropReason::SynQueueFull => "SYN queue full",
        DropReason::BadCookie => "not a valid SYN cookie",
        DropReason::EcnChanged => "another kind of ECN than before",
        DropReason::NoMemory => "receive memory full",
        DropReason::DataAfterClose => "data after close",
        DropReason::InvalidAddress => "invalid address",
        DropReason::Refused => "refused",
        DropReason::TimeWait => "in TIME-WAIT",
        DropReason::SynFin => "SYN and FIN at once",
        DropReason::Md5NotFound => "not signed (MD5)",
        DropReason::Md5Unexpected => "signed (MD5), and there is no key",
        DropReason::Md5Failure => "wrong MD5 signature",
        DropReason::AoNotFound => "not signed (TCP-AO)",
        DropReason::AoBad => "wrong signature (TCP-AO)",
        DropReason::AoKeyNotFound => "signed (TCP-AO), and there is no such key",
    }
}

/// What keeps data from leaving: `the congestion window`.
#[must_use]
pub const fn hold(what: Hold) -> &'static str {
    match what {
        Hold::Application => "the application",
        Hold::Congestion => "the congestion window",
        Hold::Window => "the peer's window",
        Hold::Nagle => "Nagle's algorithm",
        Hold::Cork => "TCP_CORK",
        Hold::SillyWindow => "silly-window avoidance",
        Hold::Pacing => "pacing",
        Hold::Buffer => "the send buffer",
        Hold::Nothing => "nothing",
    }
}

/// What made us believe that data is lost: `SACK`.
#[must_use]
pub const fn loss_reason(why: LossReason) -> &'static str {
    match why {
        LossReason::DuplicateAcks => "three duplicate ACKs",
        LossReason::Sack => "SACK",
        LossReason::PartialAck => "partial ACK",
        LossReason::Timeout => "time-out",
        LossReason::Rack => "RACK",
        LossReason::TailLossProbe => "tail loss probe",
        LossReason::PathMtu => "smaller path MTU",
        LossReason::SynDataRefused => "the SYN-ACK does not acknowledge it",
    }
}

/// A change of loss recovery: `fast recovery begins`.
#[must_use]
pub const fn recovery_change(change: RecoveryChange) -> &'static str {
    match change {
        RecoveryChange::FastRecovery => "fast recovery begins",
        RecoveryChange::TimeoutRecovery => "recovery from a time-out begins",
        RecoveryChange::Recovered => "recovered",
        RecoveryChange::Undone => "recovery was spurious: undone",
    }
}

/// A timer: `retransmission timer`.
#[must_use]
pub const fn timer(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmit => "retransmission timer",
        TimerKind::Persist => "persist timer",
        TimerKind::DelayedAck => "delayed-ACK timer",
        TimerKind::Keepalive => "keepalive timer",
        TimerKind::FinWait2 => "FIN-WAIT-2 timer",
        TimerKind::TimeWait => "2MSL timer",
        TimerKind::Cork => "cork timer",
        TimerKind::User => "user time-out",
        TimerKind::Reordering => "reordering timer",
        TimerKind::TailLossProbe => "tail loss probe timer",
        TimerKind::Pacing => "pacing timer",
    }
}

/// What moved the state: `our FIN acknowledged`.
#[must_use]
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::PassiveOpen => "listen",
        Cause::ActiveOpen => "connect",
        Cause::Syn => "SYN",
        Cause::SynAck => "SYN-ACK",
        Cause::AckOfSyn => "our SYN acknowledged",
        Cause::Fin => "FIN",
        Cause::AckOfFin => "our FIN acknowledged",
        Cause::FinAndAckOfFin => "FIN, our FIN acknowledged",
        Cause::Close => "close",
        Cause::Abort => "abort",
        Cause::Reset | Cause::ResetPassive => "RST",
        Cause::Timeout => "time-out",
    }
}

/// `1 segment`, `2 segments`, with thousands separated: `25,104 segments`.
#[must_use]
pub fn counted(n: u64, one: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(n))
}

/// `25104` as `25,104`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in decimal units with three digits or so: `999 B`, `25.1 MB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).unwrap_or(&"EB"))
}
