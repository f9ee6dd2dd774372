//! What a simulation leaves behind for those who want to see what happened: a capture of each host's card, and the
//! sequence diagrams of its connections.
//!
//! It decides names and places of files. It changes nothing in the world: the packets are the same with and without it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bowline::Net;
use bowline_device::{Capture, CaptureConfig, Device, Tapped};
use bowline_observe::diagram::text::{self, Style};
use bowline_observe::diagram::{Diagram, Diagrams, Settings};
use parking_lot::Mutex;

/// Where files go, and what is still to be written.
#[derive(Debug)]
pub(crate) struct Recorder {
    directory: PathBuf,
    hosts: Mutex<Vec<HostRecord>>,
}

#[derive(Debug)]
struct HostRecord {
    name: String,
    capture: Capture,
    diagrams: Option<Arc<Mutex<Seen>>>,
}

/// The diagrams of a host: those that are open, and those that are done.
#[derive(Debug, Default)]
struct Seen {
    open: Diagrams,
    done: Vec<Diagram>,
}

/// Finished diagrams kept for each host; of more, the first ones.
const DIAGRAMS: usize = 256;

impl Recorder {
    /// A recorder into a directory, which is made if it is missing.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), hosts: Mutex::default() })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The card of a host, with its packets recorded in `NAME.pcapng`.
    pub(crate) fn tap<D: Device>(&self, name: &str, card: D) -> io::Result<Tapped<D>> {
        let file = File::create(self.directory.join(format!("{name}.pcapng")))?;
        let config = CaptureConfig { interface: name.to_owned(), ..CaptureConfig::default() };
        let capture = Capture::new(file, config)?;
        let record = HostRecord { name: name.to_owned(), capture: capture.clone(), diagrams: None };
        self.hosts.lock().push(record);
        Ok(Tapped::new(card, capture))
    }

    /// Follows the connections of the host whose card was tapped last, in a task of the current runtime.
    pub(crate) fn follow(&self, net: &Net) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        seen.lock().open = Diagrams::new(Settings::default());
        if let Some(host) = self.hosts.lock().last_mut() {
            host.diagrams = Some(Arc::clone(&seen));
        }
        let mut trace = net.trace();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while trace.next_batch(&mut batch).await {
                let mut seen = seen.lock();
                for record in batch.drain(..) {
                    seen.open.push(&record);
                    let done = seen.open.take_closed(record.at);
                    seen.done.extend(done);
                }
                seen.done.truncate(DIAGRAMS);
            }
        });
    }

    /// Finishes all files: captures, and `NAME.txt` with the diagrams.
    pub(crate) fn finish(&self) -> io::Result<()> {
        for host in self.hosts.lock().drain(..) {
            host.capture.finish();
            if let Some(error) = host.capture.take_error() {
                return Err(error);
            }
            let Some(seen) = host.diagrams else { continue };
            let mut file = File::create(self.directory.join(format!("{}.txt", host.name)))?;
            let mut seen = seen.lock();
            let open = seen.open.finish();
            for diagram in seen.done.iter().chain(&open) {
                writeln!(file, "{}", text::render(diagram, &Style::default()))?;
            }
        }
        Ok(())
    }
}
