//! What becomes of segments that no orderly peer sends, where systems differ from RFC 9293 with RFC 5961. Decides nothing:
//! these are values that the checks of `connection/arrives` and their like ask for.

/// How odd segments are met. The defaults are what RFC 9293 3.10.7 asks for, with the mitigations of RFC 5961.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OddSegments {
    /// Whether only a RST at RCV.NXT resets, and another one in the window is challenged (RFC 5961 3.2); default true.
    /// Otherwise every RST in the window resets (RFC 9293 3.10.7.4 without the mitigation; FreeBSD's `insecure_rst`).
    pub challenge_resets: bool,
    /// Whether a RST with the number of the peer's FIN, one before RCV.NXT, resets in CLOSE-WAIT, CLOSING and LAST-ACK, as on Linux;
    /// default false: it is dropped (RFC 5961 3.2). A peer that has closed sends it for text that left here before its FIN had
    /// come, which costs a time-out where it is dropped. Who cannot see the connection has to hit one of two numbers out of 2^32
    /// then, instead of the one.
    pub take_resets_at_fin: bool,
    /// Whether a SYN on a connection is challenged wherever it lies (RFC 5961 4.2); default true. Otherwise one in the window
    /// is answered with a RST and ends the connection (RFC 793 3.9; FreeBSD's `insecure_syn`). In a listener's SYN queue and in
    /// TIME-WAIT it is challenged in either case.
    pub challenge_syns: bool,
    /// What a FIN means that comes with a SYN; default: [`SynFin::Both`].
    pub syn_fin: SynFin,
    /// Whether a segment from before the window is dropped for its number alone, as RFC 9293 3.10.7.4 has it; default false:
    /// so it is. Otherwise it counts if it acknowledges something new, as on FreeBSD.
    pub take_old_acks: bool,
    /// Whether text with an older timestamp than TS.Recent is taken where it fills a hole and was sent since that opened; default
    /// true. RFC 7323 5.3, R1, has it dropped, and says that it is so unnecessarily: it was overtaken by the copy of something
    /// before it, and nothing of an earlier turn of the sequence numbers can pass for it. Otherwise it is dropped, as on Linux and
    /// FreeBSD, and a path that reorders loses more by each loss.
    pub take_late_text: bool,
    /// Whether an acknowledgement carries our FIN again while that is not acknowledged, as on FreeBSD; default false. A
    /// challenge does not.
    pub repeat_fin: bool,
    /// What is done with a SYN in TIME-WAIT that may not begin a new connection; default: [`TimeWaitSyn::Challenge`].
    pub time_wait_syn: TimeWaitSyn,
    /// Whether segments with TCP-AO are taken where there is no key for their sender, as RFC 5925 7.3 has it; default false: they are
    /// dropped, as on Linux.
    pub take_unknown_ao: bool,
    /// Whether the ICMP errors that RFC 5925 7.8 has ignored, those that are hard and, of IPv4, that a packet is too big, are believed
    /// about connections with TCP-AO (Linux `accept_icmps`); default false.
    pub believe_icmp: bool,
}

impl Default for OddSegments {
    fn default() -> Self {
        Self {
            challenge_resets: true,
            take_resets_at_fin: false,
            challenge_syns: true,
            syn_fin: SynFin::default(),
            take_old_acks: false,
            take_late_text: true,
            repeat_fin: false,
            time_wait_syn: TimeWaitSyn::default(),
            take_unknown_ao: false,
            believe_icmp: false,
        }
    }
}

/// What a FIN means that comes with a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SynFin {
    /// What both say, one after the other (RFC 9293 3.10.7.3: the FIN waits until the connection is established).
    #[default]
    Both,
    /// The FIN is passed over, as on FreeBSD; its sender sends it again, for it is not acknowledged.
    SynOnly,
    /// Nothing: the segment is dropped, as with FreeBSD's `drop_synfin`.
    Nothing,
}

/// What is done with a SYN in TIME-WAIT that may not begin a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TimeWaitSyn {
    /// It is challenged (RFC 9293 3.10.7.4, RFC 5961 4.2). A SYN at RCV.NXT or beyond begins a new connection (RFC 6191).
    #[default]
    Challenge,
    /// It is dropped without a word, as on FreeBSD, where only a SYN beyond RCV.NXT or with a newer timestamp begins a new
    /// connection.
    Ignore,
}
