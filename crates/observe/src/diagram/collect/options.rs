//! What is told of a segment's options: those of a SYN, the SACK blocks, and the counters of AccECN when they change.

use bowline_tcp::{EcnMode, ecn};
use bowline_wire::tcp::{AccEcnOrder, TcpFlags, TcpHeader};

use super::sequence::Stream;
use crate::diagram::model::Direction;

/// What the SYNs have said of AccECN (RFC 9768), and the counters that were shown last: ours and theirs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EcnSeen {
    asked: bool,
    agreed: bool,
    shown: [Option<u8>; 2],
}

impl EcnSeen {
    /// The flags, and what else is to be told of AccECN: once it is agreed on, three of them are a counter, which is told
    /// when it changes, together with the bytes of an option.
    pub(super) fn tell(&mut self, direction: Direction, header: &TcpHeader) -> (TcpFlags, Vec<String>) {
        self.learn(header);
        let bytes = ecn_bytes(header);
        if !self.is_counter(header) {
            return (header.flags, bytes.into_iter().collect());
        }
        let ace = ecn::ace(header.flags);
        let changed = self.shown[usize::from(direction == Direction::In)].replace(ace) != Some(ace);
        let told = changed.then(|| format!("ace {ace}")).into_iter().chain(bytes.filter(|_| changed));
        (self.flags(header), told.collect())
    }

    /// The flags without those that are a counter.
    pub(super) fn flags(&self, header: &TcpHeader) -> TcpFlags {
        if self.is_counter(header) { header.flags - ecn::flags(7) } else { header.flags }
    }

    fn is_counter(&self, header: &TcpHeader) -> bool {
        self.agreed && !header.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
    }

    fn learn(&mut self, header: &TcpHeader) {
        if !header.flags.contains(TcpFlags::SYN) {
            return;
        }
        if header.flags.contains(TcpFlags::ACK) {
            self.agreed |= self.asked && EcnMode::Accurate.conclude(header.flags) == EcnMode::Accurate;
        } else {
            self.asked |= EcnMode::Accurate.answer(header.flags) == EcnMode::Accurate;
        }
    }
}

/// All options of a SYN; of other segments only the SACK blocks, since the rest says nothing new.
pub(super) fn options(header: &TcpHeader, other: &Stream) -> Vec<String> {
    let mut shown = Vec::new();
    let options = &header.options;
    if header.flags.contains(TcpFlags::SYN) {
        shown.extend(options.mss.map(|mss| format!("mss {mss}")));
        shown.extend(options.window_scale.map(|scale| format!("wscale {scale}")));
        shown.extend(options.sack_permitted.then(|| "sack".to_owned()));
        shown.extend(options.timestamps.map(|_| "ts".to_owned()));
    }
    for block in &options.sack {
        let (left, right) = (other.relative_wire(block.left.0), other.relative_wire(block.right.0));
        shown.push(format!("sack {left}–{right}"));
    }
    shown
}

/// The counters of an AccECN option, in the order in which they stand there.
fn ecn_bytes(header: &TcpHeader) -> Option<String> {
    let option = header.options.acc_ecn?;
    let mut told = [("e1b", option.ect1_bytes()), ("ceb", option.ce_bytes()), ("e0b", option.ect0_bytes())];
    if option.order() == AccEcnOrder::Ect0First {
        told.reverse();
    }
    let counters = told.into_iter().filter_map(|(name, bytes)| Some(format!(" {name} {}", bytes?)));
    Some(counters.fold("accecn".to_owned(), |text, counter| text + &counter))
}
