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

use bowline_tcp::state::State as TcpState;
use bowline_wire::tcp::TcpFlags;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Side;
use crate::host::{Arrow, Host, Input, Step};
use crate::scenario::{Call, Scenario, Strays};
use crate::segment::{Segment, SegmentId, Segments};
use twins::Twins;

mod before;
mod beside;
mod twins;

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

/// The state in which a challenge was sent, and whether it answered a RST; else it was a SYN.
pub type Challenge = (TcpState, bool);

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
    challenged: BTreeSet<Challenge>,
    first: [u32; 2],
    twins: Option<Twins>,
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
            challenged: BTreeSet::new(),
            first: [0, 0],
            twins: None,
            scenario: scenario.clone(),
        };
        let mut sides = Side::BOTH.map(|side| Host::new(side, &scenario));
        if scenario.strays != Strays::None {
            let old = before::live(&mut sides, scenario.strays)?;
            world.strays = world.names(old)?;
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

    /// In which states a SYN or RST of old was challenged.
    #[must_use]
    pub fn challenged(&self) -> &BTreeSet<Challenge> {
        &self.challenged
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
        if let (Choice::Stray(_), Strays::Blind) = (choice, self.scenario.strays) {
            self.judge_blind(state.hosts[side as usize], &outcome, name)?;
        }
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
        Ok(Outcome { host, sent: self.names(step.sent)? })
    }

    fn names(&mut self, segments: Vec<Segment>) -> Result<Vec<SegmentId>, Wrong> {
        let names = segments.into_iter().map(|segment| self.segments.name(segment)).collect::<Option<_>>();
        names.ok_or_else(|| Wrong("more different segments than there are names".into()))
    }

    /// The number of a side's state. A new one is first left alone, to see that it ends.
    fn number(&mut self, side: Side, host: Host) -> Result<u32, Wrong> {
        let mut hasher = SipHasher13::new_with_keys(1, side as u64);
        host.hash(&mut hasher);
        let fingerprint = hasher.finish128().as_u128();
        if let Some(&number) = self.numbers.get(&(side, fingerprint)) {
            if let Some(twins) = &mut self.twins {
                twins.keep(number, host);
            }
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
            beside::judge(side, ours, theirs, self.scenario.has_cookies())
                .map_err(|what| Wrong(format!("{side:?}: {what}")))?;
        }
        Ok(())
    }

    /// A SYN or RST of old that lies in the window, but not where the next segment is expected, does nothing to a connection, and
    /// is answered with an acknowledgement at most (RFC 5961 3.2, 4.2).
    fn judge_blind(&mut self, before: u32, outcome: &Outcome, name: SegmentId) -> Result<(), Wrong> {
        let hosts = [before, outcome.host].map(|number| self.hosts.get(number as usize));
        let ([Some(before), Some(after)], Some(segment)) = (hosts, self.segments.get(name)) else { return Ok(()) };
        let is_reset = segment.has(TcpFlags::RST);
        let state = before.state();
        let sent: Vec<_> = outcome.sent.iter().filter_map(|&name| self.segments.get(name)).collect();
        let is_challenge = matches!(sent[..], [answer] if answer.header.flags == TcpFlags::ACK && answer.is_empty());
        // RFC 9293 3.6.1: a SYN beyond all that TIME-WAIT has seen may begin a new connection.
        let counts = state.is_synchronized() && (is_reset || state != TcpState::TimeWait);
        if counts
            && (after.state() != state
                || !before.ledger().is_like(after.ledger())
                || !(sent.is_empty() || is_challenge))
        {
            let what = if is_reset { "RST" } else { "SYN" };
            return Err(Wrong(format!("a {what} of old, off the expected number, took {state} to {}", after.state())));
        }
        if is_challenge {
            self.challenged.insert((state, is_reset));
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
