//! Which cases are tried: every kind of segment in every state, and seeded conversations.

use std::time::Duration;

use bowline_base::Randomness;
use bowline_wire::tcp::TcpFlags;

use super::case::{Call, Case, Profile, Segment, Stamp, Step, Window};

const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;
const SYN_ACK: TcpFlags = SYN.union(ACK);
const FIN_ACK: TcpFlags = FIN.union(ACK);
const RST_ACK: TcpFlags = RST.union(ACK);
const URG_ACK: TcpFlags = TcpFlags::URG.union(ACK);

/// Longer than an acknowledgement is delayed, shorter than a retransmission takes.
const SHORT: Duration = Duration::from_millis(100);
/// Long enough for one retransmission and too short for two.
const LONG: Duration = Duration::from_millis(300);

const NONE: Profile = Profile { mss: None, scale: None, sack: false, timestamps: false };
const ALL: Profile = Profile { mss: Some(1460), scale: Some(7), sack: true, timestamps: true };
const PROFILES: [Profile; 4] = [
    NONE,
    ALL,
    Profile { mss: Some(1000), scale: None, sack: true, timestamps: false },
    Profile { mss: Some(536), scale: Some(14), sack: false, timestamps: true },
];

const fn peer(segment: Segment) -> Step {
    Step::Peer(segment)
}

const fn flags(flags: TcpFlags) -> Segment {
    Segment::new(flags)
}

/// What leads to each state, or near it.
fn openings() -> Vec<Vec<Step>> {
    let (listen, connect) = (Step::Call(Call::Listen), Step::Call(Call::Connect));
    let (shutdown, close) = (Step::Call(Call::Shutdown), Step::Call(Call::Close));
    let (syn, ack, fin) = (peer(flags(SYN)), peer(flags(ACK)), peer(flags(FIN_ACK)));
    let established = [listen, syn, ack];
    let then = |more: &[Step]| [&established[..], more].concat();
    // A FIN that does not acknowledge ours, which it crosses.
    let crossing = peer(flags(FIN_ACK).acking(-1));
    vec![
        vec![],
        vec![listen],
        vec![connect],
        vec![listen, syn],
        vec![connect, syn],
        established.to_vec(),
        vec![connect, peer(flags(SYN_ACK))],
        then(&[Step::Call(Call::Write(1000))]),
        then(&[shutdown]),
        then(&[close]),
        then(&[shutdown, ack]),
        then(&[close, ack]),
        then(&[fin]),
        then(&[shutdown, crossing]),
        then(&[fin, shutdown]),
        then(&[shutdown, ack, fin]),
        then(&[close, fin]),
        vec![connect, peer(flags(SYN_ACK)), shutdown, ack],
        vec![connect, peer(flags(SYN_ACK)), shutdown, fin],
    ]
}

/// Every kind of segment.
fn segments() -> Vec<Segment> {
    let mut all = Vec::new();
    let far = 1_000_000;
    for at in [0, 1, 1000, -1, -1000, far] {
        all.extend([SYN, RST, ACK, FIN_ACK].map(|kind| flags(kind).at(at)));
        all.push(flags(ACK).at(at).text(10));
        all.push(flags(FIN_ACK).at(at).text(10));
    }
    for acking in [1, 1000, -1, -2, far, -far] {
        all.extend([ACK, FIN_ACK, RST_ACK, SYN_ACK].map(|kind| flags(kind).acking(acking)));
        all.push(flags(ACK).acking(acking).text(10));
    }
    all.extend([flags(SYN_ACK), flags(RST_ACK), flags(RST_ACK).at(1), flags(SYN_ACK).at(1000), flags(SYN_ACK).at(-1)]);
    all.extend([TcpFlags::empty(), FIN, TcpFlags::URG, SYN | FIN, SYN | RST, FIN | RST, SYN | FIN | ACK].map(flags));
    all.extend([
        flags(TcpFlags::empty()).text(10),
        flags(SYN).text(10),
        flags(RST).text(10),
        flags(SYN | FIN).text(10),
    ]);
    all.push(flags(SYN | TcpFlags::ECE | TcpFlags::CWR));
    all.push(flags(TcpFlags::all() - TcpFlags::AE));
    for at in [-5, -10, -20] {
        all.push(flags(ACK).at(at).text(15));
    }
    for window in [Window::Closed, Window::Small] {
        all.push(Segment { window, ..flags(ACK) });
    }
    for (urgent, len) in [(1, 0), (1, 10), (10, 10), (60_000, 10), (0, 10)] {
        all.push(Segment { urgent, len, ..flags(URG_ACK) });
    }
    for stamp in [Stamp::Old, Stamp::Missing] {
        for kind in [ACK, SYN, RST, FIN_ACK] {
            all.push(Segment { stamp, ..flags(kind) });
        }
        all.push(Segment { stamp, ..flags(ACK).text(10) });
    }
    for sack in [(1, 11), (-500, -100), (100, 50), (-5000, far), (0, 0)] {
        all.push(Segment { sack: Some(sack), ..flags(ACK).acking(-1000) });
    }
    all.push(Segment { misplaced: true, ..flags(ACK).text(10) });
    all
}

/// Each segment in each state, with and without options.
pub(super) fn matrix() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, opening) in openings().into_iter().enumerate() {
        for segment in segments() {
            for profile in [NONE, ALL] {
                let ipv6 = (number + cases.len()).is_multiple_of(4);
                let steps = [&opening[..], &[peer(segment), Step::Call(Call::Read), Step::Wait(SHORT)]].concat();
                cases.push(Case { ipv6, profile, steps, opening: opening.len() });
            }
        }
    }
    cases
}

fn ends_writing(step: &Step) -> bool {
    matches!(step, Step::Call(Call::Write(_)) | Step::Wait(LONG))
}

/// A conversation of up to six steps behind an opening.
pub(super) fn conversation(seed: u64) -> Case {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = Randomness::new(bytes);
    let mut pick = |n: usize| random.below(n as u64) as usize;
    let (openings, segments) = (openings(), segments());
    let mut steps = openings[pick(openings.len())].clone();
    let opening = steps.len();
    for _ in 0..2 + pick(5) {
        let honest =
            [flags(ACK), flags(ACK).text(10), flags(ACK).text(1000), flags(FIN_ACK), flags(ACK).at(100).text(50)];
        steps.push(match pick(10) {
            0..=2 => peer(honest[pick(honest.len())]),
            3..=6 => peer(segments[pick(segments.len())]),
            // Once: more would come near the timers of a second.
            7 if !steps.contains(&Step::Wait(LONG)) => Step::Wait(LONG),
            7 => Step::Call(Call::Read),
            // Once, and not after a retransmission: congestion control and Nagle's algorithm have tests of their own.
            8 if !steps.iter().any(ends_writing) => Step::Call(Call::Write([1, 100, 1000, 3000][pick(4)])),
            8 => Step::Call(Call::Shutdown),
            _ => Step::Call([Call::Read, Call::Read, Call::Shutdown, Call::Close, Call::Abort][pick(5)]),
        });
    }
    steps.push(Step::Call(Call::Read));
    // Not two waits: retransmissions back off, by round-trip times that the machine's load makes longer.
    if !steps.contains(&Step::Wait(LONG)) {
        steps.push(Step::Wait(LONG));
    }
    Case { ipv6: pick(4) == 0, profile: PROFILES[pick(PROFILES.len())], steps, opening }
}
