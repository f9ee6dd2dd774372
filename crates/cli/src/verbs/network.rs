//! The options that make the network worse, as they are written: for both directions, or for one.

use std::str::FromStr;
use std::time::Duration;

use bowline_device::impairment::{GilbertElliott, ImpairmentConfig, Impairments, Loss};
use bowline_device::units::{ParseUnitError, Percent, Rate, parse_duration};

/// Which packets are lost, as it is written: `2%`, or `1%/25%` for bursts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossArg(pub Loss);

impl FromStr for LossArg {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text.split_once('/') {
            None => Loss::Random(text.parse()?),
            Some((to_bad, to_good)) => Loss::GilbertElliott(GilbertElliott::simple(to_bad.parse()?, to_good.parse()?)),
        }))
    }
}

const NETWORK: &str = "A worse network";

/// What is on the command line about the network. `up` is from CMD to the world, `down` the way back.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = NETWORK)]
pub struct NetworkArgs {
    /// Lose packets at random: `2%`. In bursts: `1%/25%`, the chances that a burst begins and that it ends
    #[arg(long, value_name = "PERCENT")]
    pub loss: Option<LossArg>,
    /// Loss on the way up only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub loss_up: Option<LossArg>,
    /// Loss on the way down only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub loss_down: Option<LossArg>,

    /// Delay packets, each way: `40ms` makes round trips 80 ms longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// Delay on the way up only
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub delay_up: Option<Duration>,
    /// Delay on the way down only
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub delay_down: Option<Duration>,

    /// Vary the delay by up to this, earlier or later; packets stay in order
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub jitter: Option<Duration>,
    /// Jitter on the way up only
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub jitter_up: Option<Duration>,
    /// Jitter on the way down only
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub jitter_down: Option<Duration>,

    /// Let packets arrive after some that were behind them
    #[arg(long, value_name = "PERCENT")]
    pub reorder: Option<Percent>,
    /// Reordering on the way up only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub reorder_up: Option<Percent>,
    /// Reordering on the way down only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub reorder_down: Option<Percent>,

    /// Let packets arrive twice
    #[arg(long, value_name = "PERCENT")]
    pub duplicate: Option<Percent>,
    /// Duplicates on the way up only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub duplicate_up: Option<Percent>,
    /// Duplicates on the way down only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub duplicate_down: Option<Percent>,

    /// Flip a bit in packets, which their checksum then reveals
    #[arg(long, value_name = "PERCENT")]
    pub corrupt: Option<Percent>,
    /// Corruption on the way up only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub corrupt_up: Option<Percent>,
    /// Corruption on the way down only
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub corrupt_down: Option<Percent>,

    /// Limit the rate, in `tc`'s units: `10mbit`, `1gbit`; what does not fit into 100 ms of queue is lost
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Rate on the way up only
    #[arg(long, value_name = "RATE", hide_short_help = true)]
    pub rate_up: Option<Rate>,
    /// Rate on the way down only
    #[arg(long, value_name = "RATE", hide_short_help = true)]
    pub rate_down: Option<Rate>,

    /// The largest packet on the interface, in bytes [default: 1500]; below 1280 there is no IPv6
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..))]
    pub mtu: Option<u16>,
    /// The largest packet that a router on the way up passes on: larger ones are answered by ICMP
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..), hide_short_help = true)]
    pub mtu_up: Option<u16>,
    /// The largest packet that a router on the way down passes on
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..), hide_short_help = true)]
    pub mtu_down: Option<u16>,

    /// Where all chance comes from: the same seed has the same dice
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl NetworkArgs {
    /// The network that this describes. `seed` is used where none was given.
    #[must_use]
    pub fn resolve(&self, seed: u64) -> ImpairmentConfig {
        ImpairmentConfig { ingress: self.up(), egress: self.down(), seed: self.seed.unwrap_or(seed) }
    }

    fn up(&self) -> Impairments {
        Impairments {
            loss: self.loss_up.or(self.loss).map_or(Loss::None, |loss| loss.0),
            delay: self.delay_up.or(self.delay).unwrap_or_default(),
            jitter: self.jitter_up.or(self.jitter).unwrap_or_default(),
            reorder: self.reorder_up.or(self.reorder).unwrap_or_default(),
            duplicate: self.duplicate_up.or(self.duplicate).unwrap_or_default(),
            corrupt: self.corrupt_up.or(self.corrupt).unwrap_or_default(),
            rate: self.rate_up.or(self.rate),
            mtu: self.mtu_up,
            ..Impairments::default()
        }
    }

    fn down(&self) -> Impairments {
        Impairments {
            loss: self.loss_down.or(self.loss).map_or(Loss::None, |loss| loss.0),
            delay: self.delay_down.or(self.delay).unwrap_or_default(),
            jitter: self.jitter_down.or(self.jitter).unwrap_or_default(),
            reorder: self.reorder_down.or(self.reorder).unwrap_or_default(),
            duplicate: self.duplicate_down.or(self.duplicate).unwrap_or_default(),
            corrupt: self.corrupt_down.or(self.corrupt).unwrap_or_default(),
            rate: self.rate_down.or(self.rate),
            mtu: self.mtu_down,
            ..Impairments::default()
        }
    }
}
