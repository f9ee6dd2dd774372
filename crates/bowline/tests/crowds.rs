//! Many tasks at once: no wake-up is lost, and a full backlog delays but fails nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::time::Duration;

use bowline::{Config, Listen};
use bowline_device::Impairments;
use common::{pair, pattern, server, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn many(tasks: usize, rounds: usize) {
    let (client, server_net) = pair();
    // All of them at once: none shall have to come back because the queue was full.
    let listen = Listen { backlog: 2 * tasks, ..Listen::on_port(80) };
    let listener = server_net.listen_with(listen).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            });
        }
    });
    let mut running = tokio::task::JoinSet::new();
    for number in 0..tasks {
        let client = client.clone();
        running.spawn(async move {
            let mut stream = client.connect(server()).await.unwrap();
            for round in 0..rounds {
                let message = pattern(1 + (number * 37 + round * 101) % 3000, (number + round) as u64);
                stream.write_all(&message).await.unwrap();
                let mut echo = vec![0; message.len()];
                if let Err(error) = stream.read_exact(&mut echo).await {
                    panic!("connection {number}, round {round}: {error}; {:?}", client.counters());
                }
                assert!(echo == message, "connection {number}, round {round}");
            }
        });
    }
    // A lost wake-up would end in this time-out.
    let all = async {
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("a task was never woken");
    until(|| server_net.population().0 == 0).await;
}

#[tokio::test]
async fn many_tasks_lose_no_wakeup_on_one_thread() {
    many(300, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_lose_no_wakeup_on_four_threads() {
    many(300, 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_small_backlog_delays_and_fails_nobody() {
    let spread = Duration::from_millis(50);
    let (client, server_net) = common::impaired_pair(
        Impairments { delay: spread, jitter: spread, ..Impairments::default() },
        &Config::default(),
    );
    let listen = Listen { address: Some(server().ip()), backlog: 4, ..Listen::on_port(80) };
    let listener = server_net.listen_with(listen).unwrap();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..60_u8 {
        let client = client.clone();
        running.spawn(async move {
            let mut stream = client.connect(server()).await.unwrap();
            stream.write_all(&[number]).await.unwrap();
            let mut echo = [0; 1];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, [number]);
        });
    }
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.unwrap();
            stream.write_all(&byte).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let all = running.join_all();
    if tokio::time::timeout(Duration::from_secs(120), all).await.is_err() {
        panic!("{:?} {:?}", server_net.counters(), server_net.listeners());
    }
    assert!(server_net.counters().listen_overflows > 0, "the backlog was never full");
}

#[tokio::test]
async fn several_tasks_may_wait_for_the_same_listener() {
    let (client, server_net) = pair();
    let listener = std::sync::Arc::new(server_net.listen(server()).await.unwrap());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let listener = listener.clone();
        waiting.spawn(async move { listener.accept().await.unwrap().1 });
    }
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(client.connect(server()).await.unwrap());
    }
    let mut peers: Vec<_> = waiting.join_all().await;
    let mut ours: Vec<_> = opened.iter().map(|stream| stream.local_addr().unwrap()).collect();
    peers.sort();
    ours.sort();
    assert_eq!(peers, ours);
}
