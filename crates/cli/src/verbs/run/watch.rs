//! Who looks on while a program runs: diagrams of connections as they close, and the capture with its comments.
//!
//! It reads the stack's records, what the recorder kept, and what the worse network decided; it changes nothing.

use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use bowline::{Net, TraceStream};
use bowline_device::impairment::{Direction as Way, Impairment, ImpairmentMonitor};
use bowline_device::pcapng::Direction;
use bowline_device::tap::{Capture, CaptureConfig};
use bowline_observe::diagram::text::{Style, render};
use bowline_observe::diagram::{Direction as Arrow, OnTheWay, Settings};
use bowline_observe::{Comments, Diagram, Diagrams};

use super::record::{Recording, name};
use super::whole::WholeWrites;

/// Decisions of the network that are kept between two looks.
const MAX_DECISIONS: usize = 65_536;

/// How often to look where nothing is heard of the stack: a diagram is drawn a moment after its connection has closed.
const TICK: Duration = Duration::from_millis(50);

/// What is to be seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Whether diagrams are printed.
    pub(super) diagram: bool,
    /// The file of the capture, open already.
    pub(super) pcap: Option<(PathBuf, File)>,
    /// What has passed the device, where there is a capture.
    pub(super) recording: Recording,
    /// The worse network, where there is one.
    pub(super) monitor: Option<ImpairmentMonitor>,
}

struct Watcher {
    diagrams: Option<Diagrams>,
    style: Style,
    capture: Option<(PathBuf, Capture, Comments)>,
    recording: Recording,
    monitor: Option<ImpairmentMonitor>,
}

/// Looks on until the network has stopped. Without anything to see, there is no watcher and records cost nothing.
pub(super) async fn watch(net: Net, watched: Watched) {
    if !watched.diagram && watched.pcap.is_none() {
        return;
    }
    let trace = net.trace();
    let mut watcher = Watcher::new(&net, watched);
    watcher.follow(&net, trace).await;
    watcher.finish();
}

impl Watcher {
    fn new(net: &Net, watched: Watched) -> Self {
        let epoch = net.origin().duration_since(UNIX_EPOCH).unwrap_or_default();
        let config =
            CaptureConfig { epoch: u64::try_from(epoch.as_nanos()).unwrap_or_default(), ..CaptureConfig::default() };
        let capture = watched.pcap.and_then(|(path, file)| match Capture::new(WholeWrites::new(file), config) {
            Ok(capture) => Some((path, capture, Comments::default())),
            Err(error) => {
                tracing::error!("cannot write {}: {error}", path.display());
                None
            }
        });
        if let Some(monitor) = watched.monitor.as_ref().filter(|_| watched.diagram) {
            monitor.observe(MAX_DECISIONS);
        }
        Self {
            diagrams: watched.diagram.then(|| Diagrams::new(Settings::default())),
            style: style(),
            capture,
            recording: watched.recording,
            monitor: watched.monitor,
        }
    }

    async fn follow(&mut self, net: &Net, mut trace: TraceStream) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut records = Vec::new();
        loop {
            let alive = tokio::select! {
                alive = trace.next_batch(&mut records) => alive,
                _ = ticks.tick() => true,
            };
            for record in records.drain(..) {
                if let Some(diagrams) = &mut self.diagrams {
                    diagrams.push(&record);
                }
                if let Some((_, _, comments)) = &mut self.capture {
                    comments.push(&record);
                }
            }
            self.decisions();
            self.packets();
            if let Some(diagrams) = &mut self.diagrams {
                let closed = diagrams.take_closed(net.now());
                self.print(&closed);
            }
            if !alive {
                return;
            }
        }
    }

    /// What the worse network has done since the last look goes into the diagrams.
    fn decisions(&mut self) {
        let (Some(diagrams), Some(monitor)) = (&mut self.diagrams, &self.monitor) else { return };
        for decision in monitor.drain().0 {
            if let Some(event) = on_the_way(&decision) {
                diagrams.on_the_way(&event);
            }
        }
    }

    /// What has passed since the last look goes into the capture, with the comments that are known by now.
    fn packets(&mut self) {
        let Some((path, capture, comments)) = &mut self.capture else { return };
        let (passed, missed) = self.recording.take();
        if missed > 0 {
            tracing::warn!("{missed} packets are missing in {}", path.display());
        }
        let any = !passed.is_empty();
        for passed in passed {
            let arrow = match passed.direction {
                Direction::Inbound => Arrow::In,
                Direction::Outbound => Arrow::Out,
            };
            let named = passed.name.as_ref();
            let comment = named.and_then(|name| comments.take(arrow, name.tuple, &name.header, name.len));
            if let Some(comment) = comment {
                capture.comment_next(passed.direction, &comment);
            }
            for packet in &passed.packets {
                capture.record(passed.at, passed.direction, packet);
            }
        }
        if any {
            capture.flush();
        }
        if let Some(error) = capture.take_error() {
            tracing::error!("cannot write {}: {error}: the capture ends here", path.display());
        }
    }

    fn print(&self, diagrams: &[Diagram]) {
        let mut out = std::io::stderr().lock();
        for diagram in diagrams {
            let _ = writeln!(out, "{}", render(diagram, &self.style));
        }
    }

    fn finish(mut self) {
        self.decisions();
        self.packets();
        if let Some(diagrams) = &mut self.diagrams {
            let rest = diagrams.finish();
            self.print(&rest);
        }
        if let Some((_, capture, _)) = &self.capture {
            capture.finish();
        }
    }
}

/// What happened to a TCP packet on the way, as a diagram wants it.
fn on_the_way(decision: &Impairment) -> Option<OnTheWay> {
    let (direction, arrow) = match decision.direction {
        Way::Ingress => (Direction::Inbound, Arrow::In),
        Way::Egress => (Direction::Outbound, Arrow::Out),
    };
    let name = name(&decision.head, decision.len, direction)?;
    Some(OnTheWay {
        at: decision.at,
        tuple: name.tuple,
        direction: arrow,
        header: name.header,
        len: name.len,
        lost: decision.what.is_drop(),
        what: Cow::Owned(decision.what.to_string()),
    })
}

/// How diagrams are drawn on this terminal.
fn style() -> Style {
    let stderr = std::io::stderr();
    let is_terminal = stderr.is_terminal();
    let columns = rustix::termios::tcgetwinsize(&stderr).map_or(0, |size| usize::from(size.ws_col));
    let plain = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        (!value.is_empty()).then_some(matches!(value.as_str(), "C" | "POSIX"))
    });
    Style {
        width: if columns == 0 { Style::default().width } else { columns.clamp(60, 160) },
        ascii: plain.unwrap_or(false),
        colour: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        ..Style::default()
    }
}
