//! What `bowline run` is to do: its arguments, resolved.

use std::path::PathBuf;

use bowline_device::impairment::ImpairmentConfig;
use bowline_gateway::QUEUE_MEMORY;
use bowline_gateway::forward::Forward;
use bowline_gateway::rules::Rules;
use bowline_gateway::sandbox;

use super::args::{Args, Congestion};

/// What is printed at the end, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing.
    Quiet,
    /// A summary for people.
    Text,
    /// The same as one JSON object.
    Json,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// CMD and its surroundings.
    pub sandbox: sandbox::Config,
    /// What is wrong with the network.
    pub network: ImpairmentConfig,
    /// The stack's congestion control, where one is asked for.
    pub congestion: Option<Congestion>,
    /// What may wait for CMD over all connections, in bytes.
    pub queue_memory: usize,
    /// The host's ports that lead to CMD.
    pub forwards: Vec<Forward>,
    /// Whether CMD reaches the host's loopback.
    pub host_loopback: bool,
    /// Where else it may go.
    pub rules: Rules,
    /// Whether diagrams are printed.
    pub diagram: bool,
    /// Where packets are captured.
    pub pcap: Option<PathBuf>,
    /// What is printed at the end.
    pub ending: Ending,
    /// How much is said meanwhile: 0, 1 or 2.
    pub verbosity: u8,
}

impl Settings {
    /// Resolves `args`. `seed` is used where none was given.
    #[must_use]
    pub fn resolve(args: Args, seed: u64) -> Self {
        let ending = match (args.quiet, args.json) {
            (true, _) => Ending::Quiet,
            (false, true) => Ending::Json,
            (false, false) => Ending::Text,
        };
        let congestion = args.congestion.map(|congestion| match congestion {
            Congestion::Reno => "reno".to_owned(),
            Congestion::Cubic => "cubic".to_owned(),
            Congestion::Bbr => "bbr".to_owned(),
        });
        Self {
            network: args.network.resolve(seed),
            sandbox: sandbox::Config {
                mtu: args.network.mtu.unwrap_or(sandbox::DEFAULT_MTU),
                congestion,
                ..sandbox::Config::new(args.command)
            },
            congestion: args.congestion,
            queue_memory: args.queue_memory.map_or(QUEUE_MEMORY, |size| usize::try_from(size).unwrap_or(usize::MAX)),
            forwards: args.publish,
            host_loopback: !args.no_host_loopback,
            rules: args.rules.0,
            diagram: args.diagram,
            pcap: args.pcap,
            ending,
            verbosity: args.verbose,
        }
    }
}
