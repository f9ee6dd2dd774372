//! Socket options: name, and level and number on either system.
//!
//! An option stands here if a socket has something to say about it, be it that it does not support it.

use super::Abi;

/// Where a system does not have an option.
const NO: (i32, i32) = (-1, -1);
/// `SOL_SOCKET`.
const L: i32 = 1;
const F: i32 = 0xffff;
const IP: i32 = 0;
const TCP: i32 = 6;
const UDP: i32 = 17;
const IP6: i32 = 41;

macro_rules! options {
    ($($variant:ident $name:literal $linux:expr, $freebsd:expr;)*) => {
        /// A socket option, whichever number it has.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Opt {$($variant),*}

        /// Name, variant, and (level, number) on Linux and FreeBSD.
        const TABLE: &[(&str, Opt, (i32, i32), (i32, i32))] = &[$(($name, Opt::$variant, $linux, $freebsd)),*];
    };
}

options! {
    Debug "SO_DEBUG" (L, 1), (F, 1);
    ReuseAddr "SO_REUSEADDR" (L, 2), (F, 4);
    Type "SO_TYPE" (L, 3), (F, 0x1008);
    Error "SO_ERROR" (L, 4), (F, 0x1007);
    DontRoute "SO_DONTROUTE" (L, 5), (F, 0x10);
    Broadcast "SO_BROADCAST" (L, 6), (F, 0x20);
    SndBuf "SO_SNDBUF" (L, 7), (F, 0x1001);
    RcvBuf "SO_RCVBUF" (L, 8), (F, 0x1002);
    KeepAlive "SO_KEEPALIVE" (L, 9), (F, 8);
    OobInline "SO_OOBINLINE" (L, 10), (F, 0x100);
    NoCheck "SO_NO_CHECK" (L, 11), NO;
    Priority "SO_PRIORITY" (L, 12), NO;
    Linger "SO_LINGER" (L, 13), (F, 0x80);
    ReusePort "SO_REUSEPORT" (L, 15), (F, 0x200);
    ReusePortLb "SO_REUSEPORT_LB" NO, (F, 0x1_0000);
    RcvLowat "SO_RCVLOWAT" (L, 18), (F, 0x1004);
    SndLowat "SO_SNDLOWAT" (L, 19), (F, 0x1003);
    RcvTimeo "SO_RCVTIMEO" (L, 20), (F, 0x1006);
    SndTimeo "SO_SNDTIMEO" (L, 21), (F, 0x1005);
    Timestamp "SO_TIMESTAMP" (L, 29), (F, 0x400);
    AcceptConn "SO_ACCEPTCONN" (L, 30), (F, 2);
    SndBufForce "SO_SNDBUFFORCE" (L, 32), NO;
    RcvBufForce "SO_RCVBUFFORCE" (L, 33), NO;
    TimestampNs "SO_TIMESTAMPNS" (L, 35), NO;
    Mark "SO_MARK" (L, 36), NO;
    Timestamping "SO_TIMESTAMPING" (L, 37), NO;
    Protocol "SO_PROTOCOL" (L, 38), (F, 0x1016);
    Domain "SO_DOMAIN" (L, 39), (F, 0x1019);
    BusyPoll "SO_BUSY_POLL" (L, 46), NO;
    MaxPacingRate "SO_MAX_PACING_RATE" (L, 47), (F, 0x1018);
    IncomingCpu "SO_INCOMING_CPU" (L, 49), NO;
    MemInfo "SO_MEMINFO" (L, 55), NO;
    Cookie "SO_COOKIE" (L, 57), NO;
    ZeroCopy "SO_ZEROCOPY" (L, 60), NO;
    TxTime "SO_TXTIME" (L, 61), NO;
    NoSigPipe "SO_NOSIGPIPE" NO, (F, 0x800);
    ListenQLimit "SO_LISTENQLIMIT" NO, (F, 0x1011);
    ListenQLen "SO_LISTENQLEN" NO, (F, 0x1012);
    ListenIncQLen "SO_LISTENINCQLEN" NO, (F, 0x1013);
    SetFib "SO_SETFIB" NO, (F, 0x1014);

    NoDelay "TCP_NODELAY" (TCP, 1), (TCP, 1);
    MaxSeg "TCP_MAXSEG" (TCP, 2), (TCP, 2);
    Cork "TCP_CORK" (TCP, 3), NO;
    NoPush "TCP_NOPUSH" NO, (TCP, 4);
    Bare "TCP_NOOPT" NO, (TCP, 8);
    KeepInit "TCP_KEEPINIT" NO, (TCP, 128);
    KeepIdle "TCP_KEEPIDLE" (TCP, 4), (TCP, 256);
    KeepIntvl "TCP_KEEPINTVL" (TCP, 5), (TCP, 512);
    KeepCnt "TCP_KEEPCNT" (TCP, 6), (TCP, 1024);
    SynCnt "TCP_SYNCNT" (TCP, 7), NO;
    Linger2 "TCP_LINGER2" (TCP, 8), NO;
    DeferAccept "TCP_DEFER_ACCEPT" (TCP, 9), NO;
    WindowClamp "TCP_WINDOW_CLAMP" (TCP, 10), NO;
    Info "TCP_INFO" (TCP, 11), (TCP, 32);
    QuickAck "TCP_QUICKACK" (TCP, 12), NO;
    Congestion "TCP_CONGESTION" (TCP, 13), (TCP, 64);
    Md5Sig "TCP_MD5SIG" (TCP, 14), (TCP, 16);
    ThinLinear "TCP_THIN_LINEAR_TIMEOUTS" (TCP, 16), NO;
    ThinDupack "TCP_THIN_DUPACK" (TCP, 17), NO;
    UserTimeout "TCP_USER_TIMEOUT" (TCP, 18), NO;
    MaxUnackTime "TCP_MAXUNACKTIME" NO, (TCP, 68);
    Repair "TCP_REPAIR" (TCP, 19), NO;
    FastOpen "TCP_FASTOPEN" (TCP, 23), (TCP, 1025);
    TcpTimestamp "TCP_TIMESTAMP" (TCP, 24), NO;
    NotSentLowat "TCP_NOTSENT_LOWAT" (TCP, 25), NO;
    CcInfo "TCP_CC_INFO" (TCP, 26), NO;
    SaveSyn "TCP_SAVE_SYN" (TCP, 27), NO;
    SavedSyn "TCP_SAVED_SYN" (TCP, 28), NO;
    FastOpenConnect "TCP_FASTOPEN_CONNECT" (TCP, 30), NO;
    Ulp "TCP_ULP" (TCP, 31), NO;
    Md5SigExt "TCP_MD5SIG_EXT" (TCP, 32), NO;
    FastOpenKey "TCP_FASTOPEN_KEY" (TCP, 33), NO;
    FastOpenNoCookie "TCP_FASTOPEN_NO_COOKIE" (TCP, 34), NO;
    ZeroCopyReceive "TCP_ZEROCOPY_RECEIVE" (TCP, 35), NO;
    Inq "TCP_INQ" (TCP, 36), NO;
    TxDelay "TCP_TX_DELAY" (TCP, 37), NO;
    AoAddKey "TCP_AO_ADD_KEY" (TCP, 38), NO;
    AoDelKey "TCP_AO_DEL_KEY" (TCP, 39), NO;
    AoInfo "TCP_AO_INFO" (TCP, 40), NO;
    AoGetKeys "TCP_AO_GET_KEYS" (TCP, 41), NO;
    RtoMaxMs "TCP_RTO_MAX_MS" (TCP, 44), NO;
    RtoMinUs "TCP_RTO_MIN_US" (TCP, 45), NO;
    DelackMaxUs "TCP_DELACK_MAX_US" (TCP, 46), NO;
    DelAck "TCP_DELACK" NO, (TCP, 72);
    FinIsRst "TCP_FIN_IS_RST" NO, (TCP, 73);
    FunctionBlk "TCP_FUNCTION_BLK" NO, (TCP, 8192);

    UdpCork "UDP_CORK" (UDP, 1), NO;
    UdpSegment "UDP_SEGMENT" (UDP, 103), NO;
    UdpGro "UDP_GRO" (UDP, 104), NO;

    Tos "IP_TOS" (IP, 1), (IP, 3);
    Ttl "IP_TTL" (IP, 2), (IP, 4);
    PktInfo "IP_PKTINFO" (IP, 8), NO;
    RecvDstAddr "IP_RECVDSTADDR" NO, (IP, 7);
    MtuDiscover "IP_MTU_DISCOVER" (IP, 10), NO;
    RecvErr "IP_RECVERR" (IP, 11), NO;
    RecvTtl "IP_RECVTTL" (IP, 12), (IP, 65);
    RecvTos "IP_RECVTOS" (IP, 13), (IP, 68);
    Mtu "IP_MTU" (IP, 14), NO;
    FreeBind "IP_FREEBIND" (IP, 15), NO;
    BindAny "IP_BINDANY" NO, (IP, 24);
    Transparent "IP_TRANSPARENT" (IP, 19), NO;
    MinTtl "IP_MINTTL" (IP, 21), (IP, 66);
    DontFrag "IP_DONTFRAG" NO, (IP, 67);
    BindNoPort "IP_BIND_ADDRESS_NO_PORT" (IP, 24), NO;
    LocalPortRange "IP_LOCAL_PORT_RANGE" (IP, 51), NO;

    UnicastHops "IPV6_UNICAST_HOPS" (IP6, 16), (IP6, 4);
    MtuDiscover6 "IPV6_MTU_DISCOVER" (IP6, 23), NO;
    Mtu6 "IPV6_MTU" (IP6, 24), NO;
    RecvErr6 "IPV6_RECVERR" (IP6, 25), NO;
    V6Only "IPV6_V6ONLY" (IP6, 26), (IP6, 27);
    RecvPktInfo6 "IPV6_RECVPKTINFO" (IP6, 49), (IP6, 36);
    PktInfo6 "IPV6_PKTINFO" (IP6, 50), (IP6, 46);
    RecvHopLimit "IPV6_RECVHOPLIMIT" (IP6, 51), (IP6, 37);
    HopLimit "IPV6_HOPLIMIT" (IP6, 52), (IP6, 47);
    DontFrag6 "IPV6_DONTFRAG" (IP6, 62), (IP6, 62);
    RecvTclass "IPV6_RECVTCLASS" (IP6, 66), (IP6, 57);
    Tclass "IPV6_TCLASS" (IP6, 67), (IP6, 61);
    AutoFlowLabel "IPV6_AUTOFLOWLABEL" (IP6, 70), NO;
}

/// The option with this level and number.
pub(crate) fn find(abi: Abi, level: i32, number: i32) -> Option<Opt> {
    let wanted = (level, number);
    let matches = |row: &&(&str, Opt, (i32, i32), (i32, i32))| wanted == if abi == Abi::Linux { row.2 } else { row.3 };
    if level < 0 { None } else { TABLE.iter().find(matches).map(|row| row.1) }
}

/// The number of the option with this name.
pub(super) fn number(abi: Abi, name: &str) -> Option<i32> {
    let row = TABLE.iter().find(|row| row.0 == name)?;
    let (_, number) = if abi == Abi::Linux { row.2 } else { row.3 };
    (number >= 0).then_some(number)
}

/// The name of an option that is stored, because the system stores it, and changes nothing in a stack that has no queues, no
/// signals and no debugger.
pub(super) fn without_effect(abi: Abi, level: i32, number: i32) -> Option<&'static str> {
    let opt = find(abi, level, number)?;
    let is_idle = matches!(opt, Opt::Debug | Opt::Priority | Opt::Mark | Opt::NoSigPipe | Opt::BindNoPort);
    TABLE.iter().find(|row| is_idle && row.1 == opt).map(|row| row.0)
}

impl Opt {
    /// Its level and number.
    pub(crate) fn place(self, abi: Abi) -> (i32, i32) {
        let row = TABLE.iter().find(|row| row.1 == self);
        row.map_or(NO, |row| if abi == Abi::Linux { row.2 } else { row.3 })
    }
}
