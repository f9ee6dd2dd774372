//! What the host counts, with the names that `nstat` gives to the same things. TCP counts for itself.

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        impl $name {
            /// Each counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($text, self.$field)),*].into_iter()
            }
        }
    };
}

macro_rules! ip_counters {
    ($($(#[$doc:meta])* $field:ident = $four:literal, $six:literal;)*) => {
        /// What one version of IP counts.
        #[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
        pub struct IpCounters { $($(#[$doc])* pub $field: u64,)* }

        impl IpCounters {
            /// Each counter with its name in IPv4, or in IPv6.
            pub fn iter(&self, is_v4: bool) -> impl Iterator<Item = (&'static str, u64)> {
                [$((if is_v4 { $four } else { $six }, self.$field)),*].into_iter()
            }
        }
    };
}

ip_counters! {
    /// Packets received.
    in_receives = "IpInReceives", "Ip6InReceives";
    /// Packets with a malformed header.
    in_hdr_errors = "IpInHdrErrors", "Ip6InHdrErrors";
    /// Packets for somebody else.
    in_addr_errors = "IpInAddrErrors", "Ip6InAddrErrors";
    /// Packets from a source that no honest packet has.
    in_martians = "BowlineIpInMartians", "BowlineIp6InMartians";
    /// Packets of a transport that we do not know.
    in_unknown_protos = "IpInUnknownProtos", "Ip6InUnknownProtos";
    /// Multicast and broadcast packets that nobody wanted, and packets dropped for lack of room.
    in_discards = "IpInDiscards", "Ip6InDiscards";
    /// Packets handed to a transport.
    in_delivers = "IpInDelivers", "Ip6InDelivers";
    /// Packets handed to a device, super-segments counted once.
    out_requests = "IpOutRequests", "Ip6OutRequests";
    /// Packets dropped because a queue was full or they fit nowhere.
    out_discards = "IpOutDiscards", "Ip6OutDiscards";
    /// Packets without a route.
    out_no_routes = "IpOutNoRoutes", "Ip6OutNoRoutes";
    /// Datagrams given up because their fragments took too long.
    reasm_timeout = "IpReasmTimeout", "Ip6ReasmTimeout";
    /// Fragments received.
    reasm_reqds = "IpReasmReqds", "Ip6ReasmReqds";
    /// Datagrams put together.
    reasm_oks = "IpReasmOKs", "Ip6ReasmOKs";
    /// Fragments refused, and datagrams given up.
    reasm_fails = "IpReasmFails", "Ip6ReasmFails";
    /// Datagrams that were sent in fragments.
    frag_oks = "IpFragOKs", "Ip6FragOKs";
    /// Datagrams that would have needed fragments and could not have them.
    frag_fails = "IpFragFails", "Ip6FragFails";
    /// Fragments sent.
    frag_creates = "IpFragCreates", "Ip6FragCreates";
}

counters! {
    /// What ICMP counts, both versions together.
    IcmpCounters {
        /// Messages received.
        in_msgs = "IcmpInMsgs";
        /// Messages that were malformed.
        in_errors = "IcmpInErrors";
        /// Messages with a wrong checksum.
        in_csum_errors = "IcmpInCsumErrors";
        /// Destination unreachable.
        in_dest_unreachs = "IcmpInDestUnreachs";
        /// Packet too big.
        in_pkt_too_bigs = "Icmp6InPktTooBigs";
        /// Time exceeded.
        in_time_excds = "IcmpInTimeExcds";
        /// Parameter problem.
        in_parm_probs = "IcmpInParmProbs";
        /// Pings.
        in_echos = "IcmpInEchos";
        /// Answers to pings.
        in_echo_reps = "IcmpInEchoReps";
        /// Errors about packets that we never sent.
        in_strangers = "BowlineIcmpInStrangers";
        /// Messages sent.
        out_msgs = "IcmpOutMsgs";
        /// Errors sent.
        out_errors = "BowlineIcmpOutErrors";
        /// Answers to pings sent.
        out_echo_reps = "IcmpOutEchoReps";
        /// Errors not sent because of the limit for all.
        out_rate_limit_global = "IcmpOutRateLimitGlobal";
        /// Errors not sent because of the limit for their destination.
        out_rate_limit_host = "IcmpOutRateLimitHost";
    }
}

counters! {
    /// What UDP counts, both versions together.
    UdpCounters {
        /// Datagrams delivered to sockets.
        in_datagrams = "UdpInDatagrams";
        /// Datagrams to ports without a socket.
        no_ports = "UdpNoPorts";
        /// Datagrams that could not be delivered for another reason.
        in_errors = "UdpInErrors";
        /// Datagrams with a wrong checksum.
        in_csum_errors = "UdpInCsumErrors";
        /// Datagrams dropped because a socket's receive queue was full.
        rcvbuf_errors = "UdpRcvbufErrors";
        /// Datagrams sent.
        out_datagrams = "UdpOutDatagrams";
        /// Datagrams refused because a socket's send queue was full.
        sndbuf_errors = "UdpSndbufErrors";
    }
}

counters! {
    /// What is counted before TCP sees a segment.
    TcpInCounters {
        /// Segments with a wrong checksum.
        in_csum_errors = "TcpInCsumErrors";
        /// Segments without a readable header.
        in_errs = "TcpInErrs";
    }
}

/// All counters of the host. They only grow.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counters {
    /// IPv4.
    pub ip: IpCounters,
    /// IPv6.
    pub ip6: IpCounters,
    /// ICMP.
    pub icmp: IcmpCounters,
    /// UDP.
    pub udp: UdpCounters,
    /// Segments that never reached TCP; TCP's own counters are in [`bowline_tcp::Counters`].
    pub tcp_in: TcpInCounters,
}

impl Counters {
    /// Each counter with its name, those of TCP not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let ip = self.ip.iter(true).chain(self.ip6.iter(false));
        ip.chain(self.icmp.iter()).chain(self.udp.iter()).chain(self.tcp_in.iter())
    }

    /// Those of one version of IP.
    pub(crate) const fn ip_of(&mut self, is_v4: bool) -> &mut IpCounters {
        if is_v4 { &mut self.ip } else { &mut self.ip6 }
    }
}
