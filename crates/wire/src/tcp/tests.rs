use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn header(flags: TcpFlags, options: TcpOptions) -> TcpHeader {
    TcpHeader {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber(0x0102_0304),
        ack: SeqNumber(0x0506_0708),
        flags,
        window: 0x1234,
        urgent: 0,
        options,
    }
}

fn emitted(header: &TcpHeader) -> Vec<u8> {
    let mut bytes = vec![0xaa; MAX_HEADER];
    let len = header.emit(&mut bytes);
    assert_eq!(len, header.emit_len());
    bytes.truncate(len);
    bytes
}

/// A header with these option bytes, padded with zeros to a whole word.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut bytes = emitted(&header(TcpFlags::ACK, TcpOptions::default()));
    bytes.extend(options);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes[12] = (bytes.len() as u8 / 4) << 4;
    bytes
}

fn options_of(options: &[u8]) -> TcpOptions {
    let bytes = with_options(options);
    let (header, len) = TcpHeader::parse(&bytes).unwrap();
    assert_eq!(len, bytes.len());
    header.options
}

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock { left: SeqNumber(left), right: SeqNumber(right) }
}

const TIMES: Timestamps = Timestamps { value: 0x1122_3344, echo: 0x5566_7788 };

#[test]
fn options_are_laid_out_as_linux_does() {
    // RFC 9293 3.1, MUST-4, MUST-69: whole words, so that no padding is needed.
    let full = TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(TIMES),
        ..TcpOptions::default()
    };
    let table: [(&str, TcpOptions, &[u8]); 5] = [
        (
            "SYN with everything",
            full.clone(),
            &[2, 4, 5, 180, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 1, 3, 3, 7],
        ),
        (
            "SYN without timestamps",
            TcpOptions { timestamps: None, ..full.clone() },
            &[2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7],
        ),
        ("SYN with an MSS only", TcpOptions { mss: Some(536), ..TcpOptions::default() }, &[2, 4, 2, 24]),
        (
            "a segment with timestamps",
            TcpOptions { timestamps: Some(TIMES), ..TcpOptions::default() },
            &[1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
        ),
        (
            "a segment with SACK",
            TcpOptions { sack: [block(1, 2), block(0xffff_fff0, 16)].into_iter().collect(), ..TcpOptions::default() },
            &[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 16],
        ),
    ];
    for (name, options, expected) in table {
        let bytes = emitted(&header(TcpFlags::SYN, options.clone()));
        assert_eq!(&bytes[MIN_HEADER..], expected, "{name}");
        assert_eq!(TcpHeader::parse(&bytes).unwrap().0.options, options, "{name}");
    }
}

#[test]
fn the_sack_blocks_that_do_not_fit_are_left_out() {
    let sack: options::SackBlocks = (0..4).map(|i| block(i * 10, i * 10 + 5)).collect();
    let alone = TcpOptions { sack: sack.clone(), ..TcpOptions::default() };
    assert_eq!((alone.sack_that_fit(), alone.emit_len()), (4, 36));
    let beside_timestamps = TcpOptions { timestamps: Some(TIMES), ..alone };
    assert_eq!((beside_timestamps.sack_that_fit(), beside_timestamps.emit_len()), (3, 40));
    let bytes = emitted(&header(TcpFlags::ACK, beside_timestamps));
    assert_eq!(TcpHeader::parse(&bytes).unwrap().0.options.sack[..], sack[..3]);
    let beside_all = TcpOptions {
        acc_ecn: None,
        mss: Some(1),
        window_scale: Some(0),
        sack_permitted: true,
        timestamps: Some(TIMES),
        sack,
        ..TcpOptions::default()
    };
    assert_eq!(beside_all.sack_that_fit(), 2);
}

#[test]
fn an_unknown_option_is_skipped_by_its_length() {
    // RFC 9293 3.1, MUST-6: an experimental option between two that we know.
    let options = options_of(&[3, 3, 9, 253, 6, 1, 2, 3, 4, 33, 2, 2, 4, 1, 2]);
    assert_eq!(options, TcpOptions { window_scale: Some(9), mss: Some(258), ..TcpOptions::default() });
}

#[test]
fn malformed_options_hide_neither_the_header_nor_the_options_before_them() {
    // RFC 9293 3.1, MUST-7, MUST-68, MUST-69: nothing behind an end of list counts.
    let mss = TcpOptions { mss: Some(1000), ..TcpOptions::default() };
    let table: [(&str, &[u8]); 9] = [
        ("length zero", &[2, 4, 3, 232, 99, 0, 3, 3, 5]),
        ("length one", &[2, 4, 3, 232, 99, 1, 3, 3, 5]),
        ("length beyond the header", &[2, 4, 3, 232, 99, 30, 3, 3]),
        ("kind without a length", &[2, 4, 3, 232, 1, 1, 1, 8]),
        ("end of options", &[2, 4, 3, 232, 0, 3, 3, 5]),
        ("known kinds of wrong lengths", &[2, 4, 3, 232, 3, 4, 5, 5, 4, 3, 1, 8, 4, 1, 2]),
        ("SACK that is no whole number of blocks", &[2, 4, 3, 232, 5, 9, 1, 2, 3, 4, 5, 6, 7, 1, 1, 1]),
        ("SACK of no block", &[2, 4, 3, 232, 5, 2]),
        ("MSS repeated, the last one counts", &[2, 4, 9, 9, 2, 4, 3, 232]),
    ];
    for (name, bytes) in table {
        assert_eq!(options_of(bytes), mss, "{name}");
    }
    assert_eq!(options_of(&[8, 10, 1, 2, 3, 4]), TcpOptions::default(), "cut timestamps");
}

#[test]
fn values_are_taken_as_given() {
    let options = options_of(&[2, 4, 0, 0, 3, 3, 255]);
    assert_eq!((options.mss, options.window_scale), (Some(0), Some(255)));
}

#[test]
fn an_option_may_begin_at_any_byte() {
    // MUST-64; this also misses the fast path for timestamps by one byte.
    for lead in 0..4 {
        let mut bytes = vec![1; lead];
        bytes.extend([8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
        assert_eq!(options_of(&bytes).timestamps, Some(TIMES), "after {lead} no-operations");
    }
}

#[test]
fn a_header_that_is_not_there_is_refused() {
    let bytes = emitted(&header(TcpFlags::ACK, TcpOptions { timestamps: Some(TIMES), ..TcpOptions::default() }));
    for len in 0..bytes.len() {
        assert_eq!(TcpHeader::parse(&bytes[..len]), Err(TcpError::Truncated), "length {len}");
    }
    for words in 0..5u8 {
        let mut bytes = bytes.clone();
        bytes[12] = words << 4;
        assert_eq!(TcpHeader::parse(&bytes), Err(TcpError::DataOffset), "{words} words");
    }
}

#[test]
fn reserved_bits_are_ignored() {
    let mut bytes = emitted(&header(TcpFlags::all(), TcpOptions::default()));
    bytes[12] |= 0x0e;
    assert_eq!(TcpHeader::parse(&bytes).unwrap().0.flags, TcpFlags::all());
}

#[test]
fn flags_print_by_name() {
    assert_eq!(alloc::format!("{}", TcpFlags::SYN | TcpFlags::ACK), "SYN,ACK");
    assert_eq!(alloc::format!("{}", TcpFlags::empty()), "-");
}

#[test]
fn a_filled_checksum_is_valid() {
    // RFC 9293 3.1, MUST-2.
    let (src, dst) = (core::net::Ipv4Addr::new(10, 0, 0, 1).into(), core::net::Ipv4Addr::new(10, 0, 0, 2).into());
    let mut bytes = emitted(&header(TcpFlags::ACK, TcpOptions::default()));
    fill_checksum(src, dst, &mut bytes, &[b"odd", b"", b"parts"]);
    bytes.extend(b"oddparts");
    assert!(checksum::is_valid(src, dst, Protocol::TCP, &bytes));
}

#[test]
fn options_are_laid_out_as_freebsd_does() {
    let layout = Layout::FreeBsd;
    let syn = TcpOptions {
        mss: Some(1460),
        window_scale: Some(6),
        sack_permitted: true,
        timestamps: Some(TIMES),
        layout,
        ..TcpOptions::default()
    };
    let times = [8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let sack = [5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let rows: [(&str, TcpOptions, Vec<u8>); 6] = [
        ("SYN", syn.clone(), [&[2, 4, 5, 180, 1, 3, 3, 6, 4, 2][..], &times].concat()),
        (
            "no window scale",
            TcpOptions { window_scale: None, ..syn.clone() },
            [&[2, 4, 5, 180, 4, 2][..], &times].concat(),
        ),
        (
            "padding: end of options, then zeros",
            TcpOptions { window_scale: None, timestamps: None, ..syn.clone() },
            vec![2, 4, 5, 180, 4, 2, 0, 0],
        ),
        (
            "without SACK the timestamps are aligned",
            TcpOptions { sack_permitted: false, window_scale: None, ..syn.clone() },
            [&[2, 4, 5, 180, 1, 1][..], &times].concat(),
        ),
        (
            "text",
            TcpOptions { timestamps: Some(TIMES), layout, ..TcpOptions::default() },
            [&[1, 1][..], &times].concat(),
        ),
        (
            "a block",
            TcpOptions {
                timestamps: Some(TIMES),
                sack: [block(1, 2)].into_iter().collect(),
                layout,
                ..TcpOptions::default()
            },
            [&[1, 1][..], &times, &[1, 1], &sack].concat(),
        ),
    ];
    for (name, options, expected) in rows {
        let bytes = emitted(&header(TcpFlags::ACK, options.clone()));
        let padded = expected.len().next_multiple_of(4);
        assert_eq!(bytes[20..], [&expected[..], &vec![0; padded - expected.len()]].concat(), "{name}");
        assert_eq!(options_of(&bytes[20..]), TcpOptions { layout: Layout::Linux, ..options }, "{name}");
    }
}

#[test]
fn accecn_counters_share_the_words_of_their_neighbours() {
    use AccEcnOrder::{Ect0First, Ect1First};
    let acc_ecn = |fields| Some(AccEcnOption::new(Ect1First, [0x0001_0203, 4, 1].get(..fields).unwrap()));
    let none = TcpOptions::default();
    let sack = TcpOptions { sack: [block(1, 2)].into_iter().collect(), ..none.clone() };
    let (permitted, scale) = (TcpOptions { sack_permitted: true, ..none.clone() }, Some(8));
    let rows: [(&str, TcpOptions, &[u8]); 11] = [
        ("three", TcpOptions { acc_ecn: acc_ecn(3), ..none.clone() }, &[174, 11, 1, 2, 3, 0, 0, 4, 0, 0, 1, 1]),
        ("two", TcpOptions { acc_ecn: acc_ecn(2), ..none.clone() }, &[174, 8, 1, 2, 3, 0, 0, 4]),
        ("one", TcpOptions { acc_ecn: acc_ecn(1), ..none.clone() }, &[174, 5, 1, 2, 3, 1, 1, 1]),
        ("empty", TcpOptions { acc_ecn: acc_ecn(0), ..none.clone() }, &[174, 2, 1, 1]),
        (
            "one, in the padding of SACK",
            TcpOptions { acc_ecn: acc_ecn(1), ..sack.clone() },
            &[174, 5, 1, 2, 3, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        ),
        (
            "empty, in the padding of SACK",
            TcpOptions { acc_ecn: acc_ecn(0), ..sack },
            &[174, 2, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        ),
        ("empty, beside SACK-permitted", TcpOptions { acc_ecn: acc_ecn(0), ..permitted.clone() }, &[174, 2, 4, 2]),
        (
            "one, in the padding of the window scale",
            TcpOptions { acc_ecn: acc_ecn(1), window_scale: scale, ..none.clone() },
            &[174, 5, 1, 2, 3, 3, 3, 8],
        ),
        (
            "empty: too long for that padding",
            TcpOptions { acc_ecn: acc_ecn(0), window_scale: scale, ..none.clone() },
            &[1, 3, 3, 8, 174, 2, 1, 1],
        ),
        (
            "SYN-ACK",
            TcpOptions { mss: Some(536), acc_ecn: acc_ecn(3), window_scale: scale, ..permitted },
            &[2, 4, 2, 24, 174, 11, 1, 2, 3, 0, 0, 4, 0, 0, 1, 1, 1, 1, 4, 2, 1, 3, 3, 8],
        ),
        (
            "the other order",
            TcpOptions { acc_ecn: Some(AccEcnOption::new(Ect0First, &[1, 2])), ..none.clone() },
            &[172, 8, 0, 0, 1, 0, 0, 2],
        ),
    ];
    for (name, options, expected) in rows {
        let bytes = emitted(&header(TcpFlags::ACK, options.clone()));
        assert_eq!(bytes[20..], *expected, "{name}");
        assert_eq!(options_of(&bytes[20..]), options, "{name}");
    }
    let read = options_of(&[174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3, 1]).acc_ecn.unwrap();
    assert_eq!((read.ect1_bytes(), read.ce_bytes(), read.ect0_bytes()), (Some(1), Some(2), Some(3)));
    let read = options_of(&[172, 6, 0, 0, 9, 99, 0, 0]).acc_ecn.unwrap();
    assert_eq!((read.ect0_bytes(), read.ce_bytes(), read.ect1_bytes()), (Some(9), None, None), "the rest is padding");
    let read = options_of(&[172, 16, 0, 0, 1, 0, 0, 2, 0, 0, 3, 9, 9, 9, 9, 9]).acc_ecn.unwrap();
    assert_eq!((read.fields(), read.ect1_bytes()), (3, Some(3)), "a longer option of the future");
}

#[test]
fn accecn_counters_take_the_room_beside_two_sack_blocks_and_no_more() {
    let rows = [
        // (timestamps, SACK blocks, counters required) -> (SACK blocks, counters)
        ((true, 0, 0), (0, Some(3))),
        ((true, 1, 3), (1, Some(3))),
        ((true, 2, 0), (2, Some(2))),
        ((true, 2, 2), (2, Some(2))),
        ((true, 2, 3), (2, None)),
        ((true, 3, 0), (3, Some(0))),
        ((true, 3, 1), (2, Some(2))),
        ((true, 3, 3), (3, None)),
        ((false, 3, 3), (3, Some(3))),
        ((false, 4, 0), (4, Some(1))),
        ((false, 4, 1), (4, Some(1))),
        ((false, 4, 2), (3, Some(3))),
    ];
    for ((timestamps, blocks, required), expected) in rows {
        let mut options = TcpOptions {
            timestamps: timestamps.then_some(TIMES),
            sack: (0..blocks).map(|n| block(n, n + 1)).collect(),
            acc_ecn: Some(AccEcnOption::new(AccEcnOrder::Ect1First, &[1, 2, 3])),
            ..TcpOptions::default()
        };
        options.fit_acc_ecn(required);
        let fields = options.acc_ecn.map(|option| option.fields());
        assert_eq!((options.sack.len() as u32, fields), expected, "{timestamps} {blocks} {required}");
        let bytes = emitted(&header(TcpFlags::ACK, options.clone()));
        assert_eq!(options_of(&bytes[20..]), options, "{timestamps} {blocks} {required}");
    }
}

pub(crate) fn any_options() -> impl Strategy<Value = TcpOptions> {
    let times = any::<(u32, u32)>().prop_map(|(value, echo)| Timestamps { value, echo });
    let sack = proptest::collection::vec(any::<(u32, u32)>(), 0..=4);
    let order = prop_oneof![Just(AccEcnOrder::Ect0First), Just(AccEcnOrder::Ect1First)];
    let counters = (order, proptest::collection::vec(0..1_u32 << 24, 0..=3));
    let acc_ecn = proptest::option::of(counters.prop_map(|(order, counters)| AccEcnOption::new(order, &counters)));
    (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), proptest::option::of(times), sack, acc_ecn).prop_map(
        |(mss, window_scale, sack_permitted, timestamps, sack, acc_ecn)| TcpOptions {
            acc_ecn,
            mss,
            window_scale,
            sack_permitted,
            timestamps,
            sack: sack.into_iter().map(|(left, right)| block(left, right)).collect(),
            ..TcpOptions::default()
        },
    )
}

pub(crate) fn any_header() -> impl Strategy<Value = TcpHeader> {
    (any::<(u16, u16, u32, u32)>(), any::<(u16, u16, u16)>(), any_options()).prop_map(
        |((src_port, dst_port, seq, ack), (flags, window, urgent), options)| TcpHeader {
            src_port,
            dst_port,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: TcpFlags::from_bits_truncate(flags),
            window,
            urgent,
            options,
        },
    )
}

proptest! {
    #[test]
    fn parse_undoes_emit(mut header in any_header()) {
        let fit = header.options.sack_that_fit();
        let bytes = emitted(&header);
        header.options.sack.truncate(fit);
        prop_assert_eq!(TcpHeader::parse(&bytes), Ok((header.clone(), bytes.len())));
        header.options.acc_ecn = None;
        let bytes = emitted(&header);
        header.options.layout = Layout::FreeBsd;
        let packed = emitted(&header);
        prop_assert!(packed.len() <= bytes.len());
        header.options.layout = Layout::Linux;
        prop_assert_eq!(TcpHeader::parse(&packed), Ok((header, packed.len())));
    }

    #[test]
    fn any_bytes_parse_or_do_not_and_what_parses_survives_a_round(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok((mut header, len)) = TcpHeader::parse(&bytes) {
            prop_assert!((MIN_HEADER..=MAX_HEADER).contains(&len) && len <= bytes.len());
            let again = emitted(&header);
            // What proves nothing is told apart, and never written.
            header.options.signature.take_if(|signature| signature.emit_len() == 0);
            prop_assert_eq!(TcpHeader::parse(&again), Ok((header, again.len())));
        }
    }

    #[test]
    fn random_options_never_hide_the_header(options in proptest::collection::vec(any::<u8>(), 0..=40)) {
        prop_assert!(TcpHeader::parse(&with_options(&options)).is_ok());
    }
}
