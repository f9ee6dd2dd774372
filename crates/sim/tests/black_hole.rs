//! Paths that drop what is too large and do not say so: connections find out what passes (RFC 4821, RFC 8899).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bowline_sim::{Host, Link, Sim};
use bowline_tcp::{Counters, Info, MtuProbing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A sender, a receiver and a link of 20 ms, which large packets do not pass.
struct World {
    sim: Sim,
    sender: Host,
    receiver: Host,
    link: Link,
}

/// What is known after a transfer.
struct Done {
    took: Duration,
    info: Info,
    counters: Counters,
}

impl World {
    fn new(seed: u64, probing: MtuProbing) -> Result<Self, Box<dyn std::error::Error>> {
        Self::with_buffer(seed, probing, bowline_tcp::Options::default().send_buffer)
    }

    fn with_buffer(seed: u64, probing: MtuProbing, bytes: u32) -> Result<Self, Box<dyn std::error::Error>> {
        let sim = Sim::new(seed)?;
        let mut config = bowline::Config::default();
        config.tcp.options.send_buffer = bytes;
        config.tcp.options.mtu_probing = probing;
        let sender = sim.host_with("sender", 1500, |net| net.config(config))?;
        let receiver = sim.host("receiver")?;
        let link = sim.link(&sender, &receiver);
        link.delay(Duration::from_millis(10));
        Ok(Self { sim, sender, receiver, link })
    }

    /// Sends `len` bytes to `address`; `None` where they have not arrived after `patience`.
    fn send(
        &self,
        address: SocketAddr,
        len: usize,
        patience: Duration,
    ) -> Result<Option<Done>, Box<dyn std::error::Error>> {
        let begin = self.sim.now();
        let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
        let net = sender.net().clone();
        let work = async move {
            let listener = receiver.listen(address).await?;
            let reader = tokio::spawn(read_one(listener));
            let mut stream = sender.connect(address).await?;
            stream.write_all(&vec![7; len]).await?;
            stream.shutdown().await?;
            let read = reader.await.map_err(io::Error::other)??;
            assert_eq!(read, len);
            stream.info().ok_or_else(|| io::Error::other("no connection"))
        };
        let done = self.sim.run(async move { tokio::time::timeout(patience, work).await })?;
        let Ok(info) = done else { return Ok(None) };
        let (took, info) = (self.sim.now().since(begin), info?);
        Ok(Some(Done { took, info, counters: net.counters() }))
    }
}

/// Reads one connection to its end: how many bytes came.
async fn read_one(listener: bowline::TcpListener) -> io::Result<usize> {
    let (mut stream, _) = listener.accept().await?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await
}

#[test]
fn a_transfer_through_a_black_hole_completes_and_finds_what_passes() -> Outcome {
    for (v6, mtu) in [(false, 1492), (false, 1400), (false, 1100), (false, 700), (true, 1450), (true, 1280)] {
        // So much in a round trip, so that there are round trips enough for a search.
        let world = World::with_buffer(1, MtuProbing::BlackHole, 256 << 10)?;
        world.link.black_hole(mtu);
        let address = if v6 { SocketAddr::new(world.receiver.ipv6(), 80) } else { world.receiver.at(80) };
        let done = world.send(address, 8 << 20, Duration::from_secs(60))?.ok_or("not done")?;
        // Three time-outs and one more for each halving, then as if nothing had been.
        assert!(done.took < Duration::from_secs(8), "MTU {mtu}: {:?}", done.took);
        let found = done.info.path_mtu;
        assert!(found <= mtu.into() && found + 8 > mtu.into(), "MTU {mtu}, found {found}");
        assert!(done.counters.mtu_probe_fail > 0, "{:?}", done.counters);
        // They were the size's: slow start goes on where they had stopped it.
        assert_eq!(done.info.ssthresh, None, "MTU {mtu}");
    }
    Ok(())
}

#[test]
fn without_probing_a_black_hole_is_one() -> Outcome {
    let world = World::new(2, MtuProbing::Off)?;
    world.link.black_hole(1400);
    assert!(world.send(world.receiver.at(80), 1 << 20, Duration::from_secs(60))?.is_none());
    Ok(())
}

#[test]
fn a_search_from_the_beginning_ends_at_the_top_of_a_clean_path() -> Outcome {
    let world = World::new(3, MtuProbing::Always)?;
    let done = world.send(world.receiver.at(80), 4 << 20, Duration::from_secs(60))?.ok_or("not done")?;
    assert_eq!((done.info.path_mtu, done.info.mss), (1500, 1448));
    assert_eq!((done.counters.mtu_probe_success, done.counters.mtu_probe_fail), (1, 0));
    assert_eq!(done.counters.retrans_segs, 0);
    Ok(())
}

#[test]
fn a_probe_that_is_lost_is_no_congestion() -> Outcome {
    let world = World::new(4, MtuProbing::Always)?;
    world.link.black_hole(1300);
    let done = world.send(world.receiver.at(80), 4 << 20, Duration::from_secs(60))?.ok_or("not done")?;
    assert!((1293..=1300).contains(&done.info.path_mtu), "{}", done.info.path_mtu);
    assert_eq!(done.info.timeouts, 0);
    // Each probe was lost alone. The first window was never reduced: nothing else was lost.
    assert!(done.counters.mtu_probe_fail > 2, "{:?}", done.counters);
    assert_eq!(done.info.ssthresh, None);
    Ok(())
}

#[test]
fn a_silence_that_was_no_black_hole_costs_one_probe() -> Outcome {
    let world = World::new(5, MtuProbing::BlackHole)?;
    let (sim, link) = (&world.sim, world.link.clone());
    let (sender, receiver, address) = (world.sender.clone(), world.receiver.clone(), world.receiver.at(80));
    let info = sim.run(async move {
        let listener = receiver.listen(address).await?;
        let reader = tokio::spawn(read_one(listener));
        let mut stream = sender.connect(address).await?;
        stream.write_all(&[7; 100_000]).await?;
        link.partition();
        stream.write_all(&vec![7; 1 << 20]).await?;
        tokio::time::sleep(Duration::from_secs(20)).await;
        link.heal();
        stream.write_all(&vec![7; 4 << 20]).await?;
        stream.shutdown().await?;
        reader.await.map_err(io::Error::other)??;
        stream.info().ok_or_else(|| io::Error::other("no connection"))
    })??;
    assert!(info.timeouts >= 3, "{}", info.timeouts);
    assert_eq!((info.path_mtu, info.mss), (1500, 1448));
    assert!(info.ssthresh.is_some(), "they may have been of congestion");
    Ok(())
}
