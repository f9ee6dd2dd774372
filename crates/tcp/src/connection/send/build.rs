//! How a plan becomes a segment: its header, and what its departure changes (SND.NXT, timers, counters, the ACK that it
//! carried). The only place where a connection's segments are made.

use core::ops::Range;

use bowline_base::{Instant, Position};
use bowline_wire::packet::MAX_PACKET;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{SackBlock, TcpFlags, TcpHeader, TcpOptions};
use bowline_wire::{Ecn, TrafficClass};

use super::Plan;
use crate::config::WindowPolicy;
use crate::congestion::Controller;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::negotiate::{initial_window, timestamps_len};
use crate::reason::SendReason;
use crate::segment::Departure;
use crate::state::State;
use crate::trace::Trace;

impl Tcb {
    /// Makes the segment, and accounts for it as sent. All but the addresses and the text, whose positions are returned:
    /// it is still in the send queue. (The departure is filled in where it is: headers are large to move.)
    pub(crate) fn build(&mut self, cx: &mut Context<'_>, plan: &Plan, out: &mut Departure<'_>) -> Range<Position> {
        let syn = plan.start == self.snd.iss && !plan.is_empty();
        let text_start = plan.start + u64::from(syn);
        let text = text_start..plan.end().min(self.snd.buffer.end()).max(text_start);
        let fin = !plan.is_empty() && plan.end() > self.snd.buffer.end() && self.snd.closed && !syn;
        let repeats_fin = self.repeats_fin(plan);
        let len = text.end.since(text.start);
        let mss = u64::from(self.snd.mss);
        // What goes along with a SYN is one segment: the size of the others is not agreed on yet.
        let one = len <= mss || syn || plan.why == SendReason::MtuProbe;
        let count = if one { 1 } else { len.div_ceil(mss) };

        let header = &mut out.header;
        self.fill_header(cx, plan, syn, header);
        header.flags.set(TcpFlags::SYN, syn);
        header.flags.set(TcpFlags::FIN, fin || repeats_fin);
        if repeats_fin {
            header.seq = wire(self.snd.end() - 1);
        }
        // RFC 9293 3.9.1.2, MUST-61
        let in_between = self.options.push_bursts && !self.lossless;
        let pushes = plan.push || (in_between && (count > 1 || (!plan.again && self.is_push_due(&text))));
        // What went along with a SYN is pushed by what follows it, as on Linux.
        header.flags.set(TcpFlags::PSH, len > 0 && pushes && !syn);
        out.traffic_class = self.mark_congestion(header, plan, len > 0);
        out.segment_size = (!one).then_some(u16::try_from(mss).unwrap_or(u16::MAX));

        self.account(cx, plan, len, count);
        let (state, why, again) = (self.state, plan.why, plan.again);
        cx.record(self.tuple, self.id, || Trace::Sent { header: header.clone(), len: len as u32, why, again, state });
        text
    }

    /// Whether an acknowledgement tells the peer once more that we have closed: if the options say so, until it knows. It is
    /// no retransmission that recovery would count.
    fn repeats_fin(&self, plan: &Plan) -> bool {
        self.options.odd.repeat_fin
            && plan.is_empty()
            && self.snd.closed
            && plan.start == self.snd.end()
            && !self.snd.fin_acknowledged()
            && !matches!(plan.why, SendReason::ChallengeAck | SendReason::WindowProbe | SendReason::Keepalive)
    }

    /// The header but for SYN, FIN and PSH. Taking the window here is what advertises it.
    fn fill_header(&mut self, cx: &Context<'_>, plan: &Plan, syn: bool, header: &mut TcpHeader) {
        header.src_port = self.tuple.local_port();
        header.dst_port = self.tuple.remote_port();
        header.seq = SeqNumber(plan.start.wire());
        if self.state != State::SynSent {
            header.ack = wire(self.rcv_nxt());
            header.flags |= TcpFlags::ACK;
            self.rcv.last_ack = self.rcv_nxt();
        }
        // RFC 9293 3.7.1, MUST-65, RFC 7323 2.2, RFC 2018 2, RFC2018-2-1: what is negotiated stands on SYNs only.
        if syn {
            return self.fill_syn(cx, plan, header);
        }
        header.window = self.rcv.window.advertise(&self.rcv.queue);
        if let Some(blank) = self.blank_signature() {
            header.options.signature = Some(blank);
        }
        // RFC 7323 3.2, RFC7323-3.2-1: on every segment from now on.
        header.options.timestamps = self.timestamps.map(|clock| clock.option(cx.now));
        // RFC 2018 4, RFC2018-4-1: in every acknowledgement, as many blocks as there is room for.
        let mut twice = None;
        if self.sack && plan.is_empty() && (self.rcv.acks.has_dsack() || self.rcv.queue.holes() > 0) {
            twice = self.add_blocks(header);
        }
        if self.ecn.is_some() {
            self.add_option(cx.now, header, twice);
        }
        self.mark_urgent(header, plan);
    }

    /// What a SYN or SYN-ACK has: options, and a window that is not scaled.
    #[inline(never)]
    fn fill_syn(&self, cx: &Context<'_>, plan: &Plan, header: &mut TcpHeader) {
        header.options = self.syn_options(cx);
        header.options.signature = self.blank_signature();
        self.add_syn_ack_option(header, plan.again);
        let known = self.state != State::SynSent && self.timestamps.is_some();
        let mss = self.announced_mss().saturating_sub(timestamps_len(known));
        header.window = initial_window(&self.options, mss);
    }

    /// The SACK blocks. Where the first tells what has come twice, its beginning is returned.
    #[inline(never)]
    fn add_blocks(&mut self, header: &mut TcpHeader) -> Option<Position> {
        let most = header.options.room_for_blocks();
        let dsack = self.rcv.acks.take_dsack();
        let twice = dsack.as_ref().map(|range| range.start);
        let blocks = self.rcv.queue.sack_blocks(dsack, most);
        // A FIN has arrived with the text before it (as Linux reports it). If it were left out, the sender would take
        // the ACK that ends a recovery for news of its FIN alone, and the recovery for needless (RFC 5682).
        let fin = self.rcv.fin_at;
        let end = |end| if fin == Some(end) { end + 1 } else { end };
        let blocks = blocks.iter().map(|b| SackBlock { left: wire(b.start), right: wire(end(b.end)) });
        header.options.sack.extend(blocks);
        twice
    }

    /// The RST that tells the peer of an abort (RFC 9293 3.10.5): <SEQ=SND.NXT><CTL=RST>, with an ACK so that a peer in
    /// any state can check it, and with timestamps where they were agreed on (RFC 7323 5.2).
    pub(crate) fn reset_header(&self, now: Instant) -> TcpHeader {
        // Nobody looks at it; Linux tells it all the same.
        let window = match self.options.window_policy {
            WindowPolicy::Steps => {
                self.rcv.window.rcv_wnd(self.rcv.nxt()) >> self.window_scale.map_or(0, |(ours, _)| ours)
            }
            WindowPolicy::Everything => 0,
        };
        TcpHeader {
            window: u16::try_from(window).unwrap_or(u16::MAX),
            src_port: self.tuple.local_port(),
            dst_port: self.tuple.remote_port(),
            seq: SeqNumber(self.snd.nxt.wire()),
            ack: wire(self.rcv_nxt()),
            flags: TcpFlags::RST | TcpFlags::ACK | self.reset_flags(),
            options: TcpOptions {
                timestamps: self.timestamps.map(|clock| clock.option(now)),
                signature: self.blank_signature(),
                ..TcpOptions::default()
            },
            ..TcpHeader::default()
        }
    }

    fn syn_options(&self, cx: &Context<'_>) -> TcpOptions {
        let fast_open = if self.rare.is_some() { self.fast_open_option() } else { None };
        if self.state == State::SynSent {
            let (side, full) = (self.our_side(), self.snd.retries <= self.options.full_syns);
            let timestamps = self.timestamps.map(|clock| clock.option(cx.now));
            return if full { TcpOptions { fast_open, timestamps, ..side.offer(cx.now) } } else { side.bare_offer() };
        }
        TcpOptions {
            fast_open,
            mss: self.options.announce_mss.then(|| self.announced_mss()),
            window_scale: self.window_scale.map(|(ours, _)| ours),
            sack_permitted: self.sack,
            timestamps: self.timestamps.map(|clock| clock.option(cx.now)),
            layout: self.options.layout,
            ..TcpOptions::default()
        }
    }

    /// RFC 9293 3.8.5 and RFC 6093: URG while urgent data lies ahead, of any length (MUST-30); the pointer gives the byte
    /// behind it (MUST-62).
    fn mark_urgent(&self, header: &mut TcpHeader, plan: &Plan) {
        if let Some(up) = self.snd.up
            && up > plan.start
            && up.since(plan.start) <= MAX_PACKET as u64
        {
            header.flags |= TcpFlags::URG;
            header.urgent = up.since(plan.start) as u16;
        }
    }

    /// The flags of ECN, and the IP traffic class with the mark, the user's differentiated-services bits unchanged (RFC 9293
    /// 3.9.1.9, SHLD-21, SHLD-22: as they are now). RFC 3168 6.1.1: a SYN is never marked as capable.
    fn mark_congestion(&mut self, header: &mut TcpHeader, plan: &Plan, text: bool) -> u8 {
        let class = TrafficClass(self.options.traffic_class);
        let mark = if header.flags.contains(TcpFlags::SYN) {
            self.mark_syn(header);
            Ecn::NotEct
        } else if self.ecn.is_some() {
            self.mark_segment(header, text, plan.again)
        } else {
            Ecn::NotEct
        };
        class.with_ecn(mark).0
    }

    /// What the departure changes.
    fn account(&mut self, cx: &mut Context<'_>, plan: &Plan, len: u64, count: u64) {
        self.stats.segs_out += count;
        cx.counters.out_segs += count;
        if self.state != State::SynSent {
            self.note_ack_sent(cx, plan);
        }
        if plan.is_empty() {
            self.note_probe_sent(cx, plan.why);
            return;
        }
        if self.recovery.is_sampled() && self.recovery.in_flight() == 0 && self.recovery.is_app_limited() {
            self.congestion.on_restart(cx.now, self.recovery.rtt().srtt());
        }
        let syn_text = plan.start == self.snd.iss && len > 0;
        if syn_text {
            // Two records: a server may take the SYN alone.
            let text = self.snd.iss + 1;
            self.recovery.on_sent(cx.now, plan.start..text, false);
            self.recovery.on_sent(cx.now, text..plan.end(), false);
            self.note_syn_text(len);
        } else if plan.why == SendReason::TailLossProbe {
            self.recovery.on_probe_sent(cx.now, plan.range(), plan.again);
            cx.counters.loss_probes += 1;
        } else {
            if plan.why == SendReason::MtuProbe {
                self.on_mtu_probe_sent(plan.range());
            }
            self.recovery.on_sent(cx.now, plan.range(), plan.again);
        }
        if self.paced && len > 0 {
            self.note_departure(cx.now, len);
        }
        self.snd.syn_again = false;
        self.snd.nxt = self.snd.nxt.max(plan.end());
        self.stuck_since = self.stuck_since.min(cx.now);
        self.stats.bytes_sent += len;
        self.stats.data_segs_out += if len > 0 { count } else { 0 };
        if len > 0 {
            self.stats.last_data_sent = cx.now;
        }
        if plan.again {
            self.stats.total_retrans = self.stats.total_retrans.saturating_add(count as u32);
            self.stats.bytes_retrans += len;
            if plan.start == self.snd.iss {
                self.snd.syn_repeats = self.snd.syn_repeats.saturating_add(1);
            }
            cx.counters.retrans_segs += count;
            self.forget_mtu_probe(&plan.range());
        } else if !syn_text && !self.fills_segments(len) {
            // A SYN takes along what it has room for: that says nothing of how the user writes.
            self.snd.small_end = plan.end();
        }
        if len > 0 {
            let limited = self.recovery.in_flight() >= self.congestion.cwnd();
            self.snd.usage.note(self.snd.una, self.snd.nxt, limited);
        }
        if len > 0 {
            self.stop_persist();
        }
    }

    /// Whether so much text leaves no segment that is smaller than a full one. (A division only where it is needed.)
    fn fills_segments(&self, len: u64) -> bool {
        let mss = u64::from(self.snd.mss);
        len == mss || len == 0 || (len > mss && len.is_multiple_of(mss))
    }

    fn note_ack_sent(&mut self, cx: &mut Context<'_>, plan: &Plan) {
        if plan.why == SendReason::DelayedAck {
            cx.counters.delayed_acks += 1;
        }
        if plan.is_empty() {
            self.rcv.acks.on_ack_sent();
        } else {
            self.rcv.acks.on_data_sent(cx.now);
        }
    }

    fn note_probe_sent(&mut self, cx: &mut Context<'_>, why: SendReason) {
        match why {
            SendReason::WindowProbe => cx.counters.window_probe += 1,
            SendReason::Keepalive => cx.counters.keepalive += 1,
            _ => return,
        }
        self.snd.probe = None;
    }
}

fn wire(position: Position) -> SeqNumber {
    SeqNumber(position.wire())
}
