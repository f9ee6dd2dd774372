//! What must be true of one side, whatever the other side and the network do.
//!
//! It only looks: what has to be true of both sides together is `world`'s.

use bowline_tcp::ConnectionKey;
use bowline_tcp::state::State;
use bowline_wire::tcp::TcpFlags;

use super::{Host, Input, MOST};
use crate::ledger::{Ledger, Life};
use crate::scenario::Call;
use crate::segment::Segment;

impl Host {
    /// What the endpoint says of the connection that is held. Whether it is over.
    pub(super) fn note_progress(&mut self, key: ConnectionKey) -> Result<bool, String> {
        let info = self.endpoint.info(self.now, key);
        let numbers = self.endpoint.initial_numbers(key);
        let (Some(info), Some((_, irs)), Some(life)) = (info, numbers, self.ledger.lives.last_mut()) else {
            return Ok(false);
        };
        if !matches!(info.state, State::Closed | State::Listen) {
            life.irs = irs.map(|irs| irs.0).or(life.irs);
        }
        life.established |= life.has_both_syns(&info);
        let got = usize::try_from(info.bytes_received).unwrap_or(usize::MAX);
        // RFC 9293 3.10.7.4: a reset, an abort or a time-out brings nothing along.
        if got > life.got && life.end == Some(crate::ledger::End::Early) {
            return Err(format!("{} bytes arrived after the connection had ended", got - life.got));
        }
        life.got = life.got.max(got);
        Ok(matches!(info.state, State::Closed | State::Listen | State::TimeWait))
    }

    /// What a segment carries must be what the user wrote there.
    pub(super) fn check_text(&self, segment: &Segment) -> Result<(), String> {
        let first = segment.header.seq.0.wrapping_add(u32::from(segment.has(TcpFlags::SYN)));
        let is_ours = |(number, life): (usize, &Life)| {
            let at = first.wrapping_sub(life.iss.wrapping_add(1)) as usize;
            let end = at.saturating_add(segment.text.len());
            end <= life.wrote
                && segment.text.iter().enumerate().all(|(i, &b)| b == Ledger::byte(self.side, number, at + i))
        };
        if segment.text.is_empty() || self.ledger.lives.iter().enumerate().any(is_ours) {
            return Ok(());
        }
        Err(format!("{:?} at {} was sent and never written", segment.text, segment.header.seq.0))
    }

    /// What must be true of a side between two steps.
    pub(super) fn judge(&self) -> Result<(), String> {
        if self.endpoint.counters().resets_suppressed > 0 {
            return Err("a ration that the fingerprint leaves out has run out".into());
        }
        // Where no user will ever do anything, time must: else what is left is left for ever.
        let held = self.socket.is_some() || self.pending.is_some();
        if !held && self.endpoint.population() != (0, 0, 0) && self.endpoint.poll_timeout().is_none() {
            return Err(format!("{:?} are left with no timer, and nobody holds them", self.endpoint.population()));
        }
        Ok(())
    }

    /// Lets the user do `last` with what it holds, and then time pass while nothing arrives any more: in the end nothing may
    /// be left.
    ///
    /// # Errors
    /// What is left, or what it did that no side may ever do.
    pub fn ends_alone(&self, last: Call) -> Result<(), String> {
        let mut host = self.clone();
        for _ in 0..MOST {
            let call = match host.socket {
                Some(_) => last,
                None if host.listener.is_some() => Call::Unlisten,
                None if host.endpoint.poll_timeout().is_some() => Call::Timer,
                None => break,
            };
            host = host.step(Input::Call(call))?.0;
        }
        if host.is_over() {
            return Ok(());
        }
        Err(format!("after {last:?} and silence {:?} remain in {}", host.endpoint.population(), host.state()))
    }
}
