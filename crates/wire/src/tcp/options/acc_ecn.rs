//! The AccECN options (RFC 9768 3.2.3): up to three byte counters of 24 bits, in one of two orders.
//!
//! Decides how they are read, written and cut to the room that there is; what is counted is TCP's business.

use arrayvec::ArrayVec;

use super::{MAX_OPTIONS, NOP, TcpOptions};

/// The kind that begins with the bytes that came as ECT(0).
pub(super) const ACC_ECN_0: u8 = 172;
/// The kind that begins with those that came as ECT(1).
pub(super) const ACC_ECN_1: u8 = 174;
/// SACK blocks that are not given up for counters (RFC 9768 3.2.3.3, RFC9768-3.2.3.3-1).
const SACK_FIRST: usize = 2;

/// In which order the counters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccEcnOrder {
    /// ECT(0), CE, ECT(1): kind 172.
    Ect0First,
    /// ECT(1), CE, ECT(0): kind 174.
    Ect1First,
}

/// The counters of an AccECN option, as they stand in it: the low 24 bits of each. Those left out did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccEcnOption {
    order: AccEcnOrder,
    fields: u8,
    counters: [[u8; 3]; 3],
}

impl AccEcnOption {
    /// The option with these counters, the first three at most, in the order of the kind.
    #[must_use]
    pub fn new(order: AccEcnOrder, counters: &[u32]) -> Self {
        let mut option = Self { order, fields: counters.len().min(3) as u8, counters: [[0; 3]; 3] };
        for (place, counter) in option.counters.iter_mut().zip(counters) {
            let [_, high, middle, low] = counter.to_be_bytes();
            *place = [high, middle, low];
        }
        option
    }

    /// Reads the value of an option of kind 172 or 174. As many whole counters count as are there, three at most; what
    /// follows them is padding (RFC 9768 3.2.3, RFC9768-3.2.3-1).
    pub(super) fn read(kind: u8, value: &[u8]) -> Self {
        let order = if kind == ACC_ECN_0 { AccEcnOrder::Ect0First } else { AccEcnOrder::Ect1First };
        let mut option = Self { order, fields: 0, counters: [[0; 3]; 3] };
        for (place, counter) in option.counters.iter_mut().zip(value.as_chunks::<3>().0) {
            *place = *counter;
            option.fields += 1;
        }
        option
    }

    /// The order of the counters.
    #[must_use]
    pub const fn order(&self) -> AccEcnOrder {
        self.order
    }

    /// How many counters it has: none to three.
    #[must_use]
    pub fn fields(&self) -> usize {
        usize::from(self.fields)
    }

    /// EE0B: bytes that came as ECT(0), the low 24 bits.
    #[must_use]
    pub fn ect0_bytes(&self) -> Option<u32> {
        self.field(if self.order == AccEcnOrder::Ect0First { 0 } else { 2 })
    }

    /// ECEB: bytes that came as CE, the low 24 bits.
    #[must_use]
    pub fn ce_bytes(&self) -> Option<u32> {
        self.field(1)
    }

    /// EE1B: bytes that came as ECT(1), the low 24 bits.
    #[must_use]
    pub fn ect1_bytes(&self) -> Option<u32> {
        self.field(if self.order == AccEcnOrder::Ect0First { 2 } else { 0 })
    }

    fn field(&self, index: usize) -> Option<u32> {
        let &[high, middle, low] = self.counters.get(index).filter(|_| index < self.fields())?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    /// Only its first counters; what is left out counts as zero, so that equal options are equal.
    fn truncated(mut self, fields: usize) -> Self {
        self.fields = fields as u8;
        self.counters.iter_mut().skip(fields).for_each(|counter| *counter = [0; 3]);
        self
    }

    /// The option as it is written: kind, length, counters.
    pub(super) fn bytes(&self) -> ArrayVec<u8, 11> {
        let kind = if self.order == AccEcnOrder::Ect0First { ACC_ECN_0 } else { ACC_ECN_1 };
        let head = [kind, 2 + 3 * self.fields];
        head.into_iter().chain(self.counters.into_iter().take(self.fields()).flatten()).collect()
    }

    /// The whole words that it fills, and the one or two bytes behind them that may stand in the padding of the option
    /// that follows.
    pub(super) fn words(&self) -> (ArrayVec<[u8; 4], 3>, Option<[u8; 2]>) {
        let bytes = self.bytes();
        let (words, rest) = bytes.as_chunks::<4>();
        let mut words: ArrayVec<[u8; 4], 3> = words.iter().copied().collect();
        let rest = match *rest {
            [] => None,
            [only] => Some([only, NOP]),
            [first, second] => Some([first, second]),
            [first, second, third, ..] => {
                words.push([first, second, third, NOP]);
                None
            }
        };
        (words, rest)
    }
}

impl TcpOptions {
    /// Cuts the AccECN option to the room that the other options leave: as many counters as fit, at least `required`, for
    /// which SACK blocks beyond the second are given up. Where that is not enough the option is left out.
    pub fn fit_acc_ecn(&mut self, required: usize) {
        let Some(whole) = self.acc_ecn.take() else { return };
        let fast_open = self.fast_open.as_ref().map_or(0, |option| option.emit_len().next_multiple_of(4));
        let blocks = self.sack_that_fit();
        let fewest = if required > 0 { blocks.min(SACK_FIRST) } else { blocks };
        for kept in (fewest..=blocks).rev() {
            for fields in (required..=whole.fields()).rev() {
                self.acc_ecn = Some(whole.truncated(fields));
                if self.len_with_blocks(kept) + fast_open <= MAX_OPTIONS {
                    self.sack.truncate(kept);
                    return;
                }
            }
        }
        self.acc_ecn = None;
    }
}
