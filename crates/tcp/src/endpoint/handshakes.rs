//! Connections that are no connections yet: listeners and the SYN queue (RFC 9293 3.10.7.2), cookies (RFC 4987), and SYNs that
//! wait for the caller.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{FastOpen, TcpFlags, TcpHeader};

use super::demux::Slot;
use super::fast_open::EarlyData;
use super::{Control, Endpoint};
use crate::config::Options;
use crate::connection::Birth;
use crate::connection::open::{Handshake, mss_of};
use crate::isn::Beginning;
use crate::listener::{HalfOpen, HalfOpenOutcome, ListenOutcome, PendingOutcome, PendingSyn};
use crate::negotiate::{Negotiated, OurSide};
use crate::reason::{DropReason, SendReason};
use crate::segment::{Arrival, IcmpError};
use crate::state::{Cause, State};
use crate::trace::Trace;
use crate::{FourTuple, ListenerKey};

/// What a listener on any address of one version is bound to.
const UNSPECIFIED: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
/// A SYN-ACK's first time-out (RFC 6298 2.1), by which its round-trip time is told from its deadline.
const SYN_ACK_TIMEOUT: Duration = Duration::from_secs(1);

/// The names that a destination may be known by: port and address, the one that says more first.
pub(super) fn names_of(tuple: &FourTuple) -> [(Option<u16>, Option<IpAddr>); 6] {
    let (port, address) = (Some(tuple.local.port()), Some(tuple.local.ip()));
    let version = Some(if tuple.is_ipv6() { UNSPECIFIED[1] } else { UNSPECIFIED[0] });
    [(port, address), (port, version), (port, None), (None, address), (None, version), (None, None)]
}

impl Endpoint {
    /// The listener for a destination: with its port and address, its port, its address, or none of them.
    pub(super) fn listener_for(&self, tuple: &FourTuple) -> Option<ListenerKey> {
        names_of(tuple).iter().find_map(|wanted| self.ports.get(wanted)).copied()
    }

    /// The options of the listener for a destination; where nobody listens, those that new connections start with.
    pub(super) fn options_for(&self, tuple: &FourTuple) -> &Options {
        let listener = self.listener_for(tuple).and_then(|key| self.listeners.get(key.index, key.generation));
        listener.map_or(&self.options, |listener| listener.options())
    }

    /// A segment that no connection claims. `above`: the four-tuple comes out of TIME-WAIT, and our new sequence
    /// numbers must lie above this one.
    pub(super) fn for_listener(&mut self, now: Instant, arrival: &Arrival<'_>, above: Option<SeqNumber>) {
        let Some(key) = self.listener_for(&arrival.tuple) else {
            self.note_dropped(now, arrival, 0, State::Closed, DropReason::NoConnection);
            return self.reset(now, arrival, 0, State::Closed);
        };
        let full = self.syn_queue.is_full();
        let Some(listener) = self.listeners.get_mut(key.index, key.generation) else { return };
        match listener.on_segment(now, arrival.header, full) {
            ListenOutcome::Queue => self.on_syn(now, key, arrival, above),
            ListenOutcome::Cookie => {
                let options = listener.options().clone();
                self.answer_with_cookie(now, &options, arrival);
            }
            ListenOutcome::Defer => self.defer_syn(now, key, arrival),
            ListenOutcome::CheckCookie => {
                let options = listener.options().clone();
                self.check_cookie(now, key, &options, None, arrival);
            }
            ListenOutcome::Reset(_) => {
                self.note_dropped(now, arrival, 0, State::Listen, DropReason::BadAck);
                self.reset(now, arrival, 0, State::Listen);
            }
            ListenOutcome::Drop(why) => self.note_dropped(now, arrival, 0, State::Listen, why),
        }
    }

    /// What we bring into a handshake, with where our timestamps begin in it.
    fn our_side<'a>(arrival: &Arrival<'_>, options: &'a Options, timestamp_offset: u32) -> OurSide<'a> {
        let mss = mss_of(arrival.path.announced(options), arrival.tuple.is_ipv6(), options);
        OurSide { tuple: arrival.tuple, options, mss, timestamp_offset }
    }

    /// The same for a cookie, which has a sequence number of its own kind.
    fn our_side_of_cookie<'a>(&self, now: Instant, arrival: &Arrival<'_>, options: &'a Options) -> OurSide<'a> {
        Self::our_side(arrival, options, self.isn.begin(now, &arrival.tuple).timestamp_offset)
    }

    /// A SYN for a listener that has room: a connection at once, or a half-open one.
    fn on_syn(&mut self, now: Instant, key: ListenerKey, arrival: &Arrival<'_>, above: Option<SeqNumber>) {
        let Some(listener) = self.listeners.get(key.index, key.generation) else { return };
        let Beginning { isn, timestamp_offset } = match above {
            Some(snd_nxt) => self.isn.begin_above(now, &arrival.tuple, snd_nxt),
            None => self.isn.begin(now, &arrival.tuple),
        };
        let ours = Self::our_side(arrival, listener.options(), timestamp_offset);
        let (agreed, mss) = (ours.answer(isn, arrival.header, arrival.mark), ours.mss);
        let option = match self.judge_syn(now, key, arrival) {
            EarlyData::Take(option) => match self.open_early(now, key, &agreed, option, arrival) {
                true => return,
                // Ordinarily, then, as Linux does.
                false => None,
            },
            EarlyData::Leave(option) => option,
        };
        self.queue_syn(now, key, (&agreed, mss), option, arrival);
    }

    /// A half-open connection, and its SYN-ACK. `mss`: what that announces.
    fn queue_syn(
        &mut self,
        now: Instant,
        key: ListenerKey,
        (agreed, mss): (&Negotiated, u16),
        option: Option<FastOpen>,
        arrival: &Arrival<'_>,
    ) {
        let id = self.take_id();
        let Some(listener) = self.listeners.get(key.index, key.generation) else { return };
        let signature = arrival.header.options.signature.as_ref();
        let half = HalfOpen::new(id, key, &arrival.tuple, agreed, mss, listener.options()).answering(signature);
        let mut syn_ack = half.syn_ack(now);
        // As Linux: not on its copies, for which the half-open connection would have to keep it.
        syn_ack.options.fast_open = option;
        let Some(place) = self.syn_queue.insert(now, half) else { return };
        self.occupy(&arrival.tuple, Slot::HalfOpen(place));
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.on_half_open();
        }
        self.counters.syns_received += 1;
        self.note_received(now, arrival, id, State::Listen, None);
        let (from, to, cause) = (State::Listen, State::Listen.after(Cause::Syn), Cause::Syn);
        self.note(now, arrival.tuple, id, Trace::State { from, to, cause });
        self.say_syn_ack(key, arrival.tuple, id, syn_ack, false);
    }

    /// Queues a SYN-ACK, with what its listener has for the IP header (RFC 9293 3.9.1.9, MUST-48; 3.9.2, MUST-49). `again`:
    /// because its timer ran out, or the SYN came again, which Linux counts alike.
    fn say_syn_ack(&mut self, key: ListenerKey, tuple: FourTuple, id: u64, header: TcpHeader, again: bool) {
        self.counters.synack_retrans += u64::from(again);
        self.counters.retrans_segs += u64::from(again);
        let listener = self.listeners.get(key.index, key.generation);
        let options = listener.map_or(&self.options, |listener| listener.options());
        // RFC 3168 6.1.1: never marked as ECN-capable
        let (traffic_class, hop_limit) = (options.traffic_class & !3, options.hop_limit);
        let (why, state) = (SendReason::SynAck, State::SynReceived);
        let dont_fragment = options.path_mtu_discovery.marks();
        self.say(Control { tuple, id, header, why, again, state, traffic_class, hop_limit, dont_fragment });
    }

    fn answer_with_cookie(&mut self, now: Instant, options: &Options, arrival: &Arrival<'_>) {
        let ours = self.our_side_of_cookie(now, arrival, options);
        let mut syn_ack = self.cookies.syn_ack(now, &ours, arrival.header, arrival.mark);
        self.sign_answer(&arrival.tuple, &mut syn_ack, arrival.header);
        self.counters.syns_received += 1;
        self.counters.syncookies_sent += 1;
        self.note_received(now, arrival, 0, State::Listen, None);
        self.say_for(arrival.tuple, 0, syn_ack, SendReason::SynCookie, State::Listen);
    }

    /// An ACK where cookies may come back. `instead`: the half-open connection that has its four-tuple, and goes if it is one.
    fn check_cookie(
        &mut self,
        now: Instant,
        key: ListenerKey,
        options: &Options,
        instead: Option<u32>,
        arrival: &Arrival<'_>,
    ) {
        let ours = self.our_side_of_cookie(now, arrival, options);
        let Some(agreed) = self.cookies.check(now, &ours, arrival.header) else {
            self.counters.syncookies_failed += 1;
            // No RST, though RFC 9293 3.10.7.2 and Linux have one: what comes behind a last ACK that was lost is no
            // cookie, but is sent by a peer that holds one and will send it again. That one must not be reset for it; a
            // peer that is truly lost will be, once no cookies are expected any more.
            return self.note_dropped(now, arrival, 0, State::Listen, DropReason::BadCookie);
        };
        let mark = self.cookies.mark(&arrival.tuple, agreed.iss);
        if self.spent.has(mark) {
            // RFC 9293 3.10.7.2: the connection that it made is no more, and its peer is told.
            self.counters.syncookies_failed += 1;
            self.note_dropped(now, arrival, 0, State::Listen, DropReason::BadCookie);
            return self.reset(now, arrival, 0, State::Listen);
        }
        if let Some(place) = instead {
            self.remove_half_open(now, place, Cause::ResetPassive);
        }
        self.counters.syncookies_recv += 1;
        let id = self.take_id();
        if self.establish(now, (id, key), (&agreed, None), None, arrival) {
            self.spent.add(mark);
        }
    }

    fn defer_syn(&mut self, now: Instant, key: ListenerKey, arrival: &Arrival<'_>) {
        let syn = PendingSyn {
            id: self.take_id(),
            listener: key,
            tuple: arrival.tuple,
            header: arrival.header.clone(),
            mark: arrival.mark,
            path: arrival.path,
            text: arrival.text_len() as u32,
        };
        let id = syn.id;
        let Some(pending) = self.pending.insert(now, syn) else {
            if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
                listener.on_drop();
            }
            return self.note_dropped(now, arrival, id, State::Listen, DropReason::SynQueueFull);
        };
        self.counters.syns_received += 1;
        self.occupy(&arrival.tuple, Slot::Pending(pending.index));
        let table = &self.pending;
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.push_pending(pending, |key| table.contains(key));
        }
        self.note_received(now, arrival, id, State::Listen, None);
        self.notify_listener(key);
    }

    pub(super) fn for_pending(&mut self, now: Instant, place: u32, arrival: &Arrival<'_>) {
        let id = self.pending.at(place).map_or(0, |syn| syn.id);
        match self.pending.on_segment(place, arrival.header) {
            PendingOutcome::Drop(why) => self.note_dropped(now, arrival, id, State::Listen, why),
            PendingOutcome::Forget => {
                self.note_received(now, arrival, id, State::Listen, None);
                self.pending.remove_at(place);
                self.demux.remove(&arrival.tuple, Slot::Pending(place));
            }
            PendingOutcome::Reset(_) => {
                self.note_dropped(now, arrival, id, State::Listen, DropReason::BadAck);
                self.reset(now, arrival, id, State::Listen);
            }
        }
    }

    pub(super) fn for_half_open(&mut self, now: Instant, place: u32, arrival: &Arrival<'_>) {
        let Some(half) = self.syn_queue.get_mut(place) else { return };
        let (id, key) = (half.id(), half.listener());
        let listener = self.listeners.get(key.index, key.generation);
        let full = listener.is_none_or(crate::listener::Listener::is_accept_queue_full);
        let state = State::SynReceived;
        match half.on_segment(now, arrival.header, (arrival.text_len() as u32, arrival.mark), full) {
            HalfOpenOutcome::Complete => self.complete(now, place, arrival),
            HalfOpenOutcome::SynAck => {
                let syn_ack = half.syn_ack(now);
                self.note_dropped(now, arrival, id, state, DropReason::Duplicate);
                self.say_syn_ack(key, arrival.tuple, id, syn_ack, true);
            }
            HalfOpenOutcome::Answer(why) => {
                let ack = half.ack(now);
                self.counters.challenge_acks += 1;
                self.note_dropped(now, arrival, id, state, why);
                self.say_for(arrival.tuple, id, ack, SendReason::ChallengeAck, state);
            }
            HalfOpenOutcome::Reset(_) if listener.is_some_and(|listener| listener.expects_cookies(now)) => {
                self.cookie_for_half_open(now, place, key, arrival);
            }
            HalfOpenOutcome::Reset(_) => {
                self.note_dropped(now, arrival, id, state, DropReason::BadAck);
                self.reset(now, arrival, id, state);
            }
            HalfOpenOutcome::Abort => {
                self.counters.attempt_fails += 1;
                self.note_dropped(now, arrival, id, state, DropReason::EcnChanged);
                self.reset(now, arrival, id, state);
                self.remove_half_open(now, place, Cause::ResetPassive);
            }
            HalfOpenOutcome::Forget => {
                self.counters.embryonic_rsts += 1;
                self.note_received(now, arrival, id, state, None);
                self.remove_half_open(now, place, Cause::ResetPassive);
            }
            HalfOpenOutcome::Drop(why) => {
                if why == DropReason::ListenOverflow
                    && let Some(listener) = self.listeners.get_mut(key.index, key.generation)
                {
                    listener.on_overflow();
                }
                self.note_dropped(now, arrival, id, state, why);
            }
        }
    }

    /// What acknowledges something else than a half-open connection's SYN, while cookies may come back: an earlier copy of the
    /// peer's SYN may have found the queue full, and been answered with one. That is all that the peer knows of, and all that
    /// counts; the half-open connection came of a copy, and goes.
    fn cookie_for_half_open(&mut self, now: Instant, place: u32, key: ListenerKey, arrival: &Arrival<'_>) {
        let Some(listener) = self.listeners.get_mut(key.index, key.generation) else { return };
        if listener.is_accept_queue_full() {
            listener.on_overflow();
            return self.note_dropped(now, arrival, 0, State::Listen, DropReason::ListenOverflow);
        }
        let options = listener.options().clone();
        self.check_cookie(now, key, &options, Some(place), arrival);
    }

    /// Takes a half-open connection out of every table.
    fn remove_half_open(&mut self, now: Instant, place: u32, cause: Cause) -> Option<HalfOpen> {
        let half = self.syn_queue.remove(place)?;
        self.after_half_open(now, place, &half, cause);
        Some(half)
    }

    /// A half-open connection has left the SYN queue and come to nothing.
    pub(super) fn after_half_open(&mut self, now: Instant, place: u32, half: &HalfOpen, cause: Cause) {
        let (tuple, key) = (half.tuple(), half.listener());
        self.demux.remove(&tuple, Slot::HalfOpen(place));
        self.count_half_open_gone(key);
        let (from, to) = (State::SynReceived, State::SynReceived.after(cause));
        self.note(now, tuple, half.id(), Trace::State { from, to, cause });
    }

    fn count_half_open_gone(&mut self, key: ListenerKey) {
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.on_half_open_gone();
        }
    }

    /// The handshake's last ACK: a connection, which then processes that segment itself.
    fn complete(&mut self, now: Instant, place: u32, arrival: &Arrival<'_>) {
        let Some(half) = self.syn_queue.remove(place) else { return };
        self.count_half_open_gone(half.listener());
        let sent = half.deadline() - SYN_ACK_TIMEOUT;
        // Who was acknowledged before, and waited for text or for room, does not know when.
        let rtt = (half.retries() == 0 && !half.is_acknowledged()).then(|| now.since(sent));
        let (id, key, from) = (half.id(), half.listener(), Slot::HalfOpen(place));
        if !self.establish(now, (id, key), (&half.negotiated(), Some(rtt)), Some(from), arrival) {
            self.demux.remove(&arrival.tuple, from);
        }
    }

    /// A connection of a listener's, which takes the arrived segment as its first. `from`: where its four-tuple was until
    /// now. False if there is no room for it, or no listener.
    fn establish(
        &mut self,
        now: Instant,
        (id, key): (u64, ListenerKey),
        (agreed, rtt): (&Negotiated, Option<Option<Duration>>),
        from: Option<Slot>,
        arrival: &Arrival<'_>,
    ) -> bool {
        let Some(listener) = self.listeners.get(key.index, key.generation) else { return false };
        let birth = Birth::passive(arrival.tuple, id, listener.options().clone(), arrival.path, agreed);
        let Some(index) = self.insert_passive(now, birth, agreed, Handshake::Answered { rtt }, from) else {
            self.note_dropped(now, arrival, id, State::SynReceived, DropReason::NoMemory);
            return false;
        };
        let Some((generation, tcb)) = self.connections.at_mut(index) else { return false };
        tcb.user.listener = Some(key);
        tcb.answer_with_keys(arrival.header.options.signature.as_ref());
        let connection = crate::ConnectionKey { index, generation };
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.push_accept(connection);
        }
        self.for_connection(now, index, arrival);
        self.notify_listener(key);
        true
    }

    /// A connection in SYN-RECEIVED in every table; `from`: where its four-tuple was until now, if anywhere. `None` if
    /// there are too many.
    pub(super) fn insert_passive(
        &mut self,
        now: Instant,
        birth: Birth,
        agreed: &Negotiated,
        handshake: Handshake,
        from: Option<Slot>,
    ) -> Option<u32> {
        let tuple = birth.tuple;
        let (index, _) = self.insert_new(now, birth, State::SynReceived)?;
        let (_, tcb) = self.connections.at_mut(index)?;
        tcb.begin_passively(now, agreed, handshake);
        self.counters.passive_opens += 1;
        match from {
            Some(from) => self.demux.reseat(&tuple, from, Slot::Connection(index)),
            None => self.occupy(&tuple, Slot::Connection(index)),
        }
        Some(index)
    }

    /// ICMP about a SYN-ACK: as on Linux, a destination that cannot be reached ends the attempt.
    pub(super) fn icmp_for_half_open(&mut self, now: Instant, place: u32, seq: u32, error: IcmpError) {
        let Some(half) = self.syn_queue.get(place) else { return };
        let soft = IcmpError::is_soft(error) || matches!(error, IcmpError::PacketTooBig(_));
        if !soft && half.negotiated().iss.0 == seq {
            self.counters.attempt_fails += 1;
            self.remove_half_open(now, place, Cause::Timeout);
        } else {
            self.counters.icmp_ignored += 1;
        }
    }

    /// The SYN-ACK once more, because its timer ran out.
    pub(super) fn repeat_syn_ack(&mut self, now: Instant, place: u32) {
        let Some(half) = self.syn_queue.get(place) else { return };
        let (tuple, id, key, syn_ack) = (half.tuple(), half.id(), half.listener(), half.syn_ack(now));
        debug_assert!(syn_ack.flags.contains(TcpFlags::SYN));
        self.say_syn_ack(key, tuple, id, syn_ack, true);
    }
}
