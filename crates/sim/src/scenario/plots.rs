//! What a scenario's connections and queues did, drawn: each sender's windows and sequence numbers, each queue.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use bowline::FourTuple;
use bowline_base::Instant;
use bowline_observe::plot::{Plot, Unit, chart};
use tokio::task::LocalSet;

use super::build::Built;
use crate::Host;

/// Points of each kind in a plot.
const POINTS: usize = 4_000;

/// Connections of each host that are drawn; of more, the first ones.
const CONNECTIONS: usize = 16;

/// The plots of one host's connections.
type Drawn = Rc<RefCell<BTreeMap<FourTuple, Plot>>>;

/// What is drawn.
pub(super) struct Plots {
    hosts: Vec<(Host, Drawn)>,
}

impl Plots {
    pub(super) fn new(built: &Built) -> Self {
        Self { hosts: built.hosts.values().map(|host| (host.clone(), Drawn::default())).collect() }
    }

    /// Follows the hosts' connections.
    pub(super) fn follow(&self, tasks: &LocalSet) {
        for (host, drawn) in &self.hosts {
            let (host, drawn) = (host.clone(), Rc::clone(drawn));
            tasks.spawn_local(async move {
                let mut trace = host.trace();
                let mut batch = Vec::new();
                while trace.next_batch(&mut batch).await {
                    let mut drawn = drawn.borrow_mut();
                    for record in batch.drain(..).filter(|record| record.id != 0) {
                        let room = drawn.len() < CONNECTIONS;
                        let plot = match drawn.entry(record.tuple) {
                            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                            std::collections::btree_map::Entry::Vacant(entry) if room => {
                                let title = format!("{} {}", host.name(), record.tuple);
                                entry.insert(Plot::new(&title, POINTS))
                            }
                            std::collections::btree_map::Entry::Vacant(_) => continue,
                        };
                        plot.push(&record);
                    }
                }
            });
        }
    }

    /// Writes the SVG files, whose names say what they show.
    pub(super) fn write(&self, built: &Built, directory: &Path) -> io::Result<()> {
        for (host, drawn) in &self.hosts {
            for (tuple, plot) in drawn.borrow().iter() {
                let name = format!("{}-{}-{}", host.name(), tuple.local.port(), tuple.remote.port());
                fs::write(directory.join(format!("{name}-cwnd.svg")), plot.congestion())?;
                fs::write(directory.join(format!("{name}-sequence.svg")), plot.time_sequence())?;
            }
        }
        for (name, link) in &built.ways {
            let Some(samples) = link.queue_samples().into_iter().next().filter(|samples| samples.len() > 1) else {
                continue;
            };
            let points =
                samples.iter().map(|sample| (sample.at.since(Instant::ZERO).as_secs_f64(), sample.bytes as f64));
            let svg = chart(&format!("{name}: bytes in the queue"), Unit::Bytes, &[("queue", points.collect())]);
            fs::write(directory.join(format!("queue-{}.svg", name.replace(" → ", "-"))), svg)?;
        }
        Ok(())
    }
}
