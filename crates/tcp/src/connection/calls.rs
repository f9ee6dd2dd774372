//! What the user asks of a connection (RFC 9293 3.10.2 to 3.10.6): SEND, RECEIVE, CLOSE, ABORT, and options; and what
//! ICMP reports (3.9.2.2).

use alloc::sync::Arc;

use bytes::Bytes;

use super::context::Context;
use super::tcb::Tcb;
use crate::config::{OpenErrors, Options};
use crate::event::Readiness;
use crate::reason::SendReason;
use crate::segment::IcmpError;
use crate::state::{Cause, State};
use crate::{CallError, ConnectionError};

/// The smallest path MTU over IPv4 that is believed, in bytes (as Linux: what 512 bytes of data need).
const MIN_PATH_MTU: u32 = 552;
/// What every IPv6 link carries, in bytes (RFC 8200 5).
const MIN_PATH_MTU_V6: u32 = 1280;

/// What follows what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Then {
    /// Nothing that is known: it is pushed (RFC 9293 3.9.1.2), and leaves as Nagle's algorithm and a cork let it.
    #[default]
    Push,
    /// More: what fills no segment may wait for it, until the next acknowledgement, and no longer than a cork holds (Linux
    /// `MSG_MORE`).
    More,
    /// Another record: a segment ends here, and what follows shares none with it (Linux `MSG_EOR`).
    EndOfRecord,
}

/// What a user's CLOSE came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closing {
    /// In order: a FIN follows what is queued.
    Orderly,
    /// With a RST, which the endpoint sends.
    Reset,
    /// There was nothing to close on the network.
    Silent,
}

impl Tcb {
    /// Why a call cannot be carried out, if that is so.
    fn usable(&self) -> Result<(), CallError> {
        match (self.user.orphan, self.error) {
            (true, _) => Err(CallError::NoConnection),
            (false, Some(error)) => Err(CallError::Ended(error)),
            (false, None) => Ok(()),
        }
    }

    /// What `send` would take now.
    pub(crate) fn send_capacity(&self) -> Result<usize, CallError> {
        self.usable()?;
        if self.snd.closed || !self.state.may_send() {
            return Err(CallError::Closing);
        }
        Ok(usize::try_from(self.room()).unwrap_or(usize::MAX))
    }

    /// Whether the user should be told to go on writing: a third is free, and little enough waits to be sent.
    pub(crate) fn is_writable(&self) -> bool {
        let (unsent, lowat) = (self.snd.unsent(), u64::from(self.options.notsent_lowat));
        let is_wanted = unsent == 0 || 2 * unsent < lowat;
        self.state.may_send() && !self.snd.closed && self.has_room_again() && is_wanted
    }

    /// A user waits for room, unless there is some.
    pub(crate) fn wait_writable(&mut self) {
        self.user.wants_write |= !self.is_writable();
    }

    /// SEND (3.10.2): queues what fits.
    pub(crate) fn send(&mut self, data: &[u8]) -> Result<usize, CallError> {
        let n = self.admit(data.len())?;
        self.snd.buffer.push_slice(&data[..n]);
        Ok(n)
    }

    /// SEND without a copy: takes the front of `data`.
    pub(crate) fn send_bytes(&mut self, data: &mut Bytes) -> Result<usize, CallError> {
        let n = self.admit(data.len())?;
        self.snd.buffer.push_bytes(data.split_to(n));
        Ok(n)
    }

    /// The same, with a word on what follows.
    pub(crate) fn send_with(&mut self, data: &mut Bytes, then: Then) -> Result<usize, CallError> {
        let n = self.send_bytes(data)?;
        (self.snd.more, self.snd.unpushed) = (then == Then::More, then == Then::More);
        if then == Then::EndOfRecord && data.is_empty() {
            self.snd.records.end_at(self.snd.buffer.end());
        }
        Ok(n)
    }

    /// What is queued need not wait for company any longer.
    pub(crate) fn push(&mut self) -> Result<(), CallError> {
        self.usable()?;
        self.snd.more = false;
        self.snd.uncorked = self.snd.unsent() > 0;
        Ok(())
    }

    /// SEND with URGENT (3.10.2; RFC 6093): the urgent pointer points behind what is queued here.
    pub(crate) fn send_urgent(&mut self, data: &[u8]) -> Result<usize, CallError> {
        let n = self.send(data)?;
        self.snd.up = Some(self.snd.buffer.end());
        Ok(n)
    }

    fn admit(&mut self, wanted: usize) -> Result<usize, CallError> {
        let capacity = self.send_capacity()?;
        self.note_app_limited();
        (self.snd.more, self.snd.unpushed) = (false, false);
        let n = wanted.min(capacity);
        if n < wanted {
            self.user.wants_write = true;
        }
        self.begin_blocks(n as u64);
        if n == 0 && wanted > 0 { Err(CallError::WouldBlock) } else { Ok(n) }
    }

    /// Whether text can be read, or its end be seen.
    fn readable(&self) -> Result<bool, CallError> {
        if self.user.orphan {
            return Err(CallError::NoConnection);
        }
        // RFC 9293 3.10.3: what came with the peer's SYN is not delivered before the connection is established.
        if !self.rcv.queue.is_empty() && (self.state != State::SynReceived || self.is_early()) {
            return Ok(true);
        }
        // A FIN that came before a RST was the end of the stream, as on Linux.
        match self.error {
            _ if self.rcv.fin_received => Ok(false),
            Some(error) => Err(CallError::Ended(error)),
            None if self.is_over() => Ok(false),
            None => Err(CallError::WouldBlock),
        }
    }

    /// RECEIVE (3.10.3). Zero is the end.
    pub(crate) fn receive(&mut self, cx: &Context<'_>, out: &mut [u8]) -> Result<usize, CallError> {
        if !self.readable()? || out.is_empty() {
            return Ok(0);
        }
        let n = self.rcv.queue.read(out);
        self.after_read(cx, n);
        Ok(n)
    }

    /// RECEIVE without a copy. Empty is the end.
    pub(crate) fn receive_bytes(&mut self, cx: &Context<'_>, max: usize) -> Result<Bytes, CallError> {
        if !self.readable()? {
            return Ok(Bytes::new());
        }
        let bytes = self.rcv.queue.read_bytes(max).unwrap_or_default();
        self.after_read(cx, bytes.len());
        Ok(bytes)
    }

    /// Looks at what could be read.
    pub(crate) fn peek(&self, out: &mut [u8]) -> Result<usize, CallError> {
        Ok(if self.readable()? { self.rcv.queue.peek(0, out) } else { 0 })
    }

    /// Reading makes room: the window may be worth an update at once (RFC 9293 3.8.6.2.2).
    fn after_read(&mut self, cx: &Context<'_>, n: usize) {
        let rtt = self.recovery.rtt().srtt();
        self.rcv.window.on_app_read(cx.now, n, rtt, &self.rcv.queue);
        let receives = self.state.may_receive() && self.state.is_synchronized() && !self.rcv.fin_received;
        if receives && self.rcv.window.would_update(&self.rcv.queue) && !self.has_only_answered_syn() {
            self.rcv.acks.on_immediate(SendReason::WindowUpdate);
        }
    }

    /// The user closes our direction only: a FIN follows what is queued.
    pub(crate) fn shutdown(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        self.usable()?;
        if self.snd.closed || !self.state.may_send() {
            return Err(CallError::Closing);
        }
        self.snd.closed = true;
        // In the handshake the FIN waits for its end (3.10.4), and `become_established` moves on.
        if matches!(self.state, State::Established | State::CloseWait) {
            self.advance(cx, Cause::Close);
        }
        Ok(())
    }

    /// CLOSE (3.10.4) of both directions (RFC 9293 3.6.1, MAY-1): the handle is given back.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) -> Closing {
        self.user.orphan = true;
        if self.is_over() {
            return Closing::Silent;
        }
        if self.state == State::SynSent {
            self.end(cx, Cause::Close, None);
            return Closing::Silent;
        }
        // RFC 9293 3.6.1, SHLD-3 and MUST-13's care for the peer: what was not read is not silently thrown away.
        let unread = !self.rcv.queue.is_empty();
        let resets = unread && self.options.reset_unread;
        if resets || self.options.linger == Some(core::time::Duration::ZERO) {
            cx.counters.abort_on_data += u64::from(resets);
            return self.abort(cx);
        }
        if unread {
            self.rcv.queue.clear();
        }
        if self.state == State::SynReceived && !self.snd.closed && self.snd.buffer.len() == 0 {
            self.snd.closed = true;
            self.advance(cx, Cause::Close);
        } else if self.snd.closed {
            self.arm_fin_wait_2(cx.now);
        } else {
            self.snd.closed = true;
            if self.state != State::SynReceived {
                self.advance(cx, Cause::Close);
            }
        }
        Closing::Orderly
    }

    /// ABORT (3.10.5): in states that the peer believes to be open, a RST tells it.
    pub(crate) fn abort(&mut self, cx: &mut Context<'_>) -> Closing {
        self.user.orphan = true;
        if self.is_over() {
            return Closing::Silent;
        }
        let tells = !matches!(self.state, State::SynSent | State::Closing | State::LastAck);
        self.rcv.queue.clear();
        self.end(cx, Cause::Abort, Some(ConnectionError::Aborted));
        if tells { Closing::Reset } else { Closing::Silent }
    }

    /// New options, in force from now on.
    pub(crate) fn set_options(&mut self, cx: &Context<'_>, change: impl FnOnce(&mut Options)) -> Result<(), CallError> {
        self.usable()?;
        let before = self.options.clone();
        change(Arc::make_mut(&mut self.options));
        if before.keepalive != self.options.keepalive {
            self.snd.probes = 0;
            self.arm_keepalive(cx.now);
        }
        if before.algorithm != self.options.algorithm {
            self.begin_congestion_control();
        }
        self.decide_pacing();
        if before.receive_buffer != self.options.receive_buffer {
            self.rcv.window.set_buffer(self.options.receive_buffer);
        }
        self.rcv.acks.set_delay(self.options.delayed_ack);
        self.recovery.set_rto_bounds(self.options.min_rto, self.options.max_rto);
        let is_keyed = before.keys != self.options.keys;
        if is_keyed {
            self.take_keys();
        }
        let sized = (before.max_segment, before.ecn_option) != (self.options.max_segment, self.options.ecn_option);
        if sized || is_keyed {
            self.update_mss();
        }
        Ok(())
    }

    /// What it is ready for now.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::CONNECTED, self.state.is_synchronized());
        ready.set(Readiness::READABLE, !matches!(self.readable(), Err(CallError::WouldBlock)));
        ready.set(Readiness::WRITABLE, self.is_writable() || self.is_over() || self.error.is_some());
        ready.set(Readiness::FLUSHED, self.snd.una == self.snd.end() && self.state.is_synchronized());
        ready.set(Readiness::CLOSED, self.is_over());
        ready.set(Readiness::URGENT, self.urgent_left() > 0);
        ready
    }

    /// ICMP about a segment of ours, `seq` its sequence number (RFC 5927 4: only what is in flight counts).
    pub(crate) fn handle_icmp(&mut self, cx: &mut Context<'_>, seq: u32, error: IcmpError) {
        let at = self.snd.una.nearest(seq);
        if at < self.snd.una || at >= self.snd.nxt || self.is_over() {
            cx.counters.icmp_ignored += 1;
            return;
        }
        if self.rare.is_some() && self.ignores_icmp(cx, error) {
            return;
        }
        let policy = self.options.open_errors;
        let (error, hard) = match error {
            IcmpError::PacketTooBig(_) if !self.options.path_mtu_discovery.believes() => {
                cx.counters.icmp_ignored += 1;
                return;
            }
            IcmpError::PacketTooBig(mtu) => return self.take_path_mtu(cx, mtu),
            IcmpError::ParameterProblem | IcmpError::NotReassembled => (ConnectionError::HostUnreachable, false),
            IcmpError::TimeExceeded => (ConnectionError::HostUnreachable, policy == OpenErrors::Hard),
            IcmpError::NetworkUnreachable => (ConnectionError::NetworkUnreachable, policy != OpenErrors::Hard),
            IcmpError::HostUnreachable => (ConnectionError::HostUnreachable, policy != OpenErrors::Hard),
            IcmpError::ProtocolUnreachable => (ConnectionError::ProtocolUnreachable, true),
            IcmpError::PortUnreachable => (ConnectionError::Refused, true),
            IcmpError::AdministrativelyProhibited => (ConnectionError::AdministrativelyProhibited, true),
        };
        // RFC 5461 2.1, and every stack in use: before the handshake is complete an unreachable destination fails the
        // open at once. RFC 5927 4.1: afterwards it is only remembered (RFC 9293 3.9.2.2, MUST-56), for who wants to know
        // (MUST-47, SHLD-25) and for nobody else (SHLD-20).
        if self.state.is_synchronized() || !hard || policy == OpenErrors::Nothing {
            self.soft_error = Some(error);
            return;
        }
        cx.counters.attempt_fails += 1;
        self.end(cx, Cause::Timeout, Some(error));
    }

    /// RFC 1191, RFC 8201: a smaller path. Never below the minimum, and never larger than it was.
    fn take_path_mtu(&mut self, cx: &mut Context<'_>, mtu: u32) {
        let reported = match mtu {
            // RFC 8201 4: every IPv6 link carries 1280 bytes, and who tells less is not believed.
            _ if self.tuple.is_ipv6() => mtu,
            0 => (u32::from(self.path_mtu) / 2).max(MIN_PATH_MTU),
            _ => mtu.max(MIN_PATH_MTU),
        };
        let mtu = u16::try_from(reported).unwrap_or(u16::MAX);
        if mtu >= self.path_mtu || (self.tuple.is_ipv6() && reported < MIN_PATH_MTU_V6) {
            cx.counters.icmp_ignored += 1;
            return;
        }
        self.path_mtu = mtu;
        self.bound_mtu_search(cx.now, mtu);
        self.take_mtu(cx);
        if self.state == State::SynSent && self.snd.nxt > self.snd.iss + 1 {
            // RFC 7413 4.2.1 has the SYN repeated without the text that made it too large; at once, since it is known not to arrive.
            self.snd.syn_again = true;
        }
    }
}
