//! `bowline run [OPTIONS] -- CMD…`: a program behind the stack.

pub mod args;
mod record;
pub mod settings;
mod watch;
mod whole;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use bowline::{Algorithm, Net};
use bowline_device::impairment::ImpairmentMonitor;
use bowline_device::{Device, Impaired, ImpairmentConfig, Tun};
use bowline_gateway::control::Door;
use bowline_gateway::ports::Ports;
use bowline_gateway::run::{Error, raise_descriptors};
use bowline_gateway::sandbox::{Exit, Sandbox};
use bowline_gateway::target::Targets;
use bowline_gateway::{Config, run as run_behind};
use bowline_observe::Summary;

use self::record::{Recorder, Recording};
use self::watch::{Watched, watch};
use super::live;
use crate::usage::{OURS, complain};

pub use args::{Args, Congestion};
pub use settings::{Ending, Settings};

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let settings = Settings::resolve(args, random_seed());
    talk(&settings);
    match execute(settings) {
        Ok(exit) => ExitCode::from(exit.status()),
        Err((status, problem)) => {
            complain(&problem);
            ExitCode::from(status)
        }
    }
}

fn random_seed() -> u64 {
    let mut seed = [0; 8];
    // without randomness every run has the same dice, which is better than none
    let _ = getrandom::fill(&mut seed);
    u64::from_ne_bytes(seed)
}

/// Says what happens while it happens, on standard error.
fn talk(settings: &Settings) {
    let level = match (settings.ending, settings.verbosity) {
        (Ending::Quiet, _) => tracing::Level::ERROR,
        (_, 0) => tracing::Level::WARN,
        (_, 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(level)
        .finish();
    // somebody else's is as good
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A failure of ours: the status to exit with, and the line to print.
type Failure = (u8, String);

fn execute(settings: Settings) -> Result<Exit, Failure> {
    let ports = Ports::bind(&settings.forwards).map_err(|(forward, error)| {
        (OURS, format!("cannot listen on {}: {error}: {}", forward.listen, remedy(&error)))
    })?;
    let pcap = settings.pcap.as_ref().map(|path| File::create(path).map(|file| (path.clone(), file))).transpose();
    let pcap = pcap.map_err(|error| {
        let path = settings.pcap.unwrap_or_default();
        (OURS, format!("cannot write {}: {error}: choose another file", path.display()))
    })?;
    let sandbox = Sandbox::spawn(&settings.sandbox).map_err(|error| (error.exit_status(), error.to_string()))?;
    for note in &sandbox.notes {
        tracing::warn!("{note}");
    }
    let config = Config {
        targets: Targets { rules: settings.rules, host_loopback: settings.host_loopback },
        ports,
        congestion: settings.congestion.map(|congestion| match congestion {
            Congestion::Reno => Algorithm::NewReno,
            Congestion::Cubic => Algorithm::Cubic,
            Congestion::Bbr => Algorithm::Bbr,
        }),
        descriptors: raise_descriptors(),
        queue_memory: settings.queue_memory,
    };
    let command = settings.sandbox.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut watched = Watched { diagram: settings.diagram, pcap, ..Watched::default() };
    let network = settings.network;
    let recording = watched.pcap.is_some().then(|| watched.recording.clone());
    let ended = run_behind(
        sandbox,
        settings.sandbox.mtu,
        config,
        |tun| around(tun, network, recording),
        |net, monitor| {
            watched.monitor = monitor;
            look_on(net.clone(), watched, command)
        },
    );
    let (exit, summary) = ended.map_err(|error: Error| (error.exit_status(), error.to_string()))?;
    conclude(settings.ending, &summary);
    Ok(exit)
}

/// What to do about a port that cannot be bound.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrNotAvailable => "choose an address that this host has",
        ErrorKind::PermissionDenied => "choose a port from 1024 on",
        _ => "choose another port",
    }
}

/// What is put around the TUN: the worse network, which can be watched, and outside of it, as the stack sees packets, the
/// recorder.
fn around(
    tun: Tun,
    network: ImpairmentConfig,
    recording: Option<Recording>,
) -> (Box<dyn Device + Send>, Option<ImpairmentMonitor>) {
    let (mut device, mut monitor): (Box<dyn Device + Send>, _) = (Box::new(tun), None);
    if !network.is_none() {
        let impaired = Impaired::new(device, network);
        monitor = Some(impaired.monitor().clone());
        device = Box::new(impaired);
    }
    match recording {
        Some(recording) => (Box::new(Recorder::new(device, recording)), monitor),
        None => (device, monitor),
    }
}

/// Watches, and answers `bowline ss`, until the network has stopped.
async fn look_on(net: Net, watched: Watched, command: String) {
    let answering = net.clone();
    let serving = async {
        match Door::open() {
            Ok(door) => door.serve(|question| live::answer(question, &answering, &command)).await,
            Err(error) => tracing::warn!(%error, "`bowline ss` cannot ask this instance"),
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = async { tokio::join!(watch(net.clone(), watched), net.stopped()); } => {}
        () = serving => {}
    }
}

fn conclude(ending: Ending, summary: &Summary) {
    let text = match ending {
        Ending::Quiet => return,
        Ending::Text => summary.to_string(),
        Ending::Json => serde_json::to_string(summary).unwrap_or_default(),
    };
    let mut out = std::io::stderr().lock();
    for line in text.lines() {
        let prefix = if ending == Ending::Text { "bowline: " } else { "" };
        let _ = writeln!(out, "{prefix}{line}");
    }
}

#[cfg(test)]
mod tests;
