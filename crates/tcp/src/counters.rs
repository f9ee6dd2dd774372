//! What an endpoint counts, with the names that `nstat` gives to the same things.

use crate::reason::DropReason;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $name:literal;)*) => {
        /// Counters since the endpoint was made. They only grow.
        #[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
        pub struct Counters { $($(#[$doc])* pub $field: u64,)* }

        impl Counters {
            /// Each counter with `nstat`'s name for it.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($name, self.$field)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Active opens.
    active_opens = "TcpActiveOpens";
    /// Passive opens.
    passive_opens = "TcpPassiveOpens";
    /// Opens that failed.
    attempt_fails = "TcpAttemptFails";
    /// Established connections that were reset.
    estab_resets = "TcpEstabResets";
    /// Segments received.
    in_segs = "TcpInSegs";
    /// Segments sent.
    out_segs = "TcpOutSegs";
    /// Segments retransmitted.
    retrans_segs = "TcpRetransSegs";
    /// Segments received with an error.
    in_errs = "TcpInErrs";
    /// Segments sent with RST.
    out_rsts = "TcpOutRsts";
    /// Segments received with a wrong checksum.
    in_csum_errors = "TcpInCsumErrors";
    /// SYN cookies sent.
    syncookies_sent = "TcpExtSyncookiesSent";
    /// SYN cookies received that were valid.
    syncookies_recv = "TcpExtSyncookiesRecv";
    /// SYN cookies received that were not.
    syncookies_failed = "TcpExtSyncookiesFailed";
    /// SYNs or final ACKs that found the accept queue full.
    listen_overflows = "TcpExtListenOverflows";
    /// SYNs and final ACKs dropped by listeners.
    listen_drops = "TcpExtListenDrops";
    /// Active opens whose SYN took data along that the server took (RFC 7413).
    fast_open_active = "TcpExtTCPFastOpenActive";
    /// Active opens whose SYN took data along that the server did not take.
    fast_open_active_fail = "TcpExtTCPFastOpenActiveFail";
    /// Connections that a listener took with their SYN.
    fast_open_passive = "TcpExtTCPFastOpenPassive";
    /// SYNs with a cookie that was none of ours, or for whose connection there was no room.
    fast_open_passive_fail = "TcpExtTCPFastOpenPassiveFail";
    /// SYNs whose cookie the backup key had made.
    fast_open_passive_alt_key = "TcpExtTCPFastOpenPassiveAltKey";
    /// SYNs that found as many connections in their handshake as the listener takes with their SYN.
    fast_open_listen_overflow = "TcpExtTCPFastOpenListenOverflow";
    /// SYNs that asked for a cookie.
    fast_open_cookie_reqd = "TcpExtTCPFastOpenCookieReqd";
    /// Pauses because a path was found to swallow what opens fast.
    fast_open_blackhole = "TcpExtTCPFastOpenBlackhole";
    /// Last ACKs of a handshake that completed nothing, because they had no text.
    defer_accept_drop = "TcpExtTCPDeferAcceptDrop";
    /// SYN-ACKs retransmitted.
    synack_retrans = "TcpExtTCPSynRetrans";
    /// Half-open connections reset by the peer.
    embryonic_rsts = "TcpExtEmbryonicRsts";
    /// Connections that entered TIME-WAIT.
    time_wait = "TcpExtTW";
    /// Connections in TIME-WAIT that a new SYN reused.
    time_wait_recycled = "TcpExtTWRecycled";
    /// Connections in TIME-WAIT that gave way because the table was full.
    time_wait_overflow = "TcpExtTCPTimeWaitOverflow";
    /// Segments dropped by PAWS.
    paws_estab = "TcpExtPAWSEstab";
    /// Delayed acknowledgements sent.
    delayed_acks = "TcpExtDelayedACKs";
    /// Segments without an MD5 digest where there is a key (RFC 2385).
    md5_not_found = "TcpExtTCPMD5NotFound";
    /// Segments with an MD5 digest where there is no key.
    md5_unexpected = "TcpExtTCPMD5Unexpected";
    /// Segments with a wrong MD5 digest.
    md5_failure = "TcpExtTCPMD5Failure";
    /// Segments with TCP-AO where there is no such key (RFC 5925).
    ao_key_not_found = "TcpExtTCPAOKeyNotFound";
    /// Segments with a right MAC.
    ao_good = "TcpExtTCPAOGood";
    /// Segments with a wrong MAC.
    ao_bad = "TcpExtTCPAOBad";
    /// Segments without TCP-AO where there is a key.
    ao_required = "TcpExtTCPAORequired";
    /// ICMP errors that were ignored because of it.
    ao_dropped_icmps = "TcpExtTCPAODroppedIcmps";
    /// Challenge ACKs sent.
    challenge_acks = "TcpExtTCPChallengeACK";
    /// SYNs that were challenged.
    syn_challenge = "TcpExtTCPSYNChallenge";
    /// Retransmission time-outs.
    timeouts = "TcpExtTCPTimeouts";
    /// Fast retransmissions.
    fast_retrans = "TcpExtTCPFastRetrans";
    /// Fast recoveries on SACK.
    sack_recovery = "TcpExtTCPSackRecovery";
    /// Fast recoveries on duplicate ACKs.
    reno_recovery = "TcpExtTCPRenoRecovery";
    /// Tail loss probes sent.
    loss_probes = "TcpExtTCPLossProbes";
    /// Losses that a tail loss probe repaired.
    loss_probe_recovery = "TcpExtTCPLossProbeRecovery";
    /// Probes of the path's MTU that arrived.
    mtu_probe_success = "TcpExtTCPMTUPSuccess";
    /// Probes of the path's MTU that were lost for their size.
    mtu_probe_fail = "TcpExtTCPMTUPFail";
    /// Out-of-order segments queued.
    ofo_queue = "TcpExtTCPOFOQueue";
    /// Out-of-order data dropped for lack of memory.
    ofo_drop = "TcpExtTCPOFODrop";
    /// Keepalive probes sent.
    keepalive = "TcpExtTCPKeepAlive";
    /// Zero-window probes sent.
    window_probe = "TcpExtTCPWinProbe";
    /// Connections reset because unread data was left at close.
    abort_on_data = "TcpExtTCPAbortOnData";
    /// Connections reset because data came after close.
    abort_on_close = "TcpExtTCPAbortOnClose";
    /// Connections that ended in a time-out.
    abort_on_timeout = "TcpExtTCPAbortOnTimeout";
    /// Orphans that were given up in FIN-WAIT-2.
    abort_on_linger = "TcpExtTCPAbortOnLinger";
    /// Segments for nobody that were not answered, to stay in the budget.
    resets_suppressed = "BowlineResetsSuppressed";
    /// Segments outside the window.
    out_of_window = "BowlineOutOfWindow";
    /// Segments that end beyond the window and were not taken.
    beyond_window = "TcpExtBeyondWindow";
    /// RSTs that were ignored.
    resets_ignored = "BowlineResetsIgnored";
    /// ACKs out of range.
    bad_acks = "BowlineBadAcks";
    /// SYN-ACKs sent, or SYNs admitted, by listeners.
    syns_received = "BowlineSynsReceived";
    /// Half-open connections that yielded to newer ones, or timed out.
    half_open_expired = "BowlineHalfOpenExpired";
    /// ICMP errors whose quoted sequence number was not in flight.
    icmp_ignored = "TcpExtOutOfWindowIcmps";
}

impl Counters {
    /// Counts a segment that was dropped.
    pub fn count_drop(&mut self, why: DropReason) {
        let counter = match why {
            DropReason::Checksum => &mut self.in_csum_errors,
            DropReason::Malformed | DropReason::InvalidAddress | DropReason::SynFin => &mut self.in_errs,
            DropReason::ListenOverflow => {
                self.listen_drops += 1;
                &mut self.listen_overflows
            }
            DropReason::AwaitsText => &mut self.defer_accept_drop,
            DropReason::SynQueueFull | DropReason::Refused => &mut self.listen_drops,
            DropReason::OutOfWindow | DropReason::Duplicate => &mut self.out_of_window,
            DropReason::ResetIgnored => &mut self.resets_ignored,
            DropReason::BadAck | DropReason::NoAck => &mut self.bad_acks,
            DropReason::Md5NotFound => &mut self.md5_not_found,
            DropReason::Md5Unexpected => &mut self.md5_unexpected,
            DropReason::Md5Failure => &mut self.md5_failure,
            DropReason::AoKeyNotFound => &mut self.ao_key_not_found,
            DropReason::AoNotFound => &mut self.ao_required,
            DropReason::AoBad => &mut self.ao_bad,
            // These are counted where they are found.
            DropReason::NoConnection
            | DropReason::Paws
            | DropReason::ResetChallenged
            | DropReason::SynChallenged
            | DropReason::BadCookie
            | DropReason::EcnChanged
            | DropReason::NoMemory
            | DropReason::DataAfterClose
            | DropReason::TimeWait => return,
        };
        *counter += 1;
    }
}
