//! A tunnel: IP packets travel in datagrams between two ordinary UDP sockets, and streams travel in these packets.
//! `cargo run -p bowline --example tunnel`.
//!
//! One end is a program, the other a gateway that dials, for every address the program connects to, through the host: here to
//! one server. A VPN client encrypts in `pump` and is done.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io;
use std::sync::Arc;

use bowline::device::channel::{ChannelDevice, PacketReceiver, PacketSender, channel};
use bowline::{Incoming, Net, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What fits into a datagram of 1500 bytes, with room for a tunnel's own head.
const MTU: u16 = 1400;

/// A device whose packets `tunnel` carries.
fn carried_by(tunnel: UdpSocket) -> ChannelDevice {
    let (device, packets_in, packets_out) = channel(MTU, 256);
    tokio::spawn(pump(tunnel, packets_in, packets_out));
    device
}

async fn pump(tunnel: UdpSocket, packets_in: PacketSender, mut packets_out: PacketReceiver) -> io::Result<()> {
    let mut buffer = vec![0; usize::from(MTU)];
    loop {
        tokio::select! {
            datagram = tunnel.recv(&mut buffer) => {
                // A tunnel loses packets rather than fall behind.
                let _ = packets_in.try_send(buffer[..datagram?].to_vec());
            }
            packet = packets_out.recv() => match packet {
                Some(packet) => drop(tunnel.send(&packet).await?),
                None => return Ok(()),
            },
        }
    }
}

/// Goes on through the host, and answers the SYN as that went.
async fn forward(incoming: Incoming, upstream: &str) -> io::Result<()> {
    let mut outside = match TcpStream::connect(upstream).await {
        Ok(stream) => stream,
        Err(error) => {
            incoming.refuse(Refusal::Reset);
            return Err(error);
        }
    };
    let mut inside = incoming.accept(None).await?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let upstream: Arc<str> = server.local_addr()?.to_string().into();
    tokio::spawn(async move {
        let (mut stream, _) = server.accept().await?;
        stream.write_all(b"hello through the tunnel").await
    });

    let (here, there) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    here.connect(there.local_addr()?).await?;
    there.connect(here.local_addr()?).await?;

    let net = Net::builder().device(carried_by(here)).address("10.8.0.2/24".parse()?).route("0.0.0.0/0".parse()?);
    let net = net.start()?;
    let gateway = Net::builder().device(carried_by(there)).address("10.8.0.1/24".parse()?).any_ip(true).start()?;
    let mut forwarder = gateway.forwarder()?;
    tokio::spawn(async move {
        while let Ok(incoming) = forwarder.next().await {
            println!("{} wants to go to {}", incoming.source().ip(), incoming.destination());
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move { forward(incoming, &upstream).await });
        }
    });

    let mut stream = net.connect("203.0.113.7:443".parse()?).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    println!("{text}, in segments of up to {} bytes", stream.info().map_or(0, |info| info.mss));
    Ok(())
}
