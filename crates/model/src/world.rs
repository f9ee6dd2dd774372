//! Both sides and the network between them: which choices there are in a state, what each leads to, and what two sides
//! together may not do.
//!
//! A side's step depends on that side and its input alone, so each is made once and remembered: the endpoint's code runs
//! once for each state of a *side*, not once for each of the far more numerous states of the world. A state of the world is
//! two numbers of sides' states and the names of the segments under way.
//!
//! The network may delay a segment for ever, which is to lose it; deliver segments in any order; deliver some more than
//! once; and deliver segments of an earlier incarnation. Clocks of both sides run independently of each other.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Side;
use crate::host::{Arrow, Host, Input, Step};
use crate::scenario::{Call, Scenario, Strays};
use crate::segment::{Segment, SegmentId, Segments};

mod beside;

/// Steps after which two sides that both want to end, on a network that is kind, must have ended.
const MOST: usize = 400;

/// A state of the world.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The states of both sides, by number.
    pub hosts: [u32; 2],
    /// Deliveries left after which a segment stays under way.
    pub duplicates: u8,
    /// Deliveries of strays left.
    pub strays: u8,
    /// What is under way, each once, in the order of names.
    pub net: Vec<SegmentId>,
}

/// What can happen next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Choice {
    /// A user calls, or time passes for a side.
    Call(Side, Call),
    /// A segment arrives.
    Deliver(SegmentId),
    /// A segment arrives, and may once more.
    Duplicate(SegmentId),
    /// A segment of an earlier incarnation arrives.
    Stray(SegmentId),
}

/// What a side's step leads to.
#[derive(Clone, Debug)]
struct Outcome {
    host: u32,
    sent: Vec<SegmentId>,
}

/// What must never be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong(pub String);

type Key = (u32, u8, u16);

/// A scenario's world, as far as it has been seen.
pub struct World {
    scenario: Arc<Scenario>,
    hosts: Vec<Host>,
    numbers: HashMap<(Side, u128), u32>,
    segments: Segments,
    steps: HashMap<Key, Result<Outcome, Wrong>>,
    strays: Vec<SegmentId>,
    arrows: BTreeSet<Arrow>,
    first: [u32; 2],
}

impl World {
    /// The world before anything has happened.
    ///
    /// # Errors
    /// If the earlier incarnation of which segments are to turn up does not come to its end.
    pub fn new(scenario: Scenario) -> Result<Self, Wrong> {
        let scenario = Arc::new(scenario);
        let mut world = Self {
            hosts: Vec::new(),
            numbers: HashMap::new(),
            segments: Segments::default(),
            steps: HashMap::new(),
            strays: Vec::new(),
            arrows: BTreeSet::new(),
            first: [0, 0],
            scenario: scenario.clone(),
        };
        let mut sides = Side::BOTH.map(|side| Host::new(side, &scenario));
        if scenario.strays != Strays::None {
            world.live_before(&mut sides)?;
        }
        let [a, b] = sides;
        world.first = [world.number(Side::A, a)?, world.number(Side::B, b)?];
        Ok(world)
    }

    /// The first state.
    #[must_use]
    pub fn first(&self) -> State {
        let Scenario { duplicates, stray_deliveries, .. } = *self.scenario;
        State { hosts: self.first, duplicates, strays: stray_deliveries, net: Vec::new() }
    }

    /// What is explored.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The arrows of the state diagram that were taken so far.
    #[must_use]
    pub fn arrows(&self) -> &BTreeSet<Arrow> {
        &self.arrows
    }

    /// Different states of sides, steps of sides, and segments seen so far.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.hosts.len(), self.steps.len(), self.segments.len())
    }

    /// A side in a state.
    #[must_use]
    pub fn host(&self, state: &State, side: Side) -> &Host {
        &self.hosts[state.hosts[side as usize] as usize]
    }

    /// A segment.
    #[must_use]
    pub fn segment(&self, name: SegmentId) -> Option<&Segment> {
        self.segments.get(name)
    }

    /// Everything that can happen next, in an order that is always the same.
    #[must_use]
    pub fn choices(&self, state: &State) -> Vec<Choice> {
        let mut out = Vec::new();
        for side in Side::BOTH {
            if side == Side::B && self.scenario.alike && state.hosts == self.first {
                // Alike sides: what begins with the other one is the mirror image of what begins with this one.
                break;
            }
            out.extend(self.host(state, side).calls().into_iter().map(|call| Choice::Call(side, call)));
        }
        out.extend(state.net.iter().map(|&name| Choice::Deliver(name)));
        if state.duplicates > 0 {
            out.extend(state.net.iter().map(|&name| Choice::Duplicate(name)));
        }
        if state.strays > 0 {
            out.extend(self.strays.iter().map(|&name| Choice::Stray(name)));
        }
        out
    }

    /// A choice in a word that is the same in every exploration: `a:send`, `3fa2c1` for a segment that arrives, `+3fa2c1` for
    /// one that stays under way, `~3fa2c1` for one of old.
    #[must_use]
    pub fn word(&self, choice: Choice) -> String {
        let (mark, name) = match choice {
            Choice::Call(side, call) => return format!("{side:?}:{call:?}").to_lowercase(),
            Choice::Deliver(name) => ("", name),
            Choice::Duplicate(name) => ("+", name),
            Choice::Stray(name) => ("~", name),
        };
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        self.segments.get(name).hash(&mut hasher);
        format!("{mark}{:06x}", hasher.finish128().h1 & 0xff_ffff)
    }

    /// What a choice leads to; `None` if that is nothing that a lost segment would not lead to as well.
    ///
    /// # Errors
    /// What a side did that it may never do, or that the two may not do together.
    pub fn follow(&mut self, state: &State, choice: Choice) -> Result<Option<State>, Wrong> {
        let (side, call, name) = match choice {
            Choice::Call(side, call) => (side, Some(call), 0),
            Choice::Deliver(name) | Choice::Duplicate(name) | Choice::Stray(name) => {
                let Some(segment) = self.segments.get(name) else { return Ok(None) };
                (segment.to, None, name)
            }
        };
        let outcome = self.step(state.hosts[side as usize], side, call, name)?;
        let inert = outcome.host == state.hosts[side as usize] && outcome.sent.is_empty();
        if inert {
            // A segment that changes nothing is as good as one that stays under way: that state is a part of this one.
            return Ok(None);
        }
        let mut next = state.clone();
        next.hosts[side as usize] = outcome.host;
        match choice {
            Choice::Deliver(name) => next.net.retain(|&other| other != name),
            Choice::Duplicate(_) => next.duplicates -= 1,
            Choice::Stray(_) => next.strays -= 1,
            Choice::Call(..) => {}
        }
        for name in outcome.sent {
            if let Err(place) = next.net.binary_search(&name) {
                next.net.insert(place, name);
            }
        }
        self.judge(&next)?;
        Ok(Some(next))
    }

    /// A side's step, made or remembered.
    fn step(&mut self, host: u32, side: Side, call: Option<Call>, name: SegmentId) -> Result<Outcome, Wrong> {
        let key = (host, call.map_or(u8::MAX, |call| call as u8), name);
        if let Some(known) = self.steps.get(&key) {
            return known.clone();
        }
        let made = self.make_step(host, side, call, name);
        self.steps.insert(key, made.clone());
        made
    }

    fn make_step(&mut self, host: u32, side: Side, call: Option<Call>, name: SegmentId) -> Result<Outcome, Wrong> {
        let input = match (call, self.segments.get(name)) {
            (Some(call), _) => Input::Call(call),
            (None, Some(segment)) => Input::Segment(segment),
            (None, None) => return Err(Wrong(format!("no segment is called {name}"))),
        };
        let before = &self.hosts[host as usize];
        let (after, step) = guarded(|| before.step(input))?;
        self.finish(side, after, step)
    }

    fn finish(&mut self, side: Side, after: Host, step: Step) -> Result<Outcome, Wrong> {
        self.arrows.extend(step.arrows);
        let host = self.number(side, after)?;
        let names = step.sent.into_iter().map(|segment| self.segments.name(segment)).collect::<Option<_>>();
        let sent = names.ok_or_else(|| Wrong("more different segments than there are names".into()))?;
        Ok(Outcome { host, sent })
    }

    /// The number of a side's state. A new one is first left alone, to see that it ends.
    fn number(&mut self, side: Side, host: Host) -> Result<u32, Wrong> {
        let mut hasher = SipHasher13::new_with_keys(1, side as u64);
        host.hash(&mut hasher);
        let fingerprint = hasher.finish128().as_u128();
        if let Some(&number) = self.numbers.get(&(side, fingerprint)) {
            return Ok(number);
        }
        for last in [Call::Close, Call::Abort] {
            guarded(|| host.ends_alone(last))?;
        }
        let number = u32::try_from(self.hosts.len()).map_err(|_| Wrong("more than 2^32 states of a side".into()))?;
        self.hosts.push(host);
        self.numbers.insert((side, fingerprint), number);
        Ok(number)
    }

    /// What two sides may not do together.
    fn judge(&self, state: &State) -> Result<(), Wrong> {
        for side in Side::BOTH {
            let (ours, theirs) = (self.host(state, side).ledger(), self.host(state, side.other()).ledger());
            beside::judge(side, ours, theirs, self.scenario.cookies)
                .map_err(|what| Wrong(format!("{side:?}: {what}")))?;
        }
        Ok(())
    }

    /// From here on everybody wants to end, and the network is kind: what is under way arrives, oldest name first, and time
    /// passes only when nothing is. Nothing may be left in the end.
    ///
    /// # Errors
    /// What is left, or what was wrong on the way.
    pub fn ends_together(&mut self, state: &State) -> Result<(), Wrong> {
        let mut state = state.clone();
        for _ in 0..MOST {
            let Some(choice) = self.kindest(&state) else { break };
            match self.follow(&state, choice)? {
                Some(next) => state = next,
                None => match choice {
                    Choice::Deliver(name) => state.net.retain(|&other| other != name),
                    _ => return Err(Wrong(format!("{choice:?} leads nowhere"))),
                },
            }
        }
        let over = |side| self.host(&state, side).is_over();
        if Side::BOTH.into_iter().all(over) && state.net.is_empty() {
            return Ok(());
        }
        let states = Side::BOTH.map(|side| self.host(&state, side).state());
        Err(Wrong(format!("both close, the network is kind, and {} and {} remain", states[0], states[1])))
    }

    fn kindest(&self, state: &State) -> Option<Choice> {
        if let Some(&name) = state.net.first() {
            return Some(Choice::Deliver(name));
        }
        let first = |calls: &[Call]| {
            Side::BOTH.into_iter().find_map(|side| {
                let host = self.host(state, side);
                let call = calls.iter().copied().find(|&call| host.may(call))?;
                Some(Choice::Call(side, call))
            })
        };
        first(&[Call::Read, Call::Close, Call::Unlisten]).or_else(|| first(&[Call::Timer]))
    }

    /// One incarnation from beginning to end; what it sent will turn up again.
    fn live_before(&mut self, sides: &mut [Host; 2]) -> Result<(), Wrong> {
        let script = [
            (Side::B, Call::Listen),
            (Side::A, Call::Connect),
            (Side::A, Call::Send),
            (Side::B, Call::Send),
            (Side::A, Call::Close),
            (Side::B, Call::Close),
            (Side::B, Call::Unlisten),
            (Side::A, Call::Timer),
        ];
        let mut old = Vec::new();
        for (side, call) in script {
            let mut under_way = take(&mut sides[side as usize], Input::Call(call))?;
            while !under_way.is_empty() {
                let segment = under_way.remove(0);
                under_way.extend(take(&mut sides[segment.to as usize], Input::Segment(&segment))?);
                old.push(segment);
            }
        }
        if !sides.iter().all(Host::is_over) {
            return Err(Wrong("the earlier incarnation does not end".into()));
        }
        sides.iter_mut().for_each(Host::begin_anew);
        if self.scenario.strays == Strays::OldInWindow {
            move_into_window(&mut old, sides)?;
        }
        for segment in old {
            let name = self.segments.name(segment).ok_or_else(|| Wrong("too many segments".into()))?;
            if !self.strays.contains(&name) {
                self.strays.push(name);
            }
        }
        Ok(())
    }
}

fn take(host: &mut Host, input: Input<'_>) -> Result<Vec<Segment>, Wrong> {
    let (after, step) = guarded(|| host.step(input))?;
    *host = after;
    Ok(step.sent)
}

/// Moves the numbers of old segments to where those of the next incarnation will be.
fn move_into_window(old: &mut [Segment], sides: &[Host; 2]) -> Result<(), Wrong> {
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
    // One side's numbers are the same as they will be, the other's differ by one: were both the same, and all times as well,
    // the next incarnation would be the old one.
    let by = [a.wrapping_sub(old_a), b.wrapping_sub(old_b).wrapping_add(1)];
    for segment in old {
        let sender = segment.to.other() as usize;
        segment.header.seq.0 = segment.header.seq.0.wrapping_add(by[sender]);
        if segment.has(bowline_wire::tcp::TcpFlags::ACK) {
            segment.header.ack.0 = segment.header.ack.0.wrapping_add(by[1 - sender]);
        }
    }
    Ok(())
}

/// Makes a panic a finding.
fn guarded<R>(f: impl FnOnce() -> Result<R, String>) -> Result<R, Wrong> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(Wrong),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(Wrong(format!("panic: {}", text.unwrap_or_default())))
        }
    }
}
