//! `struct tcp_info` of both systems, as a list of fields: the layout is computed from it, and scripts find fields by name.

/// A field of the struct.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name, `tcpi_rto`; of padding, an empty one.
    pub name: &'static str,
    /// Its width in bits. Fields of 8 bits and more are aligned to their width; narrower ones fill bytes from their
    /// least significant bit on.
    pub bits: u8,
}

impl Field {
    /// The value of the field called `name` in a struct of these fields; `None` where there is none, or the bytes end
    /// before it.
    #[must_use]
    pub fn read(fields: &[Self], bytes: &[u8], name: &str) -> Option<u64> {
        let (at, bits) = places(fields).find(|(field, ..)| field.name == name).map(|(field, at)| (at, field.bits))?;
        let field = bytes.get(at / 8..)?.get(..usize::from(bits.div_ceil(8)))?;
        let value = field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let mask = if bits < 8 { (1 << bits) - 1 } else { u64::MAX };
        Some(value >> (at % 8) & mask)
    }

    /// The length of the struct in bytes.
    #[must_use]
    pub fn struct_len(fields: &[Self]) -> usize {
        places(fields).last().map_or(0, |(field, at)| (at + usize::from(field.bits)).div_ceil(64) * 8)
    }
}

/// Each field with where it begins, in bits.
fn places(fields: &[Field]) -> impl Iterator<Item = (&Field, usize)> {
    let mut end = 0_usize;
    fields.iter().map(move |field| {
        let bits = usize::from(field.bits);
        let at = end.next_multiple_of(if bits >= 8 { bits } else { 1 });
        end = at + bits;
        (field, at)
    })
}

/// The struct, with `value` asked for each field. Values too large for their field are cut to its largest.
pub(crate) fn encode(fields: &[Field], value: impl Fn(&str) -> u64) -> Vec<u8> {
    let mut out = vec![0; Field::struct_len(fields)];
    for (field, at) in places(fields) {
        let most = if field.bits == 64 { u64::MAX } else { (1 << field.bits) - 1 };
        let bits = value(field.name).min(most) << (at % 8);
        for (byte, part) in
            out.iter_mut().skip(at / 8).zip(bits.to_le_bytes()).take(usize::from(field.bits).div_ceil(8))
        {
            *byte |= part;
        }
    }
    out
}

macro_rules! fields {
    ($($(#[$doc:meta])* $list:ident: $($bits:literal { $($name:literal),* $(,)? })*;)*) => {$(
        $(#[$doc])*
        pub const $list: &[Field] = &[$($(Field { name: $name, bits: $bits }),*),*];
    )*};
}

fields! {
    /// Linux, as of 7.0.
    TCP_INFO_LINUX:
    8 { "tcpi_state", "tcpi_ca_state", "tcpi_retransmits", "tcpi_probes", "tcpi_backoff", "tcpi_options" }
    4 { "tcpi_snd_wscale", "tcpi_rcv_wscale" }
    1 { "tcpi_delivery_rate_app_limited" }
    2 { "tcpi_fastopen_client_fail" }
    32 {
        "tcpi_rto", "tcpi_ato", "tcpi_snd_mss", "tcpi_rcv_mss", "tcpi_unacked", "tcpi_sacked", "tcpi_lost", "tcpi_retrans",
        "tcpi_fackets", "tcpi_last_data_sent", "tcpi_last_ack_sent", "tcpi_last_data_recv", "tcpi_last_ack_recv",
        "tcpi_pmtu", "tcpi_rcv_ssthresh", "tcpi_rtt", "tcpi_rttvar", "tcpi_snd_ssthresh", "tcpi_snd_cwnd", "tcpi_advmss",
        "tcpi_reordering", "tcpi_rcv_rtt", "tcpi_rcv_space", "tcpi_total_retrans",
    }
    64 { "tcpi_pacing_rate", "tcpi_max_pacing_rate", "tcpi_bytes_acked", "tcpi_bytes_received" }
    32 {
        "tcpi_segs_out", "tcpi_segs_in", "tcpi_notsent_bytes", "tcpi_min_rtt", "tcpi_data_segs_in", "tcpi_data_segs_out",
    }
    64 { "tcpi_delivery_rate", "tcpi_busy_time", "tcpi_rwnd_limited", "tcpi_sndbuf_limited" }
    32 { "tcpi_delivered", "tcpi_delivered_ce" }
    64 { "tcpi_bytes_sent", "tcpi_bytes_retrans" }
    32 {
        "tcpi_dsack_dups", "tcpi_reord_seen", "tcpi_rcv_ooopack", "tcpi_snd_wnd", "tcpi_rcv_wnd", "tcpi_rehash",
    }
    16 { "tcpi_total_rto", "tcpi_total_rto_recoveries" }
    32 {
        "tcpi_total_rto_time", "tcpi_received_ce", "tcpi_delivered_e1_bytes", "tcpi_delivered_e0_bytes",
        "tcpi_delivered_ce_bytes", "tcpi_received_e1_bytes", "tcpi_received_e0_bytes", "tcpi_received_ce_bytes",
    }
    2 { "tcpi_ecn_mode", "tcpi_accecn_opt_seen" }
    4 { "tcpi_accecn_fail_mode" }
    8 { "" }
    16 { "" };

    /// FreeBSD, as of 14.
    TCP_INFO_FREEBSD:
    8 {
        "tcpi_state", "__tcpi_ca_state", "__tcpi_retransmits", "__tcpi_probes", "__tcpi_backoff", "tcpi_options",
    }
    4 { "tcpi_snd_wscale", "tcpi_rcv_wscale" }
    32 {
        "tcpi_rto", "__tcpi_ato", "tcpi_snd_mss", "tcpi_rcv_mss", "__tcpi_unacked", "__tcpi_sacked", "__tcpi_lost",
        "__tcpi_retrans", "__tcpi_fackets", "__tcpi_last_data_sent", "__tcpi_last_ack_sent", "tcpi_last_data_recv",
        "__tcpi_last_ack_recv", "__tcpi_pmtu", "__tcpi_rcv_ssthresh", "tcpi_rtt", "tcpi_rttvar", "tcpi_snd_ssthresh",
        "tcpi_snd_cwnd", "__tcpi_advmss", "__tcpi_reordering", "__tcpi_rcv_rtt", "tcpi_rcv_space", "tcpi_snd_wnd",
        "tcpi_snd_bwnd", "tcpi_snd_nxt", "tcpi_rcv_nxt", "tcpi_toe_tid", "tcpi_snd_rexmitpack", "tcpi_rcv_ooopack",
        "tcpi_snd_zerowin", "tcpi_delivered_ce", "tcpi_received_ce", "__tcpi_delivered_e1_bytes",
        "__tcpi_delivered_e0_bytes", "__tcpi_delivered_ce_bytes", "__tcpi_received_e1_bytes", "__tcpi_received_e0_bytes",
        "__tcpi_received_ce_bytes", "tcpi_total_tlp",
    }
    64 { "tcpi_total_tlp_bytes" }
    32 {
        "tcpi_snd_una", "tcpi_snd_max", "tcpi_rcv_numsacks", "tcpi_rcv_adv", "tcpi_dupacks", "", "", "", "", "", "", "",
        "", "", "",
    };
}
