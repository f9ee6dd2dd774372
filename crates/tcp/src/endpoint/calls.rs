//! What users ask of an endpoint (RFC 9293 3.10.1 to 3.10.6, in BSD's words), but for active opens. Calls note what is to be done; nothing is
//! sent before `poll_transmit`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bowline_base::Instant;
use bytes::Bytes;

use super::auth::sign_answer;
use super::demux::Slot;
use super::{Endpoint, Listen, MAX_CONTROL, Pending};
use crate::config::Options;
use crate::connection::calls::{Closing, Then};
use crate::connection::open::{Handshake, mss_of};
use crate::connection::{Birth, Context, Tcb};
use crate::isn::Beginning;
use crate::listener::Listener;
use crate::negotiate::OurSide;
use crate::reason::SendReason;
use crate::segment::Refusal;
use crate::state::{Cause, State};
use crate::trace::Trace;
use crate::{CallError, ConnectionKey, ListenError, ListenerKey, PendingKey};

impl Endpoint {
    /// OPEN, passive (3.10.1).
    ///
    /// # Errors
    /// If another listener has this address and port, or there are too many.
    pub fn listen(&mut self, listen: Listen) -> Result<ListenerKey, ListenError> {
        // RFC 9293 3.9.1.1, MUST-41: a new listener or an error, and the others stay as they are.
        let place = (listen.port, listen.address);
        if self.ports.contains_key(&place) {
            return Err(ListenError::AddressInUse);
        }
        let options = listen.options.map_or_else(|| self.options.clone(), Arc::new);
        self.heed(&options.keys);
        let listener = Listener::new(listen.address, listen.port, listen.backlog, listen.deferred, options);
        let (index, generation) = self.listeners.insert(listener).map_err(|_| ListenError::TooMany)?;
        let key = ListenerKey { index, generation };
        self.ports.insert(place, key);
        // A listener has no record of its own in the trace.
        debug_assert_eq!(State::Closed.after(Cause::PassiveOpen), State::Listen);
        Ok(key)
    }

    /// Changes how many connections may wait to be accepted, with [`Listen::backlog`]'s meaning.
    pub fn set_backlog(&mut self, key: ListenerKey, backlog: usize) {
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.set_backlog(backlog);
        }
    }

    /// Changes what connections accepted from now on start with.
    pub fn set_listener_options(&mut self, key: ListenerKey, change: impl FnOnce(&mut Options)) {
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            change(listener.options_mut());
            self.signs |= !listener.options().keys.is_empty();
        }
    }

    /// The connection that has waited longest to be accepted. It may have been closed or reset meanwhile.
    pub fn accept(&mut self, now: Instant, listener: ListenerKey) -> Option<ConnectionKey> {
        let key = self.listeners.get_mut(listener.index, listener.generation)?.pop_accept()?;
        self.with(now, key.index, |tcb, _| {
            tcb.user.listener = None;
            tcb.user.events = tcb.readiness();
        })?;
        Some(key)
    }

    /// The next SYN that a deferred listener has to decide on, each once. Decide with [`admit`](Self::admit) or
    /// [`refuse`](Self::refuse); until then the peer hears nothing, and its repeated SYNs do not come here.
    pub fn pending(&mut self, listener: ListenerKey) -> Option<Pending> {
        let listener = self.listeners.get_mut(listener.index, listener.generation)?;
        while let Some(key) = listener.pop_pending() {
            if let Some(syn) = self.pending.get(key) {
                return Some(Pending { key, tuple: syn.tuple, header: syn.header.clone() });
            }
        }
        None
    }

    /// Answers a deferred SYN with SYN-ACK: a connection in SYN-RECEIVED. `None` if the SYN has gone or expired
    /// meanwhile, or there are too many connections. `options`: `None` for the listener's.
    pub fn admit(&mut self, now: Instant, pending: PendingKey, options: Option<Options>) -> Option<ConnectionKey> {
        let syn = self.pending.remove(pending)?;
        self.demux.remove(&syn.tuple, Slot::Pending(pending.index));
        let listener = self.listeners.get(syn.listener.index, syn.listener.generation);
        let options = match (options, listener) {
            (Some(options), _) => Arc::new(options),
            (None, Some(listener)) => listener.options().clone(),
            (None, None) => self.options.clone(),
        };
        self.heed(&options.keys);
        let Beginning { isn, timestamp_offset } = self.isn.begin(now, &syn.tuple);
        let ours = OurSide {
            tuple: syn.tuple,
            options: &options,
            mss: mss_of(syn.path.announced(&options), syn.tuple.is_ipv6(), &options),
            timestamp_offset,
        };
        let agreed = ours.answer(isn, &syn.header, syn.mark);
        let begins = Handshake::Begins { window: syn.header.window };
        let birth = Birth::passive(syn.tuple, syn.id, options, syn.path, &agreed);
        let index = self.insert_passive(now, birth, &agreed, begins, None)?;
        if let Some((_, tcb)) = self.connections.at_mut(index) {
            tcb.answer_with_keys(syn.header.options.signature.as_ref());
        }
        let (from, to, cause) = (State::Listen, State::Listen.after(Cause::Syn), Cause::Syn);
        self.note(now, syn.tuple, syn.id, Trace::State { from, to, cause });
        self.settle(now, index);
        self.connections.at(index).map(|(generation, _)| ConnectionKey { index, generation })
    }

    /// Turns a deferred SYN away.
    pub fn refuse(&mut self, _now: Instant, pending: PendingKey, refusal: Refusal) {
        let Some(syn) = self.pending.remove(pending) else { return };
        self.demux.remove(&syn.tuple, Slot::Pending(pending.index));
        if refusal == Refusal::Reset {
            let mut refusal = syn.refusal();
            self.sign_answer(&syn.tuple, &mut refusal, &syn.header);
            self.say_for(syn.tuple, syn.id, refusal, SendReason::Reset, State::Listen);
        }
    }

    /// CLOSE in LISTEN (3.10.4). What is half-open is forgotten, what is not accepted yet is reset.
    pub fn close_listener(&mut self, now: Instant, key: ListenerKey) {
        let Some(mut listener) = self.listeners.remove(key.index, key.generation) else { return };
        debug_assert_eq!([Cause::Close, Cause::Abort].map(|cause| State::Listen.after(cause)), [State::Closed; 2]);
        self.ports.remove(&(listener.port(), listener.address()));
        for (place, half) in self.syn_queue.remove_all_of(key) {
            self.after_half_open(now, place, &half, Cause::Abort);
        }
        for (place, syn) in self.pending.remove_all_of(key) {
            self.demux.remove(&syn.tuple, Slot::Pending(place));
            let mut refusal = syn.refusal();
            sign_answer(&listener.options().keys, &syn.tuple, &mut refusal, &syn.header);
            self.say_for(syn.tuple, syn.id, refusal, SendReason::Reset, State::Listen);
        }
        while let Some(connection) = listener.pop_accept() {
            self.abort(now, connection);
        }
    }

    /// SEND (3.10.2): queues a copy of as much as fits, and returns how much.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] if nothing fits: an event will say when something does.
    pub fn send(&mut self, now: Instant, key: ConnectionKey, data: &[u8]) -> Result<usize, CallError> {
        self.call(now, key, |tcb, _| tcb.send(data))
    }

    /// SEND without a copy: takes as much of the front of `data` as fits, by reference, and returns how much.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, now: Instant, key: ConnectionKey, data: &mut Bytes) -> Result<usize, CallError> {
        self.call(now, key, |tcb, _| tcb.send_bytes(data))
    }

    /// SEND without a copy, with a word on what follows; the other calls say [`Then::Push`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        data: &mut Bytes,
        then: Then,
    ) -> Result<usize, CallError> {
        self.call(now, key, |tcb, _| tcb.send_with(data, then))
    }

    /// Lets go what is queued, although it fills no segment, is corked, or more was said to come.
    ///
    /// # Errors
    /// If there is no such connection, or it has ended.
    pub fn push(&mut self, now: Instant, key: ConnectionKey) -> Result<(), CallError> {
        self.call(now, key, |tcb, _| tcb.push())
    }

    /// Says that a user waits until it may write: from then on [`Readiness::WRITABLE`](crate::Readiness::WRITABLE) is told as after a
    /// [`send`](Self::send) that found too little room, and the queue may grow for it.
    pub fn wait_writable(&mut self, key: ConnectionKey) {
        if let Some(tcb) = self.connections.get_mut(key.index, key.generation) {
            tcb.wait_writable();
        }
    }

    /// SEND with the URGENT flag (3.10.2; RFC 6093): the urgent pointer points behind the last byte taken.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_urgent(&mut self, now: Instant, key: ConnectionKey, data: &[u8]) -> Result<usize, CallError> {
        self.call(now, key, |tcb, _| tcb.send_urgent(data))
    }

    /// How many bytes [`send`](Self::send) would take now.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never `WouldBlock`.
    pub fn send_capacity(&self, key: ConnectionKey) -> Result<usize, CallError> {
        self.connections.get(key.index, key.generation).ok_or(CallError::NoConnection)?.send_capacity()
    }

    /// RECEIVE (3.10.3): reads what has arrived in order. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] if nothing has arrived; why the connection ended, if it ended early.
    pub fn receive(&mut self, now: Instant, key: ConnectionKey, out: &mut [u8]) -> Result<usize, CallError> {
        self.call(now, key, |tcb, cx| tcb.receive(cx, out))
    }

    /// RECEIVE without a copy: the oldest piece, at most `max` bytes. An empty one is the end of the stream.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_bytes(&mut self, now: Instant, key: ConnectionKey, max: usize) -> Result<Bytes, CallError> {
        self.call(now, key, |tcb, cx| tcb.receive_bytes(cx, max))
    }

    /// Looks at what [`receive`](Self::receive) would read.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn peek(&self, key: ConnectionKey, out: &mut [u8]) -> Result<usize, CallError> {
        self.connections.get(key.index, key.generation).ok_or(CallError::NoConnection)?.peek(out)
    }

    /// Closes our direction: FIN after all that is queued. The other direction stays open, the handle valid.
    ///
    /// # Errors
    /// [`CallError::Closing`] if that was done before; why the connection ended, if it ended early.
    pub fn shutdown(&mut self, now: Instant, key: ConnectionKey) -> Result<(), CallError> {
        self.call(now, key, Tcb::shutdown)
    }

    /// CLOSE (3.10.4) of both directions; the handle is given back. What is queued is delivered in the background;
    /// what was received and not read makes it a reset.
    pub fn close(&mut self, now: Instant, key: ConnectionKey) {
        let closing = self.with_key(now, key, Tcb::close);
        if closing == Some(Closing::Reset) {
            self.say_reset_of(now, key.index);
        }
    }

    /// ABORT (3.10.5): a RST, and the handle is given back.
    pub fn abort(&mut self, now: Instant, key: ConnectionKey) {
        let closing = self.with_key(now, key, Tcb::abort);
        if closing == Some(Closing::Reset) {
            self.say_reset_of(now, key.index);
        }
    }

    /// ABORT of all connections, those that were closed and are not over among them: as many as RSTs have room for. Whether there
    /// are more; then call it again once `poll_transmit` has nothing left.
    pub fn abort_all(&mut self, now: Instant) -> bool {
        let room = MAX_CONTROL.saturating_sub(self.control.len());
        let open = self.connections.iter().filter(|(_, tcb)| !tcb.is_over());
        let mut indices: Vec<u32> = open.map(|((index, _), _)| index).take(room + 1).collect();
        let has_more = indices.len() > room;
        indices.truncate(room);
        for index in indices {
            if self.with(now, index, Tcb::abort) == Some(Closing::Reset) {
                self.say_reset_of(now, index);
            }
        }
        has_more
    }

    /// Acknowledges the next segments at once, as those of a young connection, or no longer (`TCP_QUICKACK`). What is owed
    /// now is sent in the first case.
    pub fn set_quick(&mut self, now: Instant, key: ConnectionKey, quick: bool) {
        self.with_key(now, key, |tcb, _| tcb.rcv.acks.set_quick(quick));
    }

    /// Signs with the master key that has this SendID from now on, and asks the peer to sign with the one that has this RecvID
    /// (RFC 5925 7.1, CURRENT_KEY and RNEXT_KEY); `None`: as before. What the peer asks for later counts for the first.
    ///
    /// # Errors
    /// [`CallError::Invalid`] where the connection has no such key, and nothing is changed; if there is no such connection.
    pub fn choose_keys(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        send_id: Option<u8>,
        recv_id: Option<u8>,
    ) -> Result<(), CallError> {
        self.call(now, key, |tcb, _| if tcb.choose_keys(send_id, recv_id) { Ok(()) } else { Err(CallError::Invalid) })
    }

    /// Changes a connection's options, in force at once.
    ///
    /// # Errors
    /// If there is no such connection, or it has ended.
    pub fn set_options(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        change: impl FnOnce(&mut Options),
    ) -> Result<(), CallError> {
        let keys = self.call(now, key, |tcb, cx| {
            tcb.set_options(cx, change)?;
            Ok(!tcb.options.keys.is_empty())
        })?;
        self.signs |= keys;
        Ok(())
    }

    fn call<R>(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        f: impl FnOnce(&mut Tcb, &mut Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.with_key(now, key, f).unwrap_or(Err(CallError::NoConnection))
    }
}
