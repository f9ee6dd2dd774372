//! Packets that came together: consecutive segments of a flow go to TCP as one, as a device with offloads would have
//! delivered them.
//!
//! Decides how long a segment waits for the next (until its batch ends, never longer) and how many flows do so at once.
//! Which packets belong together is [`bowline_wire::coalescing`]'s; that a run says the same as its segments is TCP's.

use alloc::vec::Vec;
use core::borrow::BorrowMut;
use core::mem;

use arrayvec::ArrayVec;
use bowline_base::Instant;
use bowline_tcp::FourTuple;
use bowline_tcp::endpoint::{AHEAD, Guess};
use bowline_wire::coalescing::{Flow, Run};
use bowline_wire::{IpHeader, Piece, RxPacket, Stretch, Stretches, TcpHeader};
use bytes::{Buf, Bytes};

use crate::interface::IfaceId;
use crate::stack::Stack;

/// Flows of which segments wait at once; as many as in one bucket of Linux's GRO.
const MAX_RUNS: usize = 8;
/// Segments in one run. The longest packet holds 45 of an Ethernet's.
const MAX_SEGMENTS: usize = 64;

/// A run of segments that are not with TCP yet.
struct Held {
    run: Run,
    ip: IpHeader,
    header: TcpHeader,
    text: Vec<Piece>,
    /// The end of its text, where that lies in a buffer that the sender shares: the next may follow it there.
    tail: Option<Stretch>,
    guess: Guess,
}

impl Held {
    /// Adds the text of a packet: what is in `data` and in `more`.
    fn add(&mut self, data: Bytes, pinned: usize, more: Stretches) {
        if !data.is_empty() {
            self.seal();
            self.text.push(Piece { data, pinned });
        }
        for stretch in more {
            if !self.tail.as_mut().is_some_and(|tail| tail.append(&stretch)) {
                self.seal();
                self.tail = Some(stretch);
            }
        }
    }

    /// Nothing more follows the end of the text in its buffer.
    fn seal(&mut self) {
        self.text.extend(self.tail.take().map(Piece::from));
    }
}

/// The runs of the batch that is being taken in; none between two batches.
#[derive(Default)]
pub(crate) struct Runs {
    held: Vec<Held>,
    /// Lists to use again.
    spare: Vec<Vec<Piece>>,
    /// Whether a segment that arrives now may wait for the next.
    open: bool,
    /// What it is probably for.
    guess: Guess,
}

impl Runs {
    /// An empty list.
    pub(crate) fn list(&mut self) -> Vec<Piece> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a list to use again.
    pub(crate) fn give_back(&mut self, mut list: Vec<Piece>) {
        list.clear();
        if self.spare.len() < MAX_RUNS {
            self.spare.push(list);
        }
    }
}

impl Stack {
    /// Takes packets that came in together by an interface: the same as [`handle_packet`](Self::handle_packet) for each, at
    /// less cost where consecutive segments of a flow are among them. Nothing is left waiting.
    ///
    /// While somebody reads [TCP's trace](bowline_tcp::Endpoint::trace), each segment goes its own way, to be seen there as
    /// it came.
    ///
    /// The packets may be lent; what is kept is taken out of them.
    // The loop belongs to the caller, who knows where the packets come from: iterators are large to move, and so are packets.
    #[inline(always)]
    pub fn handle_packets<P: BorrowMut<RxPacket>>(
        &mut self,
        now: Instant,
        interface: IfaceId,
        packets: impl IntoIterator<Item = P>,
    ) {
        let joining = !self.tcp.trace().is_enabled();
        let mut packets = packets.into_iter();
        if self.tcp.is_crowded() && packets.size_hint().0 > 1 {
            self.look_ahead(now, interface, &mut packets, joining);
        }
        while let Some(mut packet) = packets.next() {
            self.runs.open = joining && packets.size_hint().1 != Some(0);
            self.take_in(now, interface, packet.borrow_mut());
        }
        self.runs.open = false;
        if !self.runs.held.is_empty() {
            self.flush(now, interface);
        }
    }

    /// Takes in all packets, some at a time: TCP fetches what these are going to need at once.
    #[inline(never)]
    fn look_ahead<P: BorrowMut<RxPacket>>(
        &mut self,
        now: Instant,
        interface: IfaceId,
        packets: &mut impl Iterator<Item = P>,
        joining: bool,
    ) {
        loop {
            let mut next: ArrayVec<P, AHEAD> = packets.take(AHEAD).collect();
            if next.is_empty() {
                return;
            }
            let (guesses, mut left) =
                (self.tcp.look_ahead(next.iter().map(|packet| tuple_of(packet.borrow()))), next.len());
            for (packet, guess) in next.iter_mut().zip(guesses) {
                left -= 1;
                self.runs.open = joining && (left > 0 || packets.size_hint().1 != Some(0));
                self.runs.guess = guess;
                self.tcp.anticipate(guess);
                self.take_in(now, interface, packet.borrow_mut());
            }
            self.runs.guess = Guess::default();
        }
    }

    /// Takes in a packet of a batch.
    #[inline]
    fn take_in(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) {
        if self.runs.held.is_empty() || !self.join(now, interface, packet) {
            self.take_packet(now, interface, packet);
        }
    }

    /// Adds a packet to the run that it continues, if there is one. Returns whether it did.
    #[inline(never)]
    fn join(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) -> bool {
        let flow = match Flow::of(&packet.data) {
            Flow::Tcp(flow) => flow,
            Flow::Foreign => return false,
            Flow::Unknown => {
                self.flush(now, interface);
                return false;
            }
        };
        let index = self.runs.held.iter().position(|held| *held.run.flow() == flow);
        let Some((index, held)) = index.and_then(|index| Some((index, self.runs.held.get_mut(index)?))) else {
            return false;
        };
        let may = packet.segment_size.is_none() && held.text.len() < MAX_SEGMENTS;
        let text = if may { held.run.join_scattered(&packet.data, &packet.more, packet.checksum) } else { None };
        let Some(text) = text else {
            // What the segments of a flow say is heard in their order.
            let held = self.runs.held.remove(index);
            self.deliver_run(now, interface, held);
            return false;
        };
        let mut data = mem::take(&mut packet.data);
        data.truncate(text.end);
        data.advance(text.start);
        held.add(data, packet.pinned, mem::take(&mut packet.more));
        let counters = self.counters.ip_of(held.ip.src.is_ipv4());
        counters.in_receives += 1;
        counters.in_delivers += 1;
        true
    }

    /// Whether segments may wait for others now.
    #[inline]
    pub(crate) const fn holds(&self) -> bool {
        self.runs.open
    }

    /// Keeps a verified segment until the end of its batch, if others may follow it. Returns whether it does.
    #[inline]
    pub(crate) fn hold(
        &mut self,
        now: Instant,
        interface: IfaceId,
        ip: &IpHeader,
        (header, header_len): (&TcpHeader, usize),
        packet: &mut RxPacket,
    ) -> bool {
        // A signature belongs to one segment.
        let alone = packet.segment_size.is_some() || header.options.signature.is_some();
        self.runs.open && !alone && self.begin_run(now, interface, ip, (header, header_len), packet)
    }

    #[inline(never)]
    fn begin_run(
        &mut self,
        now: Instant,
        interface: IfaceId,
        ip: &IpHeader,
        (header, header_len): (&TcpHeader, usize),
        packet: &mut RxPacket,
    ) -> bool {
        let Some(run) = Run::begin(&packet.data, ip, header, header_len) else { return false };
        if self.runs.held.len() >= MAX_RUNS {
            let oldest = self.runs.held.remove(0);
            self.deliver_run(now, interface, oldest);
        }
        let mut data = mem::take(&mut packet.data);
        data.truncate(ip.header_len + ip.payload_len);
        data.advance(ip.header_len + header_len);
        let text = self.runs.list();
        let guess = self.runs.guess;
        let mut held = Held { run, ip: *ip, header: header.clone(), text, tail: None, guess };
        held.add(data, packet.pinned, mem::take(&mut packet.more));
        self.runs.held.push(held);
        true
    }

    /// Ends all runs, in the order in which they began.
    #[inline(never)]
    fn flush(&mut self, now: Instant, interface: IfaceId) {
        let mut held = mem::take(&mut self.runs.held);
        for run in held.drain(..) {
            self.deliver_run(now, interface, run);
        }
        self.runs.held = held;
    }

    fn deliver_run(&mut self, now: Instant, interface: IfaceId, mut held: Held) {
        held.seal();
        let Held { run, ip, mut header, text, guess, .. } = held;
        header.flags = run.flags();
        let segment_size = (run.segments() > 1).then_some(run.segment_size());
        self.tcp.anticipate(guess);
        self.deliver_segment(now, interface, (&ip, &header, &[]), &text, segment_size);
        self.runs.give_back(text);
    }
}

/// Whose segment a packet seems to be.
fn tuple_of(packet: &RxPacket) -> Option<FourTuple> {
    let Flow::Tcp(flow) = Flow::of(&packet.data) else { return None };
    let (remote, local) = flow.ends(packet.data.first().is_some_and(|byte| byte >> 4 == 6));
    Some(FourTuple::new(local, remote))
}
