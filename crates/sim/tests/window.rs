//! The receive window follows a sender in slow start to a path of 10 Gbit/s and 100 ms, which holds 125 MB.

use std::io;
use std::time::Duration;

use bowline::{Config, Info};
use bowline_sim::{Discipline, Rate, Sim};
use bytes::Bytes;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const RTT: Duration = Duration::from_millis(100);
/// What 10 Gbit/s carry in that time.
const PATH: u64 = 125_000_000;

/// What the sender and the receiver know of their connection after each of so many round trips since it was open; the receiver
/// reads at once.
fn grown(rounds: u32) -> Result<Vec<[Info; 2]>, Box<dyn std::error::Error>> {
    let sim = Sim::new(1)?;
    let mut config = Config::default();
    config.tcp.options.send_buffer = 512 << 20;
    config.tcp.options.receive_buffer_max = 512 << 20;
    let host = |name| sim.host_with(name, 1500, |net| net.config(config.clone()));
    let (client, server) = (host("client")?, host("server")?);
    let rate: Rate = "10gbit".parse()?;
    sim.link(&client, &server).delay(RTT / 2).rate(rate).queue(Discipline::drop_tail(PATH as usize));
    let (address, clock) = (server.at(80), sim.clock());
    let told = sim.run(async move {
        let listener = server.listen(address).await?;
        let stream = client.connect(address).await?;
        let (accepted, _) = listener.accept().await?;
        let receiver = std::sync::Arc::new(accepted);
        let reading = std::sync::Arc::clone(&receiver);
        let reader =
            tokio::spawn(async move { while reading.recv_bytes(4 << 20).await.is_ok_and(|text| !text.is_empty()) {} });
        let sender = std::sync::Arc::new(stream);
        let sending = std::sync::Arc::clone(&sender);
        let writer = tokio::spawn(async move {
            let text = Bytes::from(vec![7; 4 << 20]);
            while sending.send_bytes(text.clone()).await.is_ok() {}
        });
        let mut told = Vec::new();
        for _ in 0..rounds {
            clock.sleep(RTT).await;
            let gone = || io::Error::other("the connection is gone");
            told.push([sender.info().ok_or_else(gone)?, receiver.info().ok_or_else(gone)?]);
        }
        reader.abort();
        writer.abort();
        io::Result::Ok(told)
    })??;
    Ok(told)
}

#[test]
fn it_never_holds_back_a_sender_in_slow_start() -> Outcome {
    let told = grown(14)?;
    for (round, [sender, receiver]) in (1..).zip(&told) {
        let window = (sender.cwnd, sender.snd_wnd, receiver.receive_buffer);
        assert_eq!(sender.rwnd_limited, Duration::ZERO, "held back after {round} round trips: {window:?}");
        assert_eq!(sender.cwnd, 14_480 << (round - 1), "not in slow start after {round} round trips");
        assert!(
            3 * sender.snd_wnd >= 4 * sender.cwnd,
            "less than a third to spare after {round} round trips: {window:?}"
        );
    }
    // Ten segments doubled 13 times are 119 MB: before the sender can fill the path, the window lets it.
    let [sender, _] = &told[13];
    assert!(sender.snd_wnd >= PATH && sender.cwnd < PATH, "{} and {}", sender.snd_wnd, sender.cwnd);
    Ok(())
}
