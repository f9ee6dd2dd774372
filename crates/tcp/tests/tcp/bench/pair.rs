//! Two endpoints, a bad network between them, and virtual time.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use bowline_base::{Instant, Randomness};
use bowline_tcp::state::{TRANSITIONS, Transition};
use bowline_tcp::trace::Trace;
use bowline_tcp::{Arrival, Config, ConnectionKey, Endpoint, Event, FourTuple, Options, Path};
use bowline_wire::Piece;
use bowline_wire::tcp::MAX_HEADER;
use bytes::Bytes;

use super::net::{Link, Weather};
use super::script::describe;

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Client = 0,
    Server = 1,
}

/// The pair.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [Endpoint; 2],
    links: [Link; 2],
    pub(crate) events: [VecDeque<Event>; 2],
    addresses: [IpAddr; 2],
    mtu: u16,
    /// A hash of every segment sent: two runs of one seed must agree.
    pub(crate) fingerprint: u64,
    pub(crate) segments: u64,
    /// Print everything that happens.
    verbose: bool,
    /// The server knows half-open connections only by their cookies.
    pub(crate) cookies: bool,
}

impl Pair {
    pub(crate) fn new(random: &mut Randomness, weather: Weather, options: [Options; 2], ipv6: bool, mtu: u16) -> Self {
        let cookies = random.below(4) == 0;
        let max_half_open = if cookies { 0 } else { 100 };
        let mut endpoint = |options| {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&random.next_u64().to_le_bytes());
            let mut endpoint = Endpoint::new(Config { options, max_half_open, ..Config::default() }, seed);
            endpoint.trace().set_enabled(true);
            endpoint
        };
        let ends = options.map(&mut endpoint);
        let mut link = || {
            let mut seed = [1; 32];
            seed[..8].copy_from_slice(&random.next_u64().to_le_bytes());
            Link::new(weather, Randomness::new(seed))
        };
        let links = [link(), link()];
        let address = |last: u8| match ipv6 {
            false => IpAddr::from([10, 0, 0, last]),
            true => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]),
        };
        Self {
            now: Instant::from_millis(random.below(1 << 34)),
            ends,
            links,
            events: Default::default(),
            addresses: [address(1), address(2)],
            mtu,
            fingerprint: 0xcbf2_9ce4_8422_2325,
            segments: 0,
            cookies,
            verbose: std::env::var("BOWLINE_SEED").is_ok_and(|seed| !seed.contains("..")),
        }
    }

    pub(crate) fn connect(&mut self, port: u16) -> ConnectionKey {
        let [local, remote] = self.addresses;
        let (local, remote) = (SocketAddr::new(local, 0), SocketAddr::new(remote, port));
        let [client, _] = &mut self.ends;
        let key = client.connect(self.now, local, remote, Path::new(self.mtu), None).expect("connect");
        self.drain();
        key
    }

    /// A call at one end, and what it makes it send.
    pub(crate) fn call<R>(&mut self, end: End, call: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = call(&mut self.ends[end as usize], self.now);
        self.drain();
        result
    }

    /// Moves time to the next thing that happens, or to `until`; false if nothing happens before.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        let timers = self.ends.iter().filter_map(Endpoint::poll_timeout);
        let arrivals = self.links.iter().filter_map(Link::next_at);
        let next = timers.chain(arrivals).min().filter(|&next| next <= until);
        let Some(next) = next else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        for end in &mut self.ends {
            if end.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
                end.handle_timeout(self.now);
            }
        }
        for to in [1, 0] {
            // The link from the client leads to the server.
            while let Some(flying) = self.links[1 - to].receive(self.now) {
                let mark = flying.mark();
                let mut head = [0; MAX_HEADER];
                let len = flying.header.emit(&mut head);
                let arrival = Arrival {
                    tuple: flying.tuple,
                    header: &flying.header,
                    head: &head[..len],
                    text: &[Piece::from(Bytes::from(flying.payload))],
                    segment_size: flying.size,
                    mark,
                    path: Path::new(self.mtu),
                };
                self.ends[to].handle_segment(self.now, &arrival);
            }
        }
        self.drain();
        true
    }

    fn drain(&mut self) {
        let Self { now, ends, links, events, fingerprint, segments, verbose, .. } = self;
        for (n, end) in ends.iter_mut().enumerate() {
            let mut sent = 0;
            while end
                .poll_transmit(*now, |departure| {
                    let header = &departure.header;
                    for word in [header.seq.0, header.ack.0, header.flags.bits().into(), departure.payload_len() as u32]
                    {
                        *fingerprint = (*fingerprint ^ u64::from(word)).wrapping_mul(0x100_0000_01b3);
                    }
                    links[n].send(*now, departure);
                })
                .is_some()
            {
                sent += 1;
                assert!(sent < 10_000, "an endpoint that never stops sending");
            }
            *segments += sent;
            events[n].extend(std::iter::from_fn(|| end.poll_event()));
            while let Some(record) = end.trace().pop() {
                if *verbose {
                    eprintln!("{} {} {} {}", record.at, ["client", "server"][n], record.tuple, show(&record.what));
                }
                if let Trace::State { from, to, cause } = record.what {
                    assert!(TRANSITIONS.contains(&Transition { from, cause, to }), "{from} {cause:?} {to}");
                }
            }
            if let Some(deadline) = end.poll_timeout() {
                assert!(deadline > *now || sent == 0, "a timer in the past after all was sent");
            }
        }
    }

    /// The four-tuple of a connection, as the client names it.
    pub(crate) fn tuple(&self, end: End, key: ConnectionKey) -> Option<FourTuple> {
        let tuple = self.ends[end as usize].tuple(key)?;
        Some(if end == End::Client { tuple } else { FourTuple::new(tuple.remote, tuple.local) })
    }
}

fn show(what: &Trace) -> String {
    match what {
        Trace::Sent { header, len, why, state, .. } => {
            format!("{state} > {} {why:?}", describe(header, *len as usize, 0, 0))
        }
        Trace::Received { header, len, dropped, state } => {
            let dropped = dropped.map_or(String::new(), |why| format!(" DROPPED: {why:?}"));
            format!("{state} < {}{dropped}", describe(header, *len as usize, 0, 0))
        }
        other => format!("{other:?}"),
    }
}
