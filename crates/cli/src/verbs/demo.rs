//! `bowline demo [OPTIONS]`: its arguments, resolved into a plot, and what is printed of the story.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use bowline_device::impairment::Loss;
use bowline_device::units::{Percent, Rate, parse_size};
use bowline_observe::diagram::text::Style;
use clap::ValueEnum;

use super::network::{LossArg, NetworkArgs};
use crate::demo::http::Pages;
use crate::demo::report::{self, Telling};
use crate::demo::story::Plot;
use crate::demo::watch::Side;
use crate::usage::{USAGE, complain};

/// Loss where none is asked for, in percent: enough to see a retransmission in most runs.
const LOSS: f64 = 5.0;

/// Delay each way where none is asked for.
const DELAY: Duration = Duration::from_millis(20);

/// The rate where none is asked for: 10 Mbit/s, at which segments do not all arrive at once.
const RATE: Option<Rate> = Rate::from_bits_per_second(10_000_000);

/// The seed where none is asked for: the same story for everybody, in which data is lost and found in both ways.
pub const SEED: u64 = 18;

/// Whose view is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// The host that connects, and gets the pages
    Client,
    /// The host that sends the pages, and so knows why it sends them again
    #[default]
    Server,
}

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How many pages are fetched on the one connection
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub requests: u32,
    /// The size of each page: `12000`, `64kB`, `64KiB`, at most `1GB`
    #[arg(long, value_name = "BYTES", default_value = "12kB", value_parser = page_size)]
    pub size: u64,
    /// Use IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// The network in between; up is from the client to the server.
    #[command(flatten)]
    pub network: NetworkArgs,

    /// Whose view the diagram is
    #[arg(long, value_enum, value_name = "HOST", default_value_t, help_heading = SEEING)]
    pub view: View,
    /// Print everything that was seen as one JSON object
    #[arg(long, help_heading = SEEING)]
    pub json: bool,
    /// Draw with ASCII only
    #[arg(long, conflicts_with = "json", help_heading = SEEING)]
    pub ascii: bool,
}

const SEEING: &str = "Seeing what happens";

const EXAMPLES: &str = "\
Two hosts in this process's memory, no privilege, no network and no waiting: time is virtual. The
same seed gives the same story. Without options, the network loses 5% of the packets, takes 20ms each
way and carries 10mbit, by seed 18. Up is the way to the server.

Examples:
  bowline demo
  bowline demo --loss 0%
  bowline demo --loss 10% --reorder 5% --seed 7
  bowline demo --rate 1mbit --size 200kB --requests 1
  bowline demo --loss-up 100%";

/// The largest page, in bytes.
const LARGEST: u64 = 1_000_000_000;

fn page_size(text: &str) -> Result<u64, String> {
    let size = parse_size(text).map_err(|error| error.to_string())?;
    if size <= LARGEST { Ok(size) } else { Err(format!("{text:?} is more than 1GB, for example 64kB")) }
}

/// Resolves the arguments.
///
/// # Errors
/// They do not go together: a line that says what to do.
pub fn resolve(args: &Args) -> Result<Plot, String> {
    let mut network = args.network.clone();
    if network.loss.is_none() && network.loss_up.is_none() && network.loss_down.is_none() {
        network.loss = Percent::new(LOSS).map(|percent| LossArg(Loss::Random(percent)));
    }
    if network.delay.is_none() && network.delay_up.is_none() && network.delay_down.is_none() {
        network.delay = Some(DELAY);
    }
    if network.rate.is_none() && network.rate_up.is_none() && network.rate_down.is_none() {
        network.rate = RATE;
    }
    let mtu = network.mtu.unwrap_or(1500);
    let least = [Some(mtu), network.mtu_up, network.mtu_down].into_iter().flatten().min().unwrap_or(mtu);
    if args.ipv6 && least < 1280 {
        return Err(format!("IPv6 needs an MTU of at least 1280, not {least}"));
    }
    let network = network.resolve(SEED);
    let pages = Pages { count: args.requests, size: args.size, seed: network.seed };
    Ok(Plot { pages, network, mtu, ipv6: args.ipv6 })
}

/// Plays and prints the story. The status says whether every byte arrived.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let plot = match resolve(args) {
        Ok(plot) => plot,
        Err(problem) => {
            complain(&format!("{problem} (see `bowline demo --help`)"));
            return ExitCode::from(USAGE);
        }
    };
    let story = match plot.play() {
        Ok(story) => story,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let view = match args.view {
        View::Client => Side::Client,
        View::Server => Side::Server,
    };
    let style = Style { width: width(), ascii: args.ascii, colour: has_colour(), ..Style::default() };
    let out = if args.json {
        report::json(&story).map(|json| json + "\n").unwrap_or_default()
    } else {
        report::text(&story, &Telling { view, style })
    };
    let told = io::stdout().write_all(out.as_bytes()).is_ok();
    if told && story.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Columns to draw with: those of the terminal, else what `COLUMNS` says, else 100.
fn width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        return usize::from(size.ws_col).min(120);
    }
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100).clamp(60, 120)
}

/// Whether colours are wanted (<https://no-color.org>).
fn has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR")
}
