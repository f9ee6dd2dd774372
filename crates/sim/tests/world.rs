//! The world keeps its promises: time to the nanosecond, the same bytes for the same seed, and honest links.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bowline_sim::{Discipline, Host, Link, Rate, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Two hosts and the link between them.
fn pair(seed: u64) -> io::Result<(Sim, Host, Host, Link)> {
    let sim = Sim::new(seed)?;
    let (client, server) = (sim.host("client")?, sim.host("server")?);
    let link = sim.link(&client, &server);
    Ok((sim, client, server, link))
}

/// Reads all of one connection and returns how much that was.
async fn sink(host: Host, address: SocketAddr) -> io::Result<usize> {
    let listener = host.listen(address).await?;
    let (mut stream, _) = listener.accept().await?;
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(total),
            count => total += count,
        }
    }
}

/// Sends `len` bytes over one connection; the time until the server has read the end.
fn transfer(sim: &Sim, client: &Host, server: &Host, len: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let begin = sim.now();
    let (client, server, address) = (client.clone(), server.clone(), server.at(80));
    let received = sim.run(async move {
        let reader = tokio::spawn(sink(server, address));
        let mut stream = client.connect(address).await?;
        stream.write_all(&vec![7; len]).await?;
        stream.shutdown().await?;
        reader.await.map_err(io::Error::other)?
    })??;
    assert_eq!(received, len);
    Ok(sim.now().since(begin))
}

#[test]
fn a_handshake_takes_a_round_trip_to_the_nanosecond() -> Outcome {
    let (sim, client, server, link) = pair(1)?;
    link.delay(Duration::from_nanos(1_234_567));
    let address = server.at(80);
    sim.run(async move {
        let _listener = server.listen(address).await?;
        client.connect(address).await.map(drop)
    })??;
    assert_eq!(sim.now().as_nanos(), 2 * 1_234_567);
    Ok(())
}

#[test]
fn a_transfer_fills_a_link_with_a_queue_of_one_bandwidth_delay_product() -> Outcome {
    let (sim, client, server, link) = pair(2)?;
    let rate: Rate = "100mbit".parse()?;
    link.delay(Duration::from_millis(10)).rate(rate).queue(Discipline::drop_tail(250_000));
    let len = 30 << 20;
    let took = transfer(&sim, &client, &server, len)?;
    let goodput = len as f64 * 8.0 / took.as_secs_f64();
    assert!(goodput > 0.88e8, "{goodput} bit/s");
    // Of 1,500 bytes, 1,448 are ours: more would be a link that is faster than it says.
    assert!(goodput < 0.966e8, "{goodput} bit/s");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_packets_and_another_one_others() -> Outcome {
    let run = |seed| -> Result<_, Box<dyn std::error::Error>> {
        let (sim, client, server, link) = pair(seed)?;
        link.delay(Duration::from_millis(5)).jitter(Duration::from_millis(2)).loss(0.03).duplicate(0.01).corrupt(0.01);
        let took = transfer(&sim, &client, &server, 1 << 20)?;
        Ok((took, link.counters()))
    };
    assert_eq!(run(11)?, run(11)?);
    assert_ne!(run(11)?, run(12)?);
    Ok(())
}

#[test]
fn routers_pass_packets_on_and_hosts_do_not() -> Outcome {
    let sim = Sim::new(3)?;
    let (a, b, bystander) = (sim.host("a")?, sim.host("b")?, sim.host("bystander")?);
    let (left, right) = (sim.router(), sim.router());
    // Two links by way of the bystander, three by way of the routers: hosts are no way.
    let shortcuts = [sim.link(&a, &bystander), sim.link(&bystander, &b)];
    sim.link(&a, &left).delay(Duration::from_millis(1));
    sim.link(&left, &right).delay(Duration::from_millis(2));
    sim.link(&right, &b).delay(Duration::from_millis(3));
    let took = transfer(&sim, &a, &b, 10)?;
    assert!(took >= Duration::from_millis(18), "{took:?}");
    for link in shortcuts {
        assert!(link.counters().iter().all(|way| way.packets == 0));
    }
    Ok(())
}

#[test]
fn a_partition_loses_what_enters_it_and_a_connection_survives_it() -> Outcome {
    let (sim, client, server, link) = pair(4)?;
    link.delay(Duration::from_millis(10));
    let address = server.at(80);
    let reader = {
        let server = server.clone();
        async move { sink(server, address).await }
    };
    let (link_there, clock) = (link.clone(), sim.clock());
    let total = sim.run(async move {
        let reader = tokio::spawn(reader);
        let mut stream = client.connect(address).await?;
        stream.write_all(b"before").await?;
        stream.flushed().await?;
        link_there.partition();
        stream.write_all(b"meanwhile").await?;
        clock.sleep(Duration::from_secs(5)).await;
        link_there.heal();
        stream.shutdown().await?;
        reader.await.map_err(io::Error::other)?
    })??;
    assert_eq!(total, 15);
    assert!(link.counters().iter().any(|way| way.cut > 0));
    assert!(sim.now().as_millis() > 5_000);
    Ok(())
}

#[test]
fn a_program_that_waits_for_nothing_is_told_so() -> Outcome {
    let (sim, client, server, _link) = pair(5)?;
    let address = server.at(80);
    let stalled = sim.run(async move {
        let _listener = server.listen(address).await?;
        let mut stream = client.connect(address).await?;
        stream.read_u8().await
    });
    let stalled = stalled.expect_err("nobody sends");
    assert_eq!(stalled.seed, 5);
    // The timer of the SYN, which nobody waits for any more, still rings after its second.
    assert!(stalled.at <= bowline_base::Instant::from_secs(1), "a handshake was all that happened: {stalled}");
    Ok(())
}

#[test]
fn sleeping_tasks_and_packets_share_one_time() -> Outcome {
    let (sim, client, server, link) = pair(6)?;
    link.delay(Duration::from_micros(2_500));
    let address = server.at(80);
    let order = sim.run(async move {
        let _listener = server.listen(address).await?;
        let mut order = Vec::new();
        // The SYN-ACK is back after 5 ms: between the third sleep of 2 ms and the second.
        let sleeper = tokio::spawn(async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let (connected, slept) = (client.connect(address), sleeper);
        tokio::pin!(connected, slept);
        while order.len() < 2 {
            tokio::select! {
                biased;
                stream = &mut connected, if !order.contains(&"connected") => { stream?; order.push("connected"); }
                _ = &mut slept, if !order.contains(&"slept") => order.push("slept"),
            }
        }
        io::Result::Ok(order)
    })??;
    assert_eq!(order, ["slept", "connected"]);
    assert_eq!(sim.now().as_micros(), 5_000);
    Ok(())
}

#[test]
fn an_hour_of_silence_takes_no_time_and_a_jump_makes_what_was_due_late() -> Outcome {
    let (sim, client, server, link) = pair(7)?;
    link.delay(Duration::from_millis(10));
    let wall = std::time::Instant::now();
    sim.pass(Duration::from_secs(3600));
    assert!(wall.elapsed() < Duration::from_secs(10));
    let begin = sim.now();
    let address = server.at(80);
    let connect = async {
        let _listener = server.listen(address).await?;
        client.connect(address).await.map(drop)
    };
    sim.jump(Duration::from_secs(100));
    assert_eq!(sim.now().since(begin), Duration::from_secs(100));
    sim.run(connect)??;
    assert_eq!(sim.now().since(begin), Duration::from_millis(100_020));
    Ok(())
}

#[test]
fn the_same_seed_leaves_the_same_capture_byte_for_byte() -> Outcome {
    let directory = tempfile::tempdir()?;
    let capture = |name: &str| -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
        let path = directory.path().join(name);
        let sim = Sim::recorded(21, &path)?;
        let (client, server) = (sim.host("client")?, sim.host("server")?);
        sim.link(&client, &server).delay(Duration::from_millis(5)).jitter(Duration::from_millis(1)).loss(0.05);
        transfer(&sim, &client, &server, 200_000)?;
        sim.pass(Duration::from_secs(1));
        sim.finish_record()?;
        ["client.pcapng", "server.pcapng", "client.txt"]
            .iter()
            .map(|file| Ok(std::fs::read(path.join(file))?))
            .collect()
    };
    let (one, two) = (capture("one")?, capture("two")?);
    assert!(one == two, "two runs of one seed differ");
    let diagram = String::from_utf8(one[2].clone())?;
    assert!(diagram.contains("SYN") && diagram.contains("FIN"), "{diagram}");
    Ok(())
}

#[test]
fn what_links_did_stands_in_the_diagrams_of_both_ends() -> Outcome {
    let directory = tempfile::tempdir()?;
    let sim = Sim::recorded(5, directory.path())?;
    let (client, server) = (sim.host("client")?, sim.host("server")?);
    let link = sim.link(&client, &server);
    link.delay(Duration::from_millis(5)).loss(0.03).rate("20mbit".parse()?).queue(Discipline::drop_tail(6_000));
    transfer(&sim, &client, &server, 300_000)?;
    link.partition();
    assert!(sim.run(client.connect(server.at(81)))?.is_err());
    sim.finish_record()?;
    let counters = link.counters();
    let [up, down] = counters.as_slice() else { return Err("a link has two ways".into()) };
    assert!(up.lost > 0 && up.queue_dropped > 0, "{up:?}");
    for host in ["client", "server"] {
        let text = std::fs::read_to_string(directory.path().join(format!("{host}.txt")))?;
        let told = |what: &str| text.matches(what).count() as u64;
        assert_eq!(told("random loss"), up.lost + down.lost, "{text}");
        assert_eq!(told("by the queue"), up.queue_dropped + down.queue_dropped, "{text}");
        assert!(told("link cut") > 0 && told("link cut") <= up.cut + down.cut, "{text}");
    }
    Ok(())
}

#[test]
fn a_seed_that_fails_is_named_with_what_it_left_behind() -> Outcome {
    let failure = bowline_sim::check("a_seed_that_fails", 0..=3, |sim| {
        let (client, server) = (sim.host("client")?, sim.host("server")?);
        sim.link(&client, &server).delay(Duration::from_millis(5));
        transfer(sim, &client, &server, 10)?;
        assert!(sim.seed() != 2, "two is not to my taste");
        Ok(())
    });
    let failure = failure.err().ok_or("it did not fail")?;
    assert_eq!(failure.seed, 2);
    assert!(failure.to_string().contains("BOWLINE_SEED=2"), "{failure}");
    assert!(failure.why.contains("not to my taste"), "{failure}");
    let directory = failure.record?;
    for file in ["client.pcapng", "client.txt", "server.pcapng", "server.txt"] {
        assert!(std::fs::metadata(directory.join(file))?.len() > 100, "{file}");
    }
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
