//! AccECN's counters at one end, for as long as a connection lives: what has arrived there (RFC 9768 3.2.1). They begin at zero here;
//! what begins otherwise on the wire does so where it is written and read.

use bowline_wire::Ecn;

/// What r.cep begins with (RFC 9768 3.2.1, RFC9768-3.2.1-1).
pub(super) const FIRST_CEP: u8 = 5;
/// What r.e1b, r.ceb and r.e0b begin with, in the order of the options that we send.
pub(super) const FIRST_BYTES: [u32; 3] = [1, 0, 1];

/// The counters.
#[derive(Clone, Hash, Debug, Default)]
pub struct Counts {
    pub(super) ce_packets: u32,
    /// By mark: ECT(1), CE, ECT(0), in the order of the option.
    pub(super) bytes: [u64; 3],
}

impl Counts {
    /// Packets that arrived with CE.
    #[must_use]
    pub const fn ce_packets(&self) -> u32 {
        self.ce_packets
    }

    /// The same as far as three bits of the flags can tell it.
    #[must_use]
    pub const fn ace(&self) -> u8 {
        (self.ce_packets as u8).wrapping_add(FIRST_CEP) & 7
    }

    /// Bytes of text that arrived with this mark.
    #[must_use]
    pub fn bytes(&self, mark: Ecn) -> u64 {
        place_of(mark).and_then(|place| self.bytes.get(place)).copied().unwrap_or(0)
    }

    /// The counter of such bytes, and its place in the option.
    pub(super) fn bytes_mut(&mut self, mark: Ecn) -> Option<(usize, &mut u64)> {
        let place = place_of(mark)?;
        Some((place, self.bytes.get_mut(place)?))
    }

    pub(super) const fn add_ce(&mut self, packets: u32) {
        self.ce_packets = self.ce_packets.wrapping_add(packets);
    }
}

/// The place of a mark's counter in an option that begins with ECT(1).
const fn place_of(mark: Ecn) -> Option<usize> {
    match mark {
        Ecn::NotEct => None,
        Ecn::Ect1 => Some(0),
        Ecn::Ce => Some(1),
        Ecn::Ect0 => Some(2),
    }
}
