use super::*;
use bowline_wire::Protocol;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)));
const V6: (IpAddr, IpAddr) = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));

fn header(is_v4: bool) -> IpHeader {
    let (src, dst) = if is_v4 { V4 } else { V6 };
    IpHeader::new(src, dst, Protocol::UDP, 0)
}

fn part(offset: usize, more: bool) -> Fragment {
    Fragment { id: 7, offset: offset as u16, more }
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 13 + i / 256) as u8).collect()
}

fn reassembly() -> Reassembly {
    Reassembly::new(ReassemblyConfig::default())
}

fn payload_of(packet: &Bytes) -> &[u8] {
    ip::parse(packet).unwrap().payload(packet)
}

/// Feeds `(from, to, more)` ranges of one datagram, and returns the outcome of each.
fn feed(all: &mut Reassembly, is_v4: bool, whole: &[u8], ranges: &[(usize, usize, bool)]) -> Vec<Outcome> {
    let header = header(is_v4);
    ranges
        .iter()
        .map(|&(from, to, more)| all.insert(Instant::ZERO, &header, part(from, more), &whole[from..to]))
        .collect()
}

#[test]
fn any_order_gives_the_whole() {
    let whole = data(100);
    let pieces = [(0, 32, true), (32, 64, true), (64, 100, false)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for is_v4 in [true, false] {
            let mut all = reassembly();
            let outcomes = feed(&mut all, is_v4, &whole, &order.map(|number: usize| pieces[number]));
            assert_eq!(outcomes[..2], [Outcome::Waiting, Outcome::Waiting]);
            let Outcome::Complete(packet) = &outcomes[2] else { panic!("{order:?}: {outcomes:?}") };
            assert_eq!(payload_of(packet), whole);
            assert_eq!(all.usage(), (0, 0));
        }
    }
}

#[test]
fn an_overlap_drops_the_datagram_and_what_still_comes_of_it() {
    let whole = data(200);
    for (name, overlapping) in [
        ("a byte range twice, with another length", (0, 40, true)),
        ("into the one before", (24, 64, true)),
        ("into the one after", (56, 80, true)),
        ("all of it", (0, 136, true)),
        ("inside one", (8, 16, true)),
        ("an end before what is there", (96, 100, false)),
    ] {
        for is_v4 in [true, false] {
            let mut all = reassembly();
            feed(&mut all, is_v4, &whole, &[(0, 32, true), (64, 128, true)]);
            assert_eq!(feed(&mut all, is_v4, &whole, &[overlapping]), [Outcome::Refused], "{name}");
            let rest =
                feed(&mut all, is_v4, &whole, &[(0, 32, true), (32, 64, true), (64, 128, true), (128, 200, false)]);
            assert_eq!(rest, vec![Outcome::Refused; 4], "{name}");
            assert_eq!(all.usage(), (1, OVERHEAD), "{name}: nothing is kept but the name");
        }
    }
}

#[test]
fn ends_that_contradict_each_other_are_refused() {
    let whole = data(200);
    for second in [(64, 96, false), (96, 136, true), (64, 128, false)] {
        let mut all = reassembly();
        feed(&mut all, true, &whole, &[(0, 32, true), (64, 100, false)]);
        assert_eq!(feed(&mut all, true, &whole, &[second]), [Outcome::Refused], "{second:?}");
    }
}

#[test]
fn an_exact_copy_is_ignored_and_other_bytes_in_its_place_are_not() {
    let whole = data(96);
    let mut all = reassembly();
    let outcomes = feed(&mut all, true, &whole, &[(0, 32, true), (0, 32, true), (64, 96, false), (64, 96, false)]);
    assert_eq!(outcomes, vec![Outcome::Waiting; 4]);
    let mut other = whole.clone();
    other[5] ^= 1;
    assert_eq!(feed(&mut all, true, &other, &[(0, 32, true)]), [Outcome::Refused]);
}

#[test]
fn the_same_bytes_once_with_more_to_follow_and_once_without_are_no_copy() {
    let whole = data(96);
    for fragments in [[(64, 96, false), (64, 96, true)], [(64, 96, true), (64, 96, false)]] {
        let mut all = reassembly();
        assert_eq!(feed(&mut all, true, &whole, &fragments), [Outcome::Waiting, Outcome::Refused], "{fragments:?}");
    }
    // An empty end behind the bytes makes the total the same both times.
    let mut all = reassembly();
    let outcomes = feed(&mut all, false, &whole, &[(56, 56, false), (48, 56, true), (48, 56, false)]);
    assert_eq!(outcomes, [Outcome::Waiting, Outcome::Waiting, Outcome::Refused]);
    assert_eq!(feed(&mut all, false, &whole, &[(0, 48, true)]), [Outcome::Refused]);
}

#[test]
fn impossible_fragments_are_refused_at_once() {
    let whole = data(1000);
    let mut all = reassembly();
    assert_eq!(feed(&mut all, true, &whole, &[(0, 31, true)]), [Outcome::BadLength]);
    assert_eq!(feed(&mut all, true, &whole, &[(8, 8, true)]), [Outcome::Refused]);
    // The "ping of death": an end beyond 64 KiB.
    let header = header(true);
    assert_eq!(all.insert(Instant::ZERO, &header, part(65_528, false), &whole[..100]), Outcome::TooLong);
    assert_eq!(all.usage(), (0, 0));
}

#[test]
fn datagrams_with_another_name_do_not_mix() {
    let whole = data(64);
    let mut all = reassembly();
    feed(&mut all, true, &whole, &[(0, 32, true)]);
    let tail = &whole[32..];
    let other_protocol = IpHeader { protocol: Protocol::TCP, ..header(true) };
    let other_source = IpHeader { src: V4.1, ..header(true) };
    assert_eq!(all.insert(Instant::ZERO, &other_protocol, part(32, false), tail), Outcome::Waiting);
    assert_eq!(all.insert(Instant::ZERO, &other_source, part(32, false), tail), Outcome::Waiting);
    assert_eq!(all.insert(Instant::ZERO, &header(true), Fragment { id: 8, ..part(32, false) }, tail), Outcome::Waiting);
    // In IPv6 the protocol is no part of the name: only the first fragment's counts.
    let mut all = reassembly();
    feed(&mut all, false, &whole, &[(0, 32, true)]);
    let other_protocol = IpHeader { protocol: Protocol::TCP, ..header(false) };
    let Outcome::Complete(packet) = all.insert(Instant::ZERO, &other_protocol, part(32, false), tail) else {
        panic!("not complete")
    };
    assert_eq!(ip::parse(&packet).unwrap().protocol, Protocol::UDP);
}

#[test]
fn congestion_marks_are_joined() {
    let marked = |marks: [Ecn; 2]| {
        let mut all = reassembly();
        let mut outcome = Outcome::Waiting;
        for (number, ecn) in marks.into_iter().enumerate() {
            let header = IpHeader { traffic_class: bowline_wire::TrafficClass::new(9, ecn), ..header(true) };
            outcome = all.insert(Instant::ZERO, &header, part(number * 8, number == 0), &data(8));
        }
        match outcome {
            Outcome::Complete(packet) => Some(ip::parse(&packet).unwrap().ecn()),
            _ => None,
        }
    };
    assert_eq!(marked([Ecn::Ect0, Ecn::Ce]), Some(Ecn::Ce));
    assert_eq!(marked([Ecn::Ect0, Ecn::Ect0]), Some(Ecn::Ect0));
    assert_eq!(marked([Ecn::NotEct, Ecn::NotEct]), Some(Ecn::NotEct));
    assert_eq!(marked([Ecn::NotEct, Ecn::Ce]), None, "RFC 3168 5.3: dropped");
}

#[test]
fn a_datagram_that_stays_incomplete_expires_and_gives_back_its_first_fragment() {
    let whole = data(64);
    for (is_v4, secs) in [(true, 30), (false, 60)] {
        let mut all = reassembly();
        feed(&mut all, is_v4, &whole, &[(0, 32, true)]);
        assert_eq!(all.poll_timeout(), Some(Instant::from_secs(secs)));
        assert_eq!(all.expire(Instant::from_secs(secs) - Duration::from_nanos(1)), None);
        let first = all.expire(Instant::from_secs(secs)).unwrap().unwrap();
        let header = ip::parse(&first).unwrap();
        assert_eq!(header.fragment, Some(part(0, true)));
        assert_eq!(header.payload(&first), &whole[..32]);
        assert_eq!((all.usage(), all.expire(Instant::MAX), all.poll_timeout()), ((0, 0), None, None));

        feed(&mut all, is_v4, &whole, &[(32, 64, false)]);
        assert_eq!(all.expire(Instant::from_secs(secs)), Some(None), "without the first fragment nobody is told");
    }
}

#[test]
fn a_flood_of_fragments_stays_in_bounds_and_pushes_out_the_oldest() {
    let config = ReassemblyConfig { max_datagrams: 50, max_bytes: 20_000, ..ReassemblyConfig::default() };
    let mut all = Reassembly::new(config);
    let whole = data(1024);
    for id in 0..500 {
        let fragment = Fragment { id, offset: 1024, more: true };
        all.insert(Instant::from_millis(u64::from(id)), &header(true), fragment, &whole);
        let (datagrams, bytes) = all.usage();
        assert!(datagrams <= 50 && bytes <= 20_000, "{datagrams} {bytes}");
    }
    assert!(all.evicted > 0);
    let last = Fragment { id: 499, offset: 2048, more: false };
    all.insert(Instant::from_millis(500), &header(true), last, &whole);
    let first = Fragment { id: 499, offset: 0, more: true };
    let done = all.insert(Instant::from_millis(501), &header(true), first, &whole);
    assert!(matches!(done, Outcome::Complete(_)), "the newest survived");
}

#[test]
fn too_many_fragments_of_one_datagram_are_refused() {
    let mut all = Reassembly::new(ReassemblyConfig { max_fragments: 10, ..ReassemblyConfig::default() });
    let outcomes: Vec<Outcome> =
        (0..12).map(|number| all.insert(Instant::ZERO, &header(true), part(number * 16, true), &data(8))).collect();
    assert_eq!(outcomes[9], Outcome::Waiting);
    assert_eq!(outcomes[10..], [Outcome::Refused, Outcome::Refused]);
}

#[test]
fn what_is_split_fits_and_covers_everything() {
    for (payload, header, mtu) in [(0, 20, 1500), (1480, 20, 1500), (1481, 20, 1500), (65_000, 48, 1280), (9, 20, 28)] {
        let pieces: Vec<_> = split(payload, header, mtu).collect();
        assert!(pieces.iter().all(|(range, _)| range.len() + header <= mtu));
        assert!(pieces.iter().rev().skip(1).all(|(range, more)| range.len() % 8 == 0 && *more));
        assert_eq!(pieces.iter().map(|(range, _)| range.len()).sum::<usize>(), payload);
    }
    assert_eq!(split(100, 20, 27).count(), 0);
}

/// The oracle: a datagram as an array of bytes, each of which may be written once. Exact copies are ignored.
struct Oracle {
    bytes: Vec<Option<u8>>,
    seen: Vec<(usize, usize, bool, Vec<u8>)>,
    end: Option<usize>,
    dead: bool,
}

impl Oracle {
    fn insert(&mut self, from: usize, piece: &[u8], more: bool) -> Option<Vec<u8>> {
        let to = from + piece.len();
        if self.dead || (more && (piece.is_empty() || !piece.len().is_multiple_of(8))) {
            return None;
        }
        let known = (from, to, more, piece.to_vec());
        if self.seen.contains(&known) {
            return None;
        }
        let top = self.bytes.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let inside = self.bytes.iter().take(to).skip(from).any(Option::is_some);
        let empty_inside = piece.is_empty() && self.bytes.get(from).is_some_and(Option::is_some);
        let touches_empty = self.seen.iter().any(|(a, b, ..)| a == b && (*a == from || (from..to).contains(a)));
        let bad_end = self.end.is_some_and(|end| to > end || !more) || (!more && top > to);
        if inside || empty_inside || touches_empty || bad_end {
            self.dead = true;
            return None;
        }
        self.bytes.resize(self.bytes.len().max(to), None);
        for (place, byte) in self.bytes[from..to].iter_mut().zip(piece) {
            *place = Some(*byte);
        }
        self.seen.push(known);
        self.end = if more { self.end } else { Some(to) };
        let end = self.end?;
        let whole: Option<Vec<u8>> = self.bytes[..end].iter().copied().collect();
        whole.filter(|_| self.seen.iter().any(|(from, ..)| *from == 0))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Fragments of one datagram, from an honest sender or not, in any order: never a byte that was not sent in its place,
    /// and complete exactly when the oracle says so.
    #[test]
    fn agrees_with_the_oracle(
        pieces in proptest::collection::vec((0usize..8, 0usize..5, any::<bool>(), 0u8..8), 1..12), is_v4: bool,
    ) {
        let mut all = reassembly();
        let mut oracle = Oracle { bytes: Vec::new(), seen: Vec::new(), end: None, dead: false };
        let whole = data(200);
        for (offset, len, more, twist) in pieces {
            let (offset, mut len) = (offset * 8, len * 8);
            if !more && twist > 4 {
                len += usize::from(twist) - 4;
            }
            let mut piece = whole[offset..offset + len].to_vec();
            if twist == 0 && !piece.is_empty() {
                piece[0] ^= 0xff;
            }
            let ours = all.insert(Instant::ZERO, &header(is_v4), part(offset, more), &piece);
            let expected = oracle.insert(offset, &piece, more);
            match (&ours, &expected) {
                (Outcome::Complete(packet), Some(bytes)) => {
                    prop_assert_eq!(payload_of(packet), &bytes[..]);
                    break;
                }
                (Outcome::Complete(_), None) | (_, Some(_)) => prop_assert!(false, "{:?} but {:?}", ours, expected),
                (Outcome::Refused, None) => {}
                (_, None) => prop_assert!(!oracle.dead || ours == Outcome::BadLength, "{:?}", ours),
            }
        }
    }

    /// An honest sender's fragments, shuffled and some of them twice, always give the datagram.
    #[test]
    fn an_honest_datagram_arrives(len in 1usize..20_000, mtu in 100usize..2_000, shuffle: u64, is_v4: bool) {
        let whole = data(len);
        let mut pieces: Vec<_> = split(len, 48, mtu).collect();
        prop_assume!(pieces.len() <= 256);
        let mut state = shuffle | 1;
        for i in (1..pieces.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            pieces.swap(i, (state >> 33) as usize % (i + 1));
        }
        let mut all = reassembly();
        let mut result = None;
        for (number, (range, more)) in pieces.iter().enumerate() {
            let times = if number % 3 == 0 && number + 1 < pieces.len() { 2 } else { 1 };
            for _ in 0..times {
                let fragment = part(range.start, *more);
                match all.insert(Instant::ZERO, &header(is_v4), fragment, &whole[range.clone()]) {
                    Outcome::Complete(packet) => result = Some(packet),
                    outcome => prop_assert_eq!(outcome, Outcome::Waiting),
                }
            }
        }
        let result = result.unwrap();
        prop_assert_eq!(payload_of(&result), &whole[..]);
        prop_assert_eq!(all.usage(), (0, 0));
    }
}
