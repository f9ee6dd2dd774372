//! A world and what happens in it, as a value: written down, read again, and asked how long it may take.

use std::time::Duration;

use bowline_fuzz::knobs;
use serde::{Deserialize, Serialize};

use crate::settings::{Settings, is_brittle, is_of_host};

/// When everything is well again, in milliseconds.
pub(crate) const HEALED: u64 = 20_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) routers: usize,
    /// Which kind of key all have, if any.
    #[serde(default)]
    pub(crate) keys: u64,
    /// When all clocks jump, and how far, in milliseconds.
    #[serde(default)]
    pub(crate) jumps: Vec<[u64; 2]>,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) links: Vec<LinkPlan>,
    #[serde(default)]
    pub(crate) flows: Vec<FlowPlan>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostPlan {
    pub(crate) mtu: u16,
    /// The host's own.
    #[serde(default)]
    pub(crate) host: Settings,
    /// What its connections start with, where they do not say otherwise.
    #[serde(default)]
    pub(crate) options: Settings,
}

/// Hosts come first, then routers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkPlan {
    pub(crate) ends: [usize; 2],
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with a link, in both directions or in one. Times are in microseconds, shares of a thousand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) way: Option<u8>,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    Kbit(u32),
    Queue(Kind, usize),
    Police {
        kbit: u32,
        burst: usize,
    },
    Delay(u64),
    Jitter(u64),
    Loss(u32),
    Bursts {
        begin: u32,
        end: u32,
    },
    Duplicate(u32),
    Corrupt(u32),
    Reorder {
        share: u32,
        gap: u16,
        hold: u64,
    },
    Mtu(u16),
    BlackHole(u16),
    /// From when until when it is cut, in milliseconds.
    Cut(u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    DropTail,
    CoDel,
    FqCoDel,
    StepMark,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowPlan {
    pub(crate) ends: [usize; 2],
    pub(crate) v6: bool,
    /// Which listener of the one that is connected to.
    pub(crate) door: u16,
    /// In milliseconds.
    pub(crate) start: u64,
    /// Bytes from the one that connects, and to it.
    pub(crate) bytes: [u64; 2],
    /// How much is written and read at once.
    pub(crate) chunk: usize,
    /// How long the readers rest after each read, in microseconds.
    pub(crate) rest: u64,
    pub(crate) manner: Manner,
    pub(crate) pen: Pen,
    /// Whether options change while it goes on.
    pub(crate) restless: bool,
    pub(crate) leave: Option<Leave>,
    pub(crate) options: Settings,
}

/// Who says first that there is nothing more to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Manner {
    /// Both read and write at the same time.
    #[default]
    Together,
    /// The one that connects writes all and ends, and reads then.
    ClientFirst,
    /// The other one does.
    ServerFirst,
    /// A request to its end, and then the answer.
    Answer,
    /// The other way round.
    Greeting,
}

/// What a side does first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Together,
    WriteFirst,
    ReadFirst,
}

/// How bytes are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Pen {
    /// Copied.
    #[default]
    Copied,
    /// As shared bytes.
    Shared,
    /// Each fourth piece as urgent data.
    Urgent,
}

/// One side goes in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leave {
    /// 0: the one that connects.
    pub(crate) side: usize,
    /// After how many bytes.
    pub(crate) after: u64,
    /// Whether it resets; otherwise it gives its handle back, whatever is unread.
    pub(crate) resets: bool,
}

impl Fault {
    pub(crate) fn is_lossy(&self) -> bool {
        matches!(self.what, What::Loss(_) | What::Bursts { .. })
    }
}

impl FlowPlan {
    /// Whether it may end early for other reasons than [`leave`](Self::leave): what its sides are set to has less patience
    /// than the network has faults.
    pub(crate) fn may_break(&self, plan: &Plan) -> bool {
        let hosts = self.ends.iter().flat_map(|end| plan.hosts[*end].host.iter());
        self.options.iter().chain(&plan.hosts[self.ends[1]].options).chain(hosts).any(is_brittle)
    }

    /// What a side does first. Who waits for one that goes would wait for ever.
    pub(crate) fn order(&self, side: usize) -> Order {
        use Order::{ReadFirst, Together, WriteFirst};
        match self.manner {
            _ if self.leave.is_some() => Together,
            Manner::Together => Together,
            Manner::ClientFirst => [WriteFirst, Together][side],
            Manner::ServerFirst => [Together, WriteFirst][side],
            Manner::Answer => [WriteFirst, ReadFirst][side],
            Manner::Greeting => [ReadFirst, WriteFirst][side],
        }
    }
}

impl Plan {
    pub(crate) fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let plan: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let options = plan.settings().map(|(name, _)| name).filter(|name| knobs::knob(name).is_none());
        let hosts = plan.hosts.iter().flat_map(|host| host.host.keys()).filter(|name| !is_of_host(name));
        let unknown =
            options.chain(hosts.map(String::as_str)).next().map(|name| format!("there is no option '{name}'"));
        unknown.map_or(Ok(plan), Err)
    }

    /// Whether a RST of one that has forgotten the connection counts for nothing: with TCP-AO nobody but the connection can sign it (RFC
    /// 5925 7.7). Its peer finds out by asking in vain.
    pub(crate) const fn resets_go_unheard(&self) -> bool {
        self.keys >= 2
    }

    /// What any connection is set to.
    fn settings(&self) -> impl Iterator<Item = (&str, u64)> {
        let hosts = self.hosts.iter().map(|host| &host.options);
        let all = hosts.chain(self.flows.iter().map(|flow| &flow.options));
        all.flatten().map(|(name, value)| (name.as_str(), *value))
    }

    /// The values of one setting.
    fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = u64> + 'a {
        self.settings().filter(|(name, _)| names.contains(name)).map(|(_, value)| value)
    }

    /// How long after it is well again all must be done: the longest time-out, four times what the bytes take, and what jumps skip.
    pub(crate) fn patience(&self) -> Duration {
        let kbit = self.links.iter().flat_map(|link| &link.faults).filter_map(|fault| match fault.what {
            What::Kbit(kbit) => Some(u64::from(kbit)),
            _ => None,
        });
        let paced = self.values(&["max_pacing_rate"]).map(|rate| rate / 125);
        let slowest = kbit.chain(paced).min().unwrap_or(1_000_000);
        let bytes: u64 = self.flows.iter().map(|flow| flow.bytes[0] + flow.bytes[1]).sum();
        let rests = self.flows.iter().map(|flow| flow.rest * (flow.bytes[0] + flow.bytes[1])).max().unwrap_or(0);
        // R2 with the largest time-out: longer than any connection asks in vain.
        let in_vain = if self.resets_go_unheard() { 16 * 120 } else { 0 };
        Duration::from_secs(240 + in_vain)
            + Duration::from_millis(4 * 8 * bytes / slowest + self.jumps.iter().map(|[_, by]| by).sum::<u64>())
            + Duration::from_micros(rests / 256)
            + self.round() * self.rounds()
    }

    /// The longest time from one segment to the next: there and back, with all that may hold one of them up.
    fn round(&self) -> Duration {
        let micros = self.links.iter().flat_map(|link| &link.faults).map(|fault| match fault.what {
            What::Delay(micros) | What::Jitter(micros) => micros,
            _ => 0,
        });
        let held = ["delayed_ack", "min_rto", "rto_slop"].map(|name| self.values(&[name]).max().unwrap_or(0));
        Duration::from_micros(2 * micros.sum::<u64>() + held.iter().sum::<u64>())
    }

    /// How many of these the largest flow needs, where segments or buffers are small and let a segment or two pass in each.
    fn rounds(&self) -> u32 {
        let small = ["send_buffer", "receive_buffer", "receive_buffer_max", "max_segment"];
        let Some(smallest) = self.values(&small).min() else { return 0 };
        let most = self.flows.iter().map(|flow| flow.bytes[0] + flow.bytes[1]).max().unwrap_or(0);
        u32::try_from(most / smallest.clamp(64, 1_000)).unwrap_or(u32::MAX)
    }
}
