//! What is on the command line of `bowline run`, as it is written.

use std::ffi::OsString;
use std::path::PathBuf;

use bowline_device::units::parse_size;
use bowline_gateway::forward::Forward;
use bowline_gateway::rules::{Action, Destinations, Rules};
use clap::{ArgAction, ArgMatches, FromArgMatches, ValueEnum};

use crate::verbs::network::NetworkArgs;

/// A congestion control that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Congestion {
    /// NewReno (RFC 5681, RFC 6582)
    Reno,
    /// CUBIC (RFC 9438)
    Cubic,
    /// BBR, version 3 (draft-ietf-ccwg-bbr)
    Bbr,
}

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Args {
    /// The command to run and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,

    /// A worse network.
    #[command(flatten)]
    pub network: NetworkArgs,

    /// Let a port of this host lead to one of CMD's: `[IP:]HOST:GUEST[/udp]`; may be given again
    #[arg(short, long = "publish", value_name = "FORWARD", help_heading = REACH)]
    pub publish: Vec<Forward>,
    /// Keep CMD from what listens on this host's loopback, which it finds at host.bowline.internal otherwise
    #[arg(long, help_heading = REACH)]
    pub no_host_loopback: bool,
    /// Where CMD may go.
    #[command(flatten)]
    pub rules: RuleArgs,

    /// Print each connection's sequence diagram when it closes
    #[arg(long, help_heading = SEEING)]
    pub diagram: bool,
    /// Write every packet to this file, in the pcapng format, with comments
    #[arg(long, value_name = "FILE", help_heading = SEEING)]
    pub pcap: Option<PathBuf>,
    /// Print the summary at the end as JSON
    #[arg(long, help_heading = SEEING)]
    pub json: bool,
    /// Print no summary
    #[arg(short, long, conflicts_with = "json", help_heading = SEEING)]
    pub quiet: bool,
    /// Say what happens while it happens; twice for more
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = SEEING)]
    pub verbose: u8,

    /// The congestion control of the stack and of CMD's side. Without it, the stack has none as long as the network
    /// loses nothing
    #[arg(long, value_enum, value_name = "NAME")]
    pub congestion: Option<Congestion>,
    /// What may wait in memory for CMD to read it, over all connections [default: 128MiB]; beyond it, none is read far ahead.
    /// What arrives in small pieces is not counted, and has 256 KiB at most in each
    #[arg(long, value_name = "SIZE", value_parser = parse_size, hide_short_help = true)]
    pub queue_memory: Option<u64>,
}

const REACH: &str = "Who reaches whom";
const SEEING: &str = "Seeing what happens";

const EXAMPLES: &str = "\
Examples:
  bowline run -- curl -sS https://example.org/
  bowline run --loss 2% --delay 40ms --diagram -- curl -sS http://bowline.internal/
  bowline run -p 8080:80 -- nginx -g 'daemon off;'";

const LONG: &str = "\
CMD sees a network of its own: its address is 10.0.2.100 and fd00::100, everything it sends ends in this
stack, and goes on from here as this user's own connections. No privilege is needed.

  10.0.2.2  fd00::2  host.bowline.internal   what listens on this host's loopback
  10.0.2.3  fd00::3                          this host's name server
  10.0.2.4  fd00::4  bowline.internal        a page about the connection that fetches it

The first of --allow and --deny that matches a destination decides. Where none does, it is allowed,
unless there is any --allow. The name server and the built-in page can always be reached.

What CMD has sent still goes out after its end: as long as anybody takes any of it, or until nothing
has moved for a minute. A Ctrl-C meanwhile gives it up.

Exit status: CMD's own, or 128 and the number of the signal that killed it; 127 if there is no such
command, 126 if it cannot be executed, 125 for everything that is bowline's own failure.

Examples:
  bowline run -- curl -sS https://example.org/
  bowline run --loss 2% --delay 40ms --diagram -- curl -sS http://bowline.internal/
  bowline run --rate 10mbit --rate-up 1mbit -- git clone https://example.org/repo
  bowline run --deny 10.0.0.0/8 --deny [fc00::]/7 -- npm install
  bowline run --allow 192.0.2.7:443 -- ./client
  bowline run -p 8080:80 -p 0.0.0.0:5353:53/udp -- ./server
  bowline run --pcap run.pcapng -- ssh example.org";

/// `--allow` and `--deny`, in the order in which they stand, which separate lists would not keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleArgs(pub Rules);

impl clap::Args for RuleArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let option = |name: &'static str, help: &'static str| {
            clap::Arg::new(name)
                .long(name)
                .value_name("CIDR[:PORT]")
                .value_parser(str::parse::<Destinations>)
                .action(ArgAction::Append)
                .help(help)
                .help_heading(REACH)
        };
        command
            .arg(option("allow", "Let CMD go there, and to nothing that no other --allow names; may be given again"))
            .arg(option("deny", "Keep CMD from there; may be given again"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RuleArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut rules = Vec::new();
        for (name, action) in [("allow", Action::Allow), ("deny", Action::Deny)] {
            let indices = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<Destinations>(name).into_iter().flatten();
            rules.extend(indices.zip(values.cloned()).map(|(index, value)| (index, action, value)));
        }
        rules.sort_by_key(|(index, ..)| *index);
        Ok(Self(Rules::new(rules.into_iter().map(|(_, action, value)| (action, value)).collect())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
