//! The incarnations before the one that is explored, and what of their segments turns up again.
//!
//! They happen as any other, from beginning to end, on a network that is kind. It must not know what their segments are going to
//! meet.

use bowline_wire::tcp::TcpFlags;

use super::{Wrong, guarded};
use crate::Side;
use crate::host::{Host, Input};
use crate::scenario::{Call, Strays};
use crate::segment::Segment;

type Script = &'static [(Side, Call)];

const ORDERLY: Script = &[
    (Side::B, Call::Listen),
    (Side::A, Call::Connect),
    (Side::A, Call::Send),
    (Side::B, Call::Send),
    (Side::A, Call::Close),
    (Side::B, Call::Close),
    (Side::B, Call::Unlisten),
    (Side::A, Call::Timer),
];

/// One for the RST of each side.
const ABORTED: [Script; 2] = [
    &[(Side::B, Call::Listen), (Side::A, Call::Connect), (Side::A, Call::Abort), (Side::B, Call::Unlisten)],
    &[(Side::B, Call::Listen), (Side::A, Call::Connect), (Side::B, Call::Abort), (Side::B, Call::Unlisten)],
];

/// How far the numbers of both sides are from those of the next incarnation. Were they the same, and all times as well, the
/// next incarnation would be the old one.
const WRAPPED: [u32; 2] = [0, 1];
/// Beyond all that will be sent, and well within the windows.
const AHEAD: [u32; 2] = [100, 100];

/// Lets both sides live before, and returns what will turn up again, each segment once.
pub(super) fn live(sides: &mut [Host; 2], strays: Strays) -> Result<Vec<Segment>, Wrong> {
    let scripts: &[Script] = if strays == Strays::Blind { &ABORTED } else { &[ORDERLY] };
    let mut lives = scripts.iter().map(|script| incarnation(sides, script)).collect::<Result<Vec<_>, _>>()?;
    sides.iter_mut().for_each(Host::begin_anew);
    for old in &mut lives {
        match strays {
            Strays::None | Strays::Old => {}
            Strays::OldInWindow => move_into_window(old, sides, WRAPPED)?,
            Strays::Blind => {
                move_into_window(old, sides, AHEAD)?;
                old.retain(|segment| segment.has(TcpFlags::SYN) || segment.has(TcpFlags::RST));
            }
        }
    }
    let mut out = Vec::new();
    for segment in lives.into_iter().flatten() {
        if !out.contains(&segment) {
            out.push(segment);
        }
    }
    Ok(out)
}

/// One incarnation from beginning to end: all that was sent.
fn incarnation(sides: &mut [Host; 2], script: Script) -> Result<Vec<Segment>, Wrong> {
    let mut old = Vec::new();
    for &(side, call) in script {
        let mut under_way = take(&mut sides[side as usize], Input::Call(call))?;
        while !under_way.is_empty() {
            let segment = under_way.remove(0);
            under_way.extend(take(&mut sides[segment.to as usize], Input::Segment(&segment))?);
            old.push(segment);
        }
    }
    if sides.iter().all(Host::is_over) { Ok(old) } else { Err(Wrong("an earlier incarnation does not end".into())) }
}

fn take(host: &mut Host, input: Input<'_>) -> Result<Vec<Segment>, Wrong> {
    let (after, step) = guarded(|| host.step(input))?;
    *host = after;
    Ok(step.sent)
}

/// Moves the numbers of old segments to where those of the next incarnation will be, and `off` from there.
fn move_into_window(old: &mut [Segment], sides: &[Host; 2], off: [u32; 2]) -> Result<(), Wrong> {
    let mut sides = sides.clone();
    take(&mut sides[1], Input::Call(Call::Listen))?;
    let syn = take(&mut sides[0], Input::Call(Call::Connect))?;
    let answer = match syn.first() {
        Some(syn) => take(&mut sides[1], Input::Segment(syn))?,
        None => Vec::new(),
    };
    let begin = |segments: &[Segment]| segments.first().map(|segment| segment.header.seq.0);
    let old_begin = |to| old.iter().find(|segment| segment.to == to).map(|segment| segment.header.seq.0);
    let moved = (begin(&syn).zip(old_begin(Side::B)), begin(&answer).zip(old_begin(Side::A)));
    let (Some((a, old_a)), Some((b, old_b))) = moved else { return Err(Wrong("there is no next incarnation".into())) };
    let by = [a.wrapping_sub(old_a).wrapping_add(off[0]), b.wrapping_sub(old_b).wrapping_add(off[1])];
    for segment in old {
        let sender = segment.to.other() as usize;
        segment.header.seq.0 = segment.header.seq.0.wrapping_add(by[sender]);
        if segment.has(TcpFlags::ACK) {
            segment.header.ack.0 = segment.header.ack.0.wrapping_add(by[1 - sender]);
        }
    }
    Ok(())
}
