//! What the path of `bowline bench loss` and `share` is like, and who sends on it: their options.
//!
//! It decides which of them belong to which part, and refuses what would be without effect.

use std::time::Duration;

use bowline_device::units::{Rate, parse_duration};
use clap::ValueEnum;

use super::Part;

/// A congestion controller that the kernel has, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Controller {
    /// CUBIC, RFC 9438
    Cubic,
    /// BBR: version 3 of ours, and the kernel's
    Bbr,
}

/// The options. What is not given is as the part has it.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Options of loss and share")]
pub struct PathArgs {
    /// The congestion controller of both senders [default: cubic]
    #[arg(long, value_enum, value_name = "NAME")]
    pub controller: Option<Controller>,
    /// The kernel's congestion controller, where it is another
    #[arg(long, value_enum, value_name = "NAME")]
    pub against: Option<Controller>,
    /// Round-trip times, one after the other [default: 20ms,80ms,100ms for loss, 40ms for share]
    #[arg(long, value_delimiter = ',', value_name = "TIME,...", value_parser = milliseconds)]
    pub rtt: Vec<u64>,
    /// How long a turn takes, once slow start is over [default: 5 for loss, 60 for share]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub seconds: Option<u16>,
    /// The rate of the bottleneck, of share only [default: 50mbit]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Its queues, one after the other, in what the path holds without one; of share only [default: 1,2]
    #[arg(long, value_delimiter = ',', value_name = "BDP,...", value_parser = queue)]
    pub queue: Vec<f64>,
    /// Flows of ours, of share only; 0 shows how the kernel's share among themselves [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=100))]
    pub ours: Option<u16>,
    /// The kernel's flows, of share only [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=100))]
    pub theirs: Option<u16>,
}

impl PathArgs {
    /// Refuses options that none of these parts has.
    pub(super) fn check(&self, parts: &[Part]) -> Result<(), String> {
        let Self { controller, against, rtt, seconds, rate, queue, ours, theirs } = self;
        let path = [controller.is_some(), against.is_some(), !rtt.is_empty(), seconds.is_some()];
        let bottleneck = rate.is_some() || !queue.is_empty() || ours.is_some() || theirs.is_some();
        if bottleneck && !parts.contains(&Part::Share) {
            return Err("--rate, --queue, --ours and --theirs are options of `bowline bench share`".to_owned());
        }
        if (ours.unwrap_or(2), theirs.unwrap_or(1)) == (0, 0) {
            return Err("--ours 0 --theirs 0 leaves no flow to measure".to_owned());
        }
        if path.contains(&true) && !parts.iter().any(|part| matches!(part, Part::Loss | Part::Share)) {
            return Err("--controller, --against, --rtt and --seconds are options of `bowline bench loss` and `share`"
                .to_owned());
        }
        Ok(())
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    match u64::try_from(time.as_millis()) {
        Ok(whole @ 1..=10_000) if Duration::from_millis(whole) == time => Ok(whole),
        _ => Err(format!("{text:?} is not a whole number of milliseconds from 1ms to 10s")),
    }
}

fn queue(text: &str) -> Result<f64, String> {
    let queue: f64 = text.parse().map_err(|_| format!("{text:?} is no number, for example 0.5"))?;
    if (0.01..=100.0).contains(&queue) { Ok(queue) } else { Err(format!("{text:?} is not between 0.01 and 100")) }
}
