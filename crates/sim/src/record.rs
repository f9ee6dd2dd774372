//! What a simulation leaves behind for those who want to see what happened: a capture of each host's card, and the
//! sequence diagrams of its connections, with what befell their segments on the links.
//!
//! It decides names and places of files. It changes nothing in the world: the packets are the same with and without it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bowline::Net;
use bowline_device::{Capture, CaptureConfig, Device, Tapped};
use bowline_observe::diagram::text::{self, Style};
use bowline_observe::diagram::{Diagram, Diagrams, Direction, OnTheWay, Settings};
use bowline_wire::ip;
use parking_lot::Mutex;

use crate::kernel::Kernel;
use crate::way::Happening;
use crate::world::World;

/// Where files go, and what is still to be written.
#[derive(Debug)]
pub(crate) struct Recorder {
    directory: PathBuf,
    hosts: Arc<Mutex<Vec<HostRecord>>>,
    world: World,
}

#[derive(Debug)]
struct HostRecord {
    name: String,
    capture: Capture,
    addresses: [IpAddr; 2],
    diagrams: Arc<Mutex<Seen>>,
}

/// The diagrams of a host: those that are open, and those that are done.
#[derive(Debug, Default)]
struct Seen {
    open: Diagrams,
    done: Vec<Diagram>,
    /// What befell its segments on the way, and is not in the diagrams yet: a segment's own record comes first.
    happenings: Vec<OnTheWay>,
}

/// Finished diagrams kept for each host; of more, the first ones.
const DIAGRAMS: usize = 256;

impl Seen {
    fn tell_happenings(&mut self) {
        for event in self.happenings.drain(..) {
            self.open.on_the_way(&event);
        }
    }
}

/// Tells each host what the links did to its segments since the last call.
fn spread(world: &World, hosts: &[HostRecord]) {
    for happening in world.with(Kernel::take_happenings) {
        let Some(ip) = ip::parse_quoted(&happening.head) else { continue };
        let Happening { at, what, lost, head } = happening;
        // What arrives changed is seen by whom it arrives at.
        for (end, direction) in [(ip.src, Direction::Out), (ip.dst, Direction::In)] {
            let tell = direction == Direction::Out || lost;
            let Some(host) = hosts.iter().find(|host| tell && host.addresses.contains(&end)) else { continue };
            host.diagrams.lock().happenings.extend(OnTheWay::of_packet(at, direction, &head, lost, what.clone()));
        }
    }
}

impl Recorder {
    /// A recorder into a directory, which is made if it is missing.
    pub(crate) fn new(directory: &Path, world: World) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), hosts: Arc::default(), world })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The card of a host with these addresses, with its packets recorded in `NAME.pcapng`.
    pub(crate) fn tap<D: Device>(&self, name: &str, addresses: [IpAddr; 2], card: D) -> io::Result<Tapped<D>> {
        let file = File::create(self.directory.join(format!("{name}.pcapng")))?;
        let config = CaptureConfig { interface: name.to_owned(), ..CaptureConfig::default() };
        let capture = Capture::new(file, config)?;
        let diagrams = Arc::new(Mutex::new(Seen { open: Diagrams::new(Settings::default()), ..Seen::default() }));
        let record = HostRecord { name: name.to_owned(), capture: capture.clone(), addresses, diagrams };
        self.hosts.lock().push(record);
        Ok(Tapped::new(card, capture))
    }

    /// Follows the connections of the host whose card was tapped last, in a task of the current runtime.
    pub(crate) fn follow(&self, net: &Net) {
        let Some(seen) = self.hosts.lock().last().map(|host| Arc::clone(&host.diagrams)) else { return };
        let (mut trace, hosts, world) = (net.trace(), Arc::clone(&self.hosts), self.world.clone());
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while trace.next_batch(&mut batch).await {
                spread(&world, &hosts.lock());
                let mut seen = seen.lock();
                let Some(last) = batch.last().map(|record| record.at) else { continue };
                batch.drain(..).for_each(|record| seen.open.push(&record));
                seen.tell_happenings();
                let done = seen.open.take_closed(last);
                seen.done.extend(done);
                seen.done.truncate(DIAGRAMS);
            }
        });
    }

    /// Finishes all files: captures, and `NAME.txt` with the diagrams.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut hosts = self.hosts.lock();
        spread(&self.world, &hosts);
        for host in hosts.drain(..) {
            host.capture.finish();
            if let Some(error) = host.capture.take_error() {
                return Err(error);
            }
            let mut file = File::create(self.directory.join(format!("{}.txt", host.name)))?;
            let mut seen = host.diagrams.lock();
            seen.tell_happenings();
            let open = seen.open.finish();
            for diagram in seen.done.iter().chain(&open) {
                writeln!(file, "{}", text::render(diagram, &Style::default()))?;
            }
        }
        Ok(())
    }
}
