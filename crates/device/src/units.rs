//! Percentages, rates and durations as people write them on a command line.
//!
//! It decides the spelling (that of `tc` where there is one) and what each error says. It must not know what the values
//! are for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a value could not be read: one line, which names the value and shows one that would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseUnitError(String);

impl fmt::Display for ParseUnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseUnitError {}

fn wrong(value: &str, what: &str) -> ParseUnitError {
    ParseUnitError(format!("{value:?} {what}"))
}

/// Splits `2.5mbit` into its number and its unit. Signs and exponents are no numbers here.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A probability, written as a percentage: `2%`, `0.1%`, or `2` for 2 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// Never.
    pub const ZERO: Self = Self(0.0);

    /// `percent` of a hundred; `None` if it is not between 0 and 100.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// The value in percent, 0 to 100.
    #[must_use]
    pub const fn percent(self) -> f64 {
        self.0
    }

    /// The value as a probability, 0 to 1.
    #[must_use]
    pub const fn probability(self) -> f64 {
        self.0 / 100.0
    }

    /// Whether it can never happen.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0.0
    }
}

impl FromStr for Percent {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        match number_and_unit(text) {
            Some((number, "%" | "")) => {
                Self::new(number).ok_or_else(|| wrong(text, "is not between 0% and 100%, for example 2%"))
            }
            _ => Err(wrong(text, "is no percentage, for example 2% or 0.1%")),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A rate of transmission in bits per second, at least 1: `10mbit`, `1.5gbit`, `800kbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// The units of `tc`, in bits per second; `bps` and its multiples are bytes per second.
const RATES: [(&str, f64); 15] = [
    ("bit", 1.0),
    ("kbit", 1e3),
    ("mbit", 1e6),
    ("gbit", 1e9),
    ("tbit", 1e12),
    ("kibit", 1024.0),
    ("mibit", 1_048_576.0),
    ("gibit", 1_073_741_824.0),
    ("bps", 8.0),
    ("kbps", 8e3),
    ("mbps", 8e6),
    ("gbps", 8e9),
    ("kibps", 8192.0),
    ("mibps", 8_388_608.0),
    ("gibps", 8_589_934_592.0),
];

impl Rate {
    /// A rate of `bits` per second; `None` for zero.
    #[must_use]
    pub const fn from_bits_per_second(bits: u64) -> Option<Self> {
        if bits == 0 { None } else { Some(Self(bits)) }
    }

    /// Bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// How long `bytes` bytes take.
    #[must_use]
    pub fn time_for(self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 8_000_000_000).div_ceil(u128::from(self.0));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The bytes that pass in `time`, rounded down.
    #[must_use]
    pub fn bytes_in(self, time: Duration) -> usize {
        let bytes = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl FromStr for Rate {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let Some((number, unit)) = number_and_unit(text) else {
            return Err(wrong(text, "is no rate, for example 10mbit"));
        };
        let unit = unit.to_ascii_lowercase();
        let Some((_, factor)) = RATES.iter().find(|(name, _)| *name == unit) else {
            let known = "as tc has them: bit, kbit, mbit, gbit, tbit, or bps, kbps, mbps, gbps for bytes";
            return Err(wrong(text, &format!("has no unit of a rate, {known}, for example 10mbit")));
        };
        let bits = (number * factor).round();
        if bits < 1.0 || bits >= u64::MAX as f64 {
            return Err(wrong(text, "is no possible rate: at least 1bit, for example 10mbit"));
        }
        Ok(Self(bits as u64))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = RATES[..5].iter().rev().find(|(_, factor)| self.0 as f64 >= *factor);
        let (name, factor) = unit.copied().unwrap_or(("bit", 1.0));
        write!(f, "{}{name}", self.0 as f64 / factor)
    }
}

/// Reads a duration: `40ms`, `1s`, `1.5s`, `500us`, `20ns`, `2min`, `1h`, or `0`.
///
/// # Errors
/// There is no unit, an unknown one, or no number.
pub fn parse_duration(text: &str) -> Result<Duration, ParseUnitError> {
    let Some((number, unit)) = number_and_unit(text) else {
        return Err(wrong(text, "is no duration, for example 40ms"));
    };
    let factor = match unit {
        "s" | "sec" => 1e9,
        "ms" => 1e6,
        "us" | "µs" => 1e3,
        "ns" => 1.0,
        "min" => 60e9,
        "h" => 3_600e9,
        "" if number == 0.0 => 1.0,
        "" => return Err(wrong(text, &format!("has no unit: {number}ms or {number}s"))),
        _ => return Err(wrong(text, "has an unknown unit; the units are ns, us, ms, s, min and h, for example 40ms")),
    };
    let nanos = (number * factor).round();
    if nanos >= u64::MAX as f64 {
        return Err(wrong(text, "is too long"));
    }
    Ok(Duration::from_nanos(nanos as u64))
}

/// Units of sizes in bytes, in upper or lower case: as the kernel's tools have them, a single letter is a multiple of 1024.
const SIZES: [(&str, f64); 11] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("k", 1024.0),
    ("m", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
];

/// Reads a size in bytes, on every command line and in every file: `12000` and `12000B` for bytes, `64kB`, `64MB` for
/// multiples of 1000, `64KiB`, `64MiB` and for short `64K`, `64M` for multiples of 1024.
///
/// # Errors
/// There is an unknown unit, or no number.
pub fn parse_size(text: &str) -> Result<u64, ParseUnitError> {
    let Some((number, unit)) = number_and_unit(text) else {
        return Err(wrong(text, "is no size, for example 64MiB"));
    };
    let unit = unit.to_ascii_lowercase();
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(text, "has no unit of a size: B, kB, MB, GB, or KiB, MiB, GiB, for example 64MiB"));
    };
    let bytes = (number * factor).round();
    if bytes >= u64::MAX as f64 {
        return Err(wrong(text, "is too large"));
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests;
