//! Carries out a script: events in their order, in virtual time, against a host of its own.
//!
//! The parts: `world` is the host and the clock, `flow` maps a script's numbers to those of the wire, `packets` sends and
//! expects packets, `calls` makes calls, `shell` does what commands ask, `log` draws what happened.
//!
//! # When something counts as unexpected
//!
//! Packets are compared with the lines that expect packets, one after the other, in the order in which they were sent: nothing
//! is passed over. After the last line nothing may have been sent that no line expects; time does not move on for that, so that
//! timers that the script leaves running are no matter, unless [`Setting::linger`] says so. A script that begins with its
//! suite's `defaults.sh` was written for a tool that stops looking after the last line that expects a packet: there, what is sent
//! after it is remarked, and fails only where [`Setting::strict`] or a linger asks for it. That tool looks at one connection at a time,
//! too: what another one sends meanwhile is passed over there.

mod calls;
mod counters;
mod files;
mod flow;
mod log;
mod names;
mod packets;
mod shell;
mod super_segments;
mod values;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bowline_base::Instant;
use bowline_posix::{Abi, Fd, HostConfig, Profile, Sysctls};

use crate::code::Interpreter;
use crate::door::{Door, Make};
use crate::report::Failure;
use crate::script::{Action, Call, Event, IpVersion, Script, When};
use crate::source::Place;
use calls::Pending;
use flow::Flow;
use log::Log;
use world::World;

/// How a script is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Whose behaviour the host has; default Bowline's own.
    pub profile: Profile,
    /// Whose numbers its calls take; default: those of the profile's system.
    pub abi: Option<Abi>,
    /// In which version of IP.
    pub version: IpVersion,
    /// How long after the last event packets that no line expects are still looked for; default: time does not move on.
    pub linger: Duration,
    /// Whether packets after the last line are failures also in scripts of suites, which stop looking there; default no.
    pub strict: bool,
    /// Whether packets after the last line are remarked, and no failures, in any script; default no.
    pub open_end: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            abi: None,
            version: IpVersion::V4,
            linger: Duration::ZERO,
            strict: false,
            open_end: false,
        }
    }
}

/// What came of a run that kept to its script.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Passed {
    /// Virtual time that passed, in microseconds.
    pub virtual_micros: u64,
    /// What its code printed.
    pub printed: Vec<String>,
    /// Differences that the script says are not fatal.
    pub remarks: Vec<Failure>,
    /// Settings and socket options that were taken and change nothing in this stack.
    pub without_effect: Vec<String>,
}

/// What came of a run that did not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Failed {
    /// The first thing that was not as the script says, with a diagram of what happened up to there.
    pub failure: Failure,
    /// Settings and socket options that had been taken and change nothing in this stack.
    pub without_effect: Vec<String>,
}

/// Runs a script.
///
/// # Errors
/// What was not as the script says.
pub fn run(script: &Script, setting: Setting) -> Result<Passed, Box<Failed>> {
    run_through(script, setting, World::behind_a_door)
}

/// Runs a script through another door than the runner's own.
///
/// # Errors
/// As for [`run`], and what the script asks for that this door does not have.
pub fn run_through(script: &Script, setting: Setting, make: Make) -> Result<Passed, Box<Failed>> {
    let mut runner = Runner { make, ..Runner::new(script, setting) };
    let result = runner.run().and_then(|()| runner.end(setting));
    let cleanup = script.cleanup.as_ref().map_or(Ok(()), |command| runner.command(command));
    let refused = runner.refused.take().map_or(Ok(()), |why| Err(Failure::new(Place::default(), why)));
    let without_effect = std::mem::take(&mut runner.without_effect).into_iter().collect();
    match refused.and(result).and(cleanup) {
        Ok(()) => Ok(Passed {
            virtual_micros: runner.now_micros(),
            printed: std::mem::take(&mut runner.printed),
            remarks: std::mem::take(&mut runner.remarks),
            without_effect,
        }),
        Err(failure) => Err(Box::new(Failed { failure: failure.with_diagram(runner.log.draw()), without_effect })),
    }
}

/// A script that is being run.
struct Runner<'a> {
    script: &'a Script,
    version: IpVersion,
    sysctls: Sysctls,
    /// The host, once something needs it: commands before may still change what it is made of.
    world: Option<Box<dyn Door>>,
    make: Make,
    /// Why the host could not be made as the script wants it.
    refused: Option<String>,
    /// Connections, in the order in which they appeared.
    flows: Vec<Flow>,
    /// The flow of packets without ports.
    current: Option<usize>,
    /// The script's descriptor that listens.
    listener: Option<i64>,
    /// The script's descriptor that was opened last.
    newest: Option<i64>,
    /// The script's descriptors.
    fds: BTreeMap<i64, Fd>,
    /// Ports that the script's descriptors are bound to.
    bound: BTreeMap<i64, u16>,
    pending: BTreeMap<usize, Pending>,
    /// From when relative times of the event under way count, in microseconds.
    base: u64,
    /// When the event before was to happen.
    last: u64,
    interpreter: Interpreter,
    files: files::Files,
    /// Whether the script begins with its suite's defaults.
    is_suites: bool,
    /// Whether what its suite's tool passes over counts all the same.
    strict: bool,
    /// The counters when `nstat` was asked last.
    counted: BTreeMap<&'static str, u64>,
    without_effect: BTreeSet<String>,
    printed: Vec<String>,
    remarks: Vec<Failure>,
    log: Log,
}

impl<'a> Runner<'a> {
    fn new(script: &'a Script, setting: Setting) -> Self {
        let (options, version) = (&script.options, setting.version);
        let mut host = HostConfig {
            addresses: vec![options.local(version)],
            any_address: options.anyip,
            mtu: options.mtu(version),
            ..HostConfig::new(setting.profile)
        };
        host.abi = setting.abi.unwrap_or(host.abi);
        let log =
            Log::new((options.local(version), options.bind_port), (options.remote(version), options.connect_port));
        Self {
            script,
            version,
            sysctls: Sysctls::new(host),
            world: None,
            make: World::behind_a_door,
            refused: None,
            flows: Vec::new(),
            current: None,
            listener: None,
            newest: None,
            fds: BTreeMap::new(),
            bound: BTreeMap::new(),
            pending: BTreeMap::new(),
            base: 0,
            last: 0,
            interpreter: Interpreter::default(),
            files: files::Files::default(),
            is_suites: false,
            strict: setting.strict || !setting.linger.is_zero(),
            counted: BTreeMap::new(),
            without_effect: BTreeSet::new(),
            printed: Vec::new(),
            remarks: Vec::new(),
            log,
        }
    }

    /// The host, made when it is first needed.
    fn world(&mut self) -> &mut dyn Door {
        let (sysctls, make, refused) = (&self.sysctls, self.make, &mut self.refused);
        let world = self.world.get_or_insert_with(|| {
            make(sysctls).unwrap_or_else(|why| {
                *refused = Some(why);
                Box::new(World::new(sysctls))
            })
        });
        &mut **world
    }

    fn now_micros(&self) -> u64 {
        self.world.as_ref().map_or(0, |world| world.micros(world.now()))
    }

    fn micros_at(&self, at: Instant) -> u64 {
        self.world.as_ref().map_or(0, |world| world.micros(at))
    }

    /// By how much the time of something due then may differ, in microseconds.
    fn tolerance(&self, due: u64) -> u64 {
        let options = &self.script.options;
        options.tolerance.max(due.saturating_sub(self.last) * u64::from(options.tolerance_permille) / 1000)
    }

    fn call_of(&self, event: usize) -> Option<&'a Call> {
        match &self.script.events.get(event)?.action {
            Action::Call(call) => Some(call),
            _ => None,
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        let script = self.script;
        for file in &script.options.init_scripts {
            let command = crate::script::Command { place: Place::default(), text: file.clone() };
            self.command(&command)?;
        }
        if let Some(command) = &script.init {
            self.command(command)?;
        }
        for (index, event) in script.events.iter().enumerate() {
            self.base = self.now_micros();
            self.event(index, event)?;
            self.judge_returned()?;
            self.last = self.now_micros();
        }
        Ok(())
    }

    fn event(&mut self, index: usize, event: &'a Event) -> Result<(), Failure> {
        if let Action::Packet(packet) = &event.action
            && packet.direction == crate::script::Direction::Out
        {
            return self.expect(index, event, packet);
        }
        self.pass_to(event)?;
        match &event.action {
            Action::Packet(packet) => self.inject(event, packet),
            Action::Call(call) => self.call(index, event, call),
            Action::Command(command) => self.command(command),
            Action::Code(code) => self.code(code),
        }
    }

    /// When an event is due: from, to, and by how much that may differ.
    fn due(&self, when: When) -> (u64, u64, u64) {
        let (from, to) = match when {
            When::At(at) => (at, at),
            When::Between(from, to) => (from, to),
            When::After(after) => (self.base + after, self.base + after),
            When::AfterBetween(from, to) => (self.base + from, self.base + to),
            When::Any => (0, u64::MAX),
        };
        (from, to, if when == When::Any { 0 } else { self.tolerance(to) })
    }

    /// Lets time pass up to an event's.
    fn pass_to(&mut self, event: &Event) -> Result<(), Failure> {
        let (due, _, tolerance) = self.due(event.when);
        if self.world.is_some() || due > 0 {
            let until = self.world().at(due);
            self.world().pass(until);
            self.judge_returned()?;
        }
        let now = self.now_micros();
        if now > due + tolerance {
            return Err(Failure::new(event.place, "the time of this event has passed when it is its turn")
                .expected(seconds(due))
                .seen(seconds(now)));
        }
        Ok(())
    }

    /// What may still be there after the last event.
    fn end(&mut self, setting: Setting) -> Result<(), Failure> {
        self.wait_for_pending()?;
        let Some(world) = &mut self.world else { return Ok(()) };
        let until = world.now() + setting.linger;
        world.pass(until);
        let mut rest: Vec<_> = std::iter::from_fn(|| world.take()).collect();
        rest.retain(|packet| !self.is_left_over(packet, true));
        match rest.into_iter().next() {
            None => Ok(()),
            Some(packet) => {
                let place = self.script.events.last().map(|event| event.place).unwrap_or_default();
                let failure = self.unexpected(place, &packet, "after its last line the script expects no packet");
                if (self.is_suites || setting.open_end) && !self.strict {
                    self.remarks.push(failure);
                    return Ok(());
                }
                Err(failure)
            }
        }
    }
}

/// Microseconds as seconds: `1.000250`.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests;
