//! A peer that does what a script says, and asserts what an endpoint answers.
//!
//! ```text
//! < SYN seq=0 mss=1460        the peer sends
//! > SYN,ACK seq=0 ack=1       the endpoint must have sent this next, …
//! .                           … and nothing more (also implied before every `<` and `+`, and at the end of a script)
//! +200ms                      time passes, timers fire
//! = ESTABLISHED               the state, as the tables show it
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::state::{Cause, State, TRANSITIONS, Transition};
use bowline_tcp::trace::Trace;
use bowline_tcp::{
    Arrival, Config, ConnectionKey, Counters, Endpoint, Event, FourTuple, Info, Listen, ListenerKey, Options, Path,
};
use bowline_wire::tcp::{MAX_HEADER, TcpFlags, TcpHeader};
use bowline_wire::{Ecn, Piece, Signature};
use bytes::Bytes;

use super::md5::digest;
use super::script::{Line, describe};
use super::stream;

/// The peer's initial sequence number: close before the wrap, so that every conversation crosses it.
pub(crate) const PEER_ISN: u32 = u32::MAX - 20;
const OURS: [u8; 4] = [10, 0, 0, 2];
const PEER: [u8; 4] = [10, 0, 0, 1];
const MTU: u16 = 1500;

/// A segment that the endpoint has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) header: TcpHeader,
    pub(crate) payload: Vec<u8>,
    /// Payload bytes per wire segment, where it is a super-segment.
    pub(crate) size: Option<u16>,
}

/// The scripted peer, with the endpoint that it talks to.
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Instant,
    ports: (u16, u16),
    /// The key that the peer signs with, and wants to see used.
    pub(crate) md5: Option<&'static [u8]>,
    /// The endpoint's initial numbers by four-tuple, as seen in its SYNs.
    iss: BTreeMap<(u16, u16), u32>,
    echo: u32,
    sent: VecDeque<Sent>,
    events: Vec<Event>,
    traced: Vec<Trace>,
    diagram: String,
    arrows: BTreeSet<(State, Cause, State)>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with_options(options: Options) -> Self {
        Self::with(Config { options, ..Config::default() })
    }

    /// No options of TCP at all: segments are easier to read.
    pub(crate) fn plain() -> Self {
        Self::with_options(plain())
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut endpoint = Endpoint::new(config, [42; 32]);
        endpoint.trace().set_enabled(true);
        Self {
            endpoint,
            now: Instant::from_secs(1000),
            ports: (80, 4000),
            md5: None,
            iss: BTreeMap::new(),
            echo: 0,
            sent: VecDeque::new(),
            events: Vec::new(),
            traced: Vec::new(),
            diagram: String::new(),
            arrows: BTreeSet::new(),
        }
    }

    // ---- who

    /// From now on the peer speaks from this port, to this one of ours.
    pub(crate) fn ports(&mut self, ours: u16, peer: u16) -> &mut Self {
        self.ports = (ours, peer);
        self
    }

    pub(crate) fn local(&self) -> SocketAddr {
        SocketAddr::from((OURS, self.ports.0))
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        SocketAddr::from((PEER, self.ports.1))
    }

    pub(crate) fn tuple(&self) -> FourTuple {
        FourTuple::new(self.local(), self.remote())
    }

    /// Our initial number on this four-tuple.
    pub(crate) fn our_isn(&self) -> u32 {
        self.iss.get(&self.ports).copied().unwrap_or(0)
    }

    // ---- calls

    pub(crate) fn listen(&mut self, backlog: usize) -> ListenerKey {
        let listen = Listen { backlog, ..Listen::on_port(self.ports.0) };
        let key = self.endpoint.listen(listen).expect("listen");
        self.took(State::Closed, Cause::PassiveOpen, State::Listen);
        key
    }

    pub(crate) fn listen_deferred(&mut self) -> ListenerKey {
        let listen = Listen { deferred: true, ..Listen::on_port(self.ports.0) };
        self.endpoint.listen(listen).expect("listen")
    }

    /// An active open from our port to the peer's.
    pub(crate) fn connect(&mut self) -> ConnectionKey {
        let key = self.endpoint.connect(self.now, self.local(), self.remote(), Path::new(MTU), None).expect("connect");
        self.drain();
        key
    }

    pub(crate) fn accept(&mut self, listener: ListenerKey) -> ConnectionKey {
        let key = self.call(|endpoint, now| endpoint.accept(now, listener));
        key.unwrap_or_else(|| panic!("nothing to accept\n{}", self.diagram()))
    }

    /// A call on the endpoint, and what it makes it send.
    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = call(&mut self.endpoint, self.now);
        self.drain();
        result
    }

    /// Writes `len` bytes of the stream from `from`, which must all fit.
    pub(crate) fn write(&mut self, key: ConnectionKey, from: u64, len: usize) {
        let data = stream(from, len);
        let n = self.call(|endpoint, now| endpoint.send(now, key, &data));
        assert_eq!(n, Ok(len), "{}", self.diagram());
    }

    /// Reads all that is there, which must be `len` bytes of the stream from `from`.
    pub(crate) fn read(&mut self, key: ConnectionKey, from: u64, len: usize) {
        let mut out = vec![0; len + 100];
        let n = self.call(|endpoint, now| endpoint.receive(now, key, &mut out));
        assert_eq!(n, Ok(len), "{}", self.diagram());
        assert!(out[..len] == stream(from, len)[..], "other bytes than were sent");
    }

    /// Opens passively with a three-way handshake, as far as ESTABLISHED and accepted; without options on the SYN.
    pub(crate) fn establish(&mut self) -> (ListenerKey, ConnectionKey) {
        let listener = self.listen(5);
        let key = self.establish_on(listener);
        (listener, key)
    }

    pub(crate) fn establish_on(&mut self, listener: ListenerKey) -> ConnectionKey {
        self.run(
            "< SYN seq=0
             > SYN,ACK seq=0 ack=1
             < ACK seq=1 ack=1
             = ESTABLISHED",
        );
        self.accept(listener)
    }

    // ---- looking

    pub(crate) fn info(&self) -> Option<Info> {
        self.endpoint.connections(self.now).into_iter().find(|info| info.tuple == self.tuple())
    }

    pub(crate) fn state(&self) -> State {
        match self.info() {
            Some(info) => info.state,
            None if self.endpoint.listeners(self.now).iter().any(|l| l.port == Some(self.ports.0)) => State::Listen,
            None => State::Closed,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.endpoint.counters()
    }

    /// The events since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the trace has said since the last call.
    pub(crate) fn traced(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.traced)
    }

    /// The last of what happened.
    pub(crate) fn diagram(&self) -> String {
        let lines: Vec<_> = self.diagram.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The arrows of the state diagram that were taken so far.
    pub(crate) fn arrows(&self) -> &BTreeSet<(State, Cause, State)> {
        &self.arrows
    }

    /// Notes an arrow that the tables show and the trace has no connection for: those of listeners.
    pub(crate) fn took(&mut self, from: State, cause: Cause, to: State) {
        assert!(TRANSITIONS.contains(&Transition { from, cause, to }), "{from} {cause:?} {to}");
        self.arrows.insert((from, cause, to));
    }

    // ---- scripts

    /// Runs a script.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (verb, rest) = line.split_at(1);
            match verb {
                "<" => {
                    self.expect_silence(line);
                    self.inject(rest);
                }
                ">" => self.expect(rest),
                "+" => {
                    self.expect_silence(line);
                    self.pass(duration(rest));
                }
                "." => self.expect_silence(line),
                "=" => {
                    let state = self.state();
                    assert_eq!(state.name(), rest.trim(), "the state, in\n{}", self.diagram());
                }
                _ => panic!("{line:?} is no line of a script"),
            }
        }
        self.expect_silence("the end of the script");
    }

    /// The peer sends a segment.
    #[track_caller]
    pub(crate) fn inject(&mut self, line: &str) {
        let line = Line::parse(line);
        let (ours, theirs) = self.ports;
        let mut header = line.header((theirs, ours), PEER_ISN, self.our_isn(), self.echo);
        header.dst_port = ours;
        let syn = u64::from(line.flags.contains(TcpFlags::SYN));
        let from = (u64::from(line.seq.unwrap_or(0)) + syn).wrapping_sub(1);
        let payload = stream(from, line.len as usize);
        self.send_raw(&header, payload);
    }

    /// The peer sends just this.
    pub(crate) fn send_raw(&mut self, header: &TcpHeader, payload: Vec<u8>) {
        self.send_marked(header, payload, Ecn::NotEct);
    }

    /// The peer sends just this, and it arrives with this mark.
    pub(crate) fn send_marked(&mut self, header: &TcpHeader, payload: Vec<u8>, mark: Ecn) {
        let text = describe(header, payload.len(), PEER_ISN, self.our_isn());
        self.log('<', &text);
        let mut header = header.clone();
        if let Some(key) = self.md5 {
            header.options.signature = Some(Signature::Md5(digest(key, PEER, OURS, &header, &payload)));
        }
        let mut head = [0; MAX_HEADER];
        let len = header.emit(&mut head);
        let arrival = Arrival {
            tuple: self.tuple(),
            header: &header,
            head: &head[..len],
            text: &[Piece::from(Bytes::from(payload))],
            segment_size: None,
            mark,
            path: Path::new(MTU),
        };
        self.endpoint.handle_segment(self.now, &arrival);
        self.drain();
    }

    /// Whether there is a segment that the script has not looked at.
    pub(crate) fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// The next segment that the endpoint has sent.
    #[track_caller]
    pub(crate) fn next_sent(&mut self) -> Sent {
        self.sent.pop_front().unwrap_or_else(|| panic!("the endpoint has sent nothing more\n{}", self.diagram()))
    }

    #[track_caller]
    fn expect(&mut self, wanted: &str) {
        let line = Line::parse(wanted);
        let sent = self.sent.pop_front();
        let Some(Sent { header, payload, .. }) = sent else {
            panic!("expected >{wanted}\nbut nothing was sent, in\n{}", self.diagram())
        };
        let difference = line.difference(&header, payload.len(), PEER_ISN, self.our_isn());
        assert!(difference.is_empty(), "expected >{wanted}\n{difference}, in\n{}", self.diagram());
        if !payload.is_empty() {
            let from = u64::from(header.seq.0.wrapping_sub(self.our_isn())) - 1;
            assert!(payload == stream(from, payload.len()), "other bytes than were written\n{}", self.diagram());
        }
    }

    #[track_caller]
    fn expect_silence(&mut self, before: &str) {
        let waiting: Vec<_> =
            self.sent.iter().take(10).map(|s| describe(&s.header, s.payload.len(), self.our_isn(), PEER_ISN)).collect();
        assert!(
            waiting.is_empty(),
            "before {before:?} the script does not know of {waiting:#?}, in\n{}",
            self.diagram()
        );
    }

    /// Time passes, timers fire.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        let mut rounds = 0;
        while let Some(deadline) = self.endpoint.poll_timeout().filter(|&deadline| deadline <= until) {
            self.now = self.now.max(deadline);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            rounds += 1;
            assert!(rounds < 100_000, "a timer that does not move on at {}\n{}", self.now, self.diagram());
        }
        self.now = until;
        self.log('+', &format!("{duration:?}"));
    }

    fn drain(&mut self) {
        self.follow_states();
        let tuple = self.tuple();
        loop {
            let sent = self.endpoint.poll_transmit(self.now, |departure| {
                assert_eq!(
                    (departure.header.src_port, departure.header.dst_port),
                    (departure.tuple.local.port(), departure.tuple.remote.port())
                );
                assert_eq!(departure.tuple.remote.ip(), IpAddr::from(PEER));
                (
                    departure.tuple,
                    Sent {
                        header: departure.header.clone(),
                        payload: departure.payload.concat(),
                        size: departure.segment_size,
                    },
                )
            });
            let Some((to, sent)) = sent else { break };
            let expected = self.md5.map(|key| Signature::Md5(digest(key, OURS, PEER, &sent.header, &sent.payload)));
            assert_eq!(sent.header.options.signature, expected, "{}", self.diagram());
            let ports = (to.local.port(), to.remote.port());
            if sent.header.flags.contains(TcpFlags::SYN) {
                self.iss.insert(ports, sent.header.seq.0);
            }
            if let Some(times) = sent.header.options.timestamps {
                self.echo = times.value;
            }
            let iss = self.iss.get(&ports).copied().unwrap_or(0);
            let other = if to == tuple { String::new() } else { format!("  ({to})") };
            let cut = sent.size.map_or(String::new(), |size| format!(" in {size}s"));
            self.log('>', &(describe(&sent.header, sent.payload.len(), iss, PEER_ISN) + &cut + &other));
            self.sent.push_back(sent);
        }
        self.events.extend(std::iter::from_fn(|| self.endpoint.poll_event()));
        self.follow_states();
    }

    /// Every change of a state must be an arrow of the table.
    fn follow_states(&mut self) {
        while let Some(record) = self.endpoint.trace().pop() {
            if let Trace::State { from, to, cause } = record.what {
                self.took(from, cause, to);
                self.log('=', &format!("{from} to {to}: {cause:?}"));
            }
            self.traced.push(record.what);
        }
    }

    fn log(&mut self, verb: char, text: &str) {
        let state = self.state();
        self.diagram += &format!("{} {verb} {text:<70} {state}\n", self.now);
    }
}

/// Options that switch all of TCP's own options off, and let nothing wait.
pub(crate) fn plain() -> Options {
    Options { window_scaling: false, timestamps: false, sack: false, ..Options::default() }
}

fn duration(text: &str) -> Duration {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("{text:?} is no duration"));
    match unit {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "h" => Duration::from_secs(3600 * number),
        _ => panic!("{text:?} has no unit"),
    }
}

/// A peer with one connection of ours in a state, and its handle.
pub(crate) fn opened(state: State) -> (Peer, ConnectionKey) {
    let mut p = Peer::plain();
    if matches!(state, State::SynSent | State::SynReceived) {
        let key = p.connect();
        p.run("> SYN seq=0");
        if state == State::SynReceived {
            p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
        }
        return (p, key);
    }
    let (_, key) = p.establish();
    let shut = |p: &mut Peer| p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    match state {
        State::Established => {}
        State::FinWait1 | State::FinWait2 | State::Closing | State::TimeWait => {
            shut(&mut p);
            p.run("> FIN,ACK seq=1 ack=1\n= FIN-WAIT-1");
            match state {
                State::FinWait2 => p.run("< ACK seq=1 ack=2"),
                State::Closing => p.run("< FIN,ACK seq=1 ack=1\n> ACK seq=2 ack=2"),
                State::TimeWait => p.run("< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2"),
                _ => {}
            }
        }
        State::CloseWait | State::LastAck => {
            p.run("< FIN,ACK seq=1 ack=1\n> ACK seq=1 ack=2");
            if state == State::LastAck {
                shut(&mut p);
                p.run("> FIN,ACK seq=1 ack=2");
            }
        }
        State::Closed | State::Listen | State::SynSent | State::SynReceived => unreachable!(),
    }
    p.run(&format!("= {state}"));
    (p, key)
}
