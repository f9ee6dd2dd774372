//! What runs on the hosts of a scenario: ordinary programs over bowline's sockets.
//!
//! It decides what a flow counts as done, and what is measured on the way. Whoever runs it decides when it must end.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use std::time::Duration;

use bowline::{FourTuple, Info, TcpListener, TcpStream};
use bowline_base::Instant;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::model::{FlowSpec, Kind};
use crate::Host;

/// What is known of one flow, while it runs and after.
#[derive(Debug)]
pub(super) struct Progress {
    /// Bytes of the application that have arrived at the other end.
    pub(super) delivered: u64,
    /// When it began to connect.
    pub(super) started: Option<Instant>,
    /// When it was done.
    pub(super) done: Option<Instant>,
    /// The sender's connection, once there is one.
    tuple: Option<FourTuple>,
    /// What it looked like at the end.
    info: Option<Info>,
    /// How long requests took, in microseconds.
    pub(super) answers: Histogram<u64>,
    /// Why it ended early.
    pub(super) error: Option<String>,
}

/// Shared by the flow's tasks and whoever watches; all on one thread.
pub(super) type Shared = Rc<RefCell<Progress>>;

/// One flow: where from, where to, and what.
pub(super) struct Flow {
    pub(super) spec: FlowSpec,
    pub(super) from: Host,
    pub(super) to: Host,
    pub(super) port: u16,
    /// When it begins.
    pub(super) start: Duration,
    pub(super) progress: Shared,
}

const CHUNK: usize = 64 << 10;

/// Answers that take longer count as this, in microseconds.
const HOUR: u64 = 3_600_000_000;

pub(super) fn progress() -> io::Result<Shared> {
    let answers = Histogram::new_with_max(HOUR, 3).map_err(io::Error::other)?;
    let (started, done, tuple, info, error) = (None, None, None, None, None);
    Ok(Rc::new(RefCell::new(Progress { delivered: 0, started, done, tuple, info, answers, error })))
}

impl Progress {
    /// The sender's connection as it is now, or as it was at its end.
    pub(super) fn info(&self, from: &Host) -> Option<Info> {
        self.info.clone().or_else(|| from.find(self.tuple?))
    }
}

impl Flow {
    /// Runs both ends until the flow is done. Its outcome is in the progress.
    pub(super) async fn run(self) {
        let (progress, clock) = (Rc::clone(&self.progress), self.to.clone());
        let outcome = self.both_ends().await;
        let mut progress = progress.borrow_mut();
        match outcome {
            Ok(()) => progress.done = Some(clock.now()),
            Err(error) => progress.error = Some(error.to_string()),
        }
    }

    async fn both_ends(self) -> io::Result<()> {
        let listener = self.to.listen(SocketAddr::new(self.to.ip(), self.port)).await?;
        self.from.clock().sleep(self.start).await;
        self.progress.borrow_mut().started = Some(self.from.now());
        // Where one end fails, the other may wait for ever.
        tokio::try_join!(self.serve(listener), self.drive()).map(drop)
    }

    /// The end that is connected to.
    async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let (mut stream, _) = listener.accept().await?;
        drop(listener);
        match self.spec.kind {
            Kind::Requests => self.answer(stream).await,
            Kind::Bulk | Kind::OnOff | Kind::Idle => {
                let mut buffer = vec![0; CHUNK];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok(()),
                        count => self.progress.borrow_mut().delivered += count as u64,
                    }
                }
            }
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut request = vec![0; self.size(self.spec.request, 100)];
        let response = vec![0; self.size(self.spec.response, 10_000)];
        loop {
            match stream.read_exact(&mut request).await {
                Ok(_) => stream.write_all(&response).await?,
                Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The end that connects.
    async fn drive(&self) -> io::Result<()> {
        let mut stream = self.from.connect(SocketAddr::new(self.to.ip(), self.port)).await?;
        self.progress.borrow_mut().tuple = Some(stream.four_tuple());
        match self.spec.kind {
            Kind::Bulk => self.bulk(&mut stream).await?,
            Kind::Requests => self.ask(&mut stream).await?,
            Kind::OnOff => self.on_and_off(&mut stream).await?,
            Kind::Idle => self.idle(&mut stream).await?,
        }
        stream.shutdown().await?;
        stream.flushed().await?;
        self.progress.borrow_mut().info = stream.info();
        Ok(())
    }

    async fn bulk(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut left = self.spec.bytes.map_or(u64::MAX, |size| size.0);
        let chunk = bytes::Bytes::from(vec![0; CHUNK]);
        while left > 0 {
            let len = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
            stream.send_bytes(chunk.slice(..len)).await?;
            left -= len as u64;
        }
        Ok(())
    }

    async fn ask(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let request = vec![0; self.size(self.spec.request, 100)];
        let mut response = vec![0; self.size(self.spec.response, 10_000)];
        for _ in 0..self.spec.requests.unwrap_or(u64::MAX) {
            let begin = self.from.now();
            stream.write_all(&request).await?;
            stream.read_exact(&mut response).await?;
            {
                let took = self.from.now().since(begin).as_micros();
                let mut progress = self.progress.borrow_mut();
                progress.delivered += response.len() as u64;
                progress.answers.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
            }
            self.pause(self.spec.pause.map_or(Duration::ZERO, |time| time.0)).await;
        }
        Ok(())
    }

    async fn on_and_off(&self, stream: &mut TcpStream) -> io::Result<()> {
        let time = |time: Option<super::units::Time>| time.map_or(Duration::from_secs(1), |time| time.0);
        let chunk = bytes::Bytes::from(vec![0; CHUNK]);
        loop {
            let until = self.from.now() + time(self.spec.on);
            while self.from.now() < until {
                stream.send_bytes(chunk.clone()).await?;
            }
            self.pause(time(self.spec.off)).await;
        }
    }

    async fn idle(&self, stream: &mut TcpStream) -> io::Result<()> {
        loop {
            stream.write_all(b".").await?;
            self.pause(self.spec.pause.map_or(Duration::from_secs(30), |time| time.0)).await;
        }
    }

    async fn pause(&self, time: Duration) {
        if !time.is_zero() {
            self.from.clock().sleep(time).await;
        }
    }

    fn size(&self, size: Option<super::units::Size>, default: usize) -> usize {
        size.map_or(default, |size| usize::try_from(size.0).unwrap_or(usize::MAX)).clamp(1, 1 << 30)
    }
}
