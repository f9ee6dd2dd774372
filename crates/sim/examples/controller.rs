//! A congestion controller of one's own, beside CUBIC on the same link. `cargo run -p bowline-sim --example controller`.
//!
//! This one goes by delay, as TCP Vegas did: it keeps two to four segments in the queue, no more, and halves its window when
//! something was lost. A controller answers with a window in bytes; positions, timers and what is lost are the stack's.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io;
use std::time::Duration;

use bowline::Algorithm;
use bowline::congestion::{AckSample, Congestion, Controller, Custom, Start, initial_window};
use bowline_base::Instant;
use bowline_sim::{Discipline, Rate, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The controller.
#[derive(Clone, Debug)]
struct Delay {
    mss: u64,
    cwnd: u64,
    /// What it was before the last loss, in case there was none.
    before: Option<u64>,
    doubling: bool,
    /// The window has just been set: a round trip later it shows in the queue.
    settling: bool,
    /// In this round trip: bytes acknowledged, and the shortest round-trip time.
    acked: u64,
    rtt: Duration,
}

/// Its name, and how a connection gets one.
const DELAY: Custom = Custom::new("delay", |start: Start| {
    Box::new(Delay {
        mss: start.mss.into(),
        cwnd: initial_window(start.mss),
        before: None,
        doubling: true,
        settling: false,
        acked: 0,
        rtt: Duration::MAX,
    })
});

impl Delay {
    fn reduce(&mut self, to: u64) {
        self.before = Some(self.cwnd);
        self.doubling = false;
        self.cwnd = to.max(2 * self.mss);
    }
}

impl Controller for Delay {
    fn on_ack(&mut self, _now: Instant, sample: &AckSample) {
        let (Some(rtt), Some(least)) = (sample.rtt, sample.min_rtt) else { return };
        self.acked += sample.acked;
        self.rtt = self.rtt.min(rtt);
        if sample.in_recovery || !sample.cwnd_limited || self.acked < self.cwnd {
            return;
        }
        let rtt = core::mem::replace(&mut self.rtt, Duration::MAX);
        self.acked = 0;
        self.settling = !self.settling;
        if self.settling {
            return;
        }
        // Every other round trip: what of the window stands in the queue?
        let queued = self.cwnd as f64 * (1.0 - least.as_secs_f64() / rtt.as_secs_f64()) / self.mss as f64;
        self.cwnd = match queued {
            few if self.doubling && few < 4.0 => self.cwnd * 2,
            // What doubling put into the queue is taken back at once.
            many if core::mem::take(&mut self.doubling) => self.cwnd - (many * self.mss as f64) as u64 + self.mss,
            few if few < 2.0 => self.cwnd + self.mss,
            many if many > 4.0 => (self.cwnd - self.mss).max(2 * self.mss),
            _ => self.cwnd,
        };
    }

    fn on_congestion_event(&mut self, _now: Instant, in_flight: u64, _kind: Congestion) {
        self.reduce(in_flight / 2);
    }

    fn on_timeout(&mut self, _now: Instant, _in_flight: u64, first: bool) {
        if first {
            self.reduce(0);
        }
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.before = None;
    }

    fn undo(&mut self) {
        self.cwnd = self.before.take().map_or(self.cwnd, |before| before.max(self.cwnd));
    }

    fn on_idle_restart(&mut self, _now: Instant, _idle: Duration, _rto: Duration) {
        self.cwnd = self.cwnd.min(initial_window(self.mss as u32));
    }

    fn set_mss(&mut self, mss: u32) {
        self.mss = mss.max(1).into();
        self.cwnd = self.cwnd.max(self.mss);
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    fn ssthresh(&self) -> Option<u64> {
        None
    }

    fn name(&self) -> &'static str {
        "delay"
    }
}

/// What a transfer came to: its time, the mean wait in the queue, and the controller's name.
pub(crate) type Outcome = (Duration, Duration, &'static str);

/// 20 MB over 50 Mbit/s and 40 ms, with a queue of half a second.
pub(crate) fn transfer(algorithm: Algorithm) -> Result<Outcome, Box<dyn Error>> {
    let sim = Sim::new(1)?;
    let (client, server) = (sim.host("client")?, sim.host("server")?);
    let link = sim.link(&client, &server);
    let rate: Rate = "50mbit".parse()?;
    link.delay(Duration::from_millis(20)).rate(rate).queue(Discipline::drop_tail(3_000_000));
    let address = server.at(80);
    let name = sim.run(async move {
        let listener = server.listen(address).await?;
        let reader = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut buffer = vec![0; 64 << 10];
            while stream.read(&mut buffer).await? > 0 {}
            io::Result::Ok(())
        });
        let mut stream = client.connect(address).await?;
        stream.set_congestion(algorithm)?;
        stream.write_all(&vec![7; 20_000_000]).await?;
        let name = stream.info().map_or("closed", |info| info.algorithm.name());
        stream.shutdown().await?;
        reader.await??;
        io::Result::Ok(name)
    })??;
    let samples = link.queue_samples().into_iter().next().unwrap_or_default();
    let waiting: usize = samples.iter().map(|sample| sample.bytes).sum();
    let mean = waiting as f64 / samples.len().max(1) as f64;
    Ok((sim.now().since(Instant::ZERO), Duration::from_secs_f64(mean * 8.0 / 50e6), name))
}

/// Both.
pub(crate) fn compare() -> Result<[Outcome; 2], Box<dyn Error>> {
    Ok([transfer(Algorithm::Custom(DELAY))?, transfer(Algorithm::Cubic)?])
}

#[allow(dead_code, reason = "the test that runs the example has a main of its own")]
fn main() -> Result<(), Box<dyn Error>> {
    for (time, wait, name) in compare()? {
        println!("{name:>6}: 20 MB in {:.2} s, {:.1} ms in the queue", time.as_secs_f64(), wait.as_secs_f64() * 1e3);
    }
    Ok(())
}
