//! A device of one's own: what a tunnel, a microVM or a radio needs to carry TCP. `cargo run -p bowline --example device`.
//!
//! The device here hands packets to two threads through channels, as a driver of real hardware might; replace the
//! channels by whatever carries your packets.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use bowline::device::{Capabilities, Device, Readiness, RxPacket, Transmitted, TxPacket, WakeSlot};
use bowline::{Instant, Net};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One end of a wire made of two channels.
struct Wire {
    out: Sender<Vec<u8>>,
    into: Receiver<Vec<u8>>,
    /// Notified by the other end when it has sent something.
    own: WakeSlot,
    peer: WakeSlot,
}

impl Device for Wire {
    /// No offloads: packets come and go one by one, with complete checksums.
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(1280)
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        match self.into.try_recv() {
            Ok(bytes) => Ok(Some(RxPacket { pinned: bytes.len(), data: bytes.into(), ..RxPacket::default() })),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(None),
        }
    }

    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        let mut bytes = vec![0; packet.len()];
        packet.copy_to(&mut bytes);
        if self.out.send(bytes).is_err() {
            return Ok(Transmitted::Dropped);
        }
        self.peer.notify();
        Ok(Transmitted::Sent)
    }

    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wake(&self.own)
    }
}

fn wires() -> (Wire, Wire) {
    let ((to_b, from_a), (to_a, from_b)) = (channel(), channel());
    let (slot_a, slot_b) = (WakeSlot::new(), WakeSlot::new());
    let a = Wire { out: to_b, into: from_b, own: slot_a.clone(), peer: slot_b.clone() };
    let b = Wire { out: to_a, into: from_a, own: slot_b, peer: slot_a };
    (a, b)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (a, b) = wires();
    let client = Net::builder().device(a).address("fd00::1/64".parse()?).start()?;
    let server = Net::builder().device(b).address("fd00::2/64".parse()?).start()?;

    let listener = server.listen("[fd00::2]:7".parse()?).await?;
    tokio::spawn(async move {
        let (mut stream, _peer) = listener.accept().await?;
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await
    });

    let mut stream = client.connect("[fd00::2]:7".parse()?).await?;
    stream.write_all(b"over a wire of my own").await?;
    stream.shutdown().await?;
    let mut echo = String::new();
    stream.read_to_string(&mut echo).await?;
    println!("{echo}, with segments of {} bytes", stream.info().map_or(0, |info| info.mss));
    Ok(())
}
