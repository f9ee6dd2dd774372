//! How connections end that nobody reads from or writes to, and what becomes of what is still on its way.

use std::io;
use std::time::Duration;

use bowline_gateway::ports::Ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::time::{Instant, sleep};

use crate::support::{behind, behind_for, connect, loopbacks, open};

/// The program has closed its direction and waits for an answer; then it is killed. A server that is busy with the answer, and
/// neither reads nor writes, is told.
#[tokio::test]
async fn a_reset_by_a_program_that_has_half_closed_reaches_an_idle_server() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for on in loopbacks() {
            let (mut inside, mut outside) = connect(&client, on).await;
            inside.write_all(b"ask").await.unwrap();
            inside.shutdown().await.unwrap();
            let mut asked = Vec::new();
            outside.read_to_end(&mut asked).await.unwrap();
            inside.abort();
            let ready = outside.ready(Interest::ERROR).await.unwrap();
            assert!(ready.is_error(), "{ready:?}");
        }
    })
    .await;
}

/// The program has closed, and after a minute its kernel has forgotten the connection, of which it says nothing by itself. A
/// server that never closes does not keep it for ever.
#[tokio::test(start_paused = true)]
async fn a_connection_that_the_program_has_forgotten_ends() {
    behind_for(Duration::from_secs(300), open(), Ports::default(), async |client, gateway| {
        let (inside, outside) = connect(&client, loopbacks()[0]).await;
        drop(inside);
        let ready = outside.ready(Interest::ERROR).await.unwrap();
        assert!(ready.is_error() && gateway.net().connections().is_empty(), "{ready:?}");
    })
    .await;
}

/// One that has only closed its direction, and waits for an answer, waits for as long as it likes.
#[tokio::test(start_paused = true)]
async fn a_program_that_waits_for_an_answer_gets_it_after_an_hour() {
    behind_for(Duration::from_secs(7200), open(), Ports::default(), async |client, _gateway| {
        let (mut inside, mut outside) = connect(&client, loopbacks()[0]).await;
        inside.shutdown().await.unwrap();
        sleep(Duration::from_secs(3600)).await;
        outside.write_all(b"answer").await.unwrap();
        drop(outside);
        let mut answer = String::new();
        inside.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    })
    .await;
}

#[tokio::test]
async fn a_reset_by_a_server_that_has_half_closed_reaches_an_idle_program() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for on in loopbacks() {
            let (mut inside, mut outside) = connect(&client, on).await;
            outside.write_all(b"all").await.unwrap();
            outside.shutdown().await.unwrap();
            let mut all = Vec::new();
            inside.read_to_end(&mut all).await.unwrap();
            socket2::SockRef::from(&outside).set_linger(Some(Duration::ZERO)).unwrap();
            drop(outside);
            let error = inside.closed().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    })
    .await;
}

/// As a kernel does: what was written is with it, and an answer is for nobody. A server that never closes holds nobody up.
#[tokio::test(start_paused = true)]
async fn a_server_that_has_all_and_does_not_close_is_not_waited_for() {
    behind(open(), Ports::default(), async |client, gateway| {
        let (mut inside, mut outside) = connect(&client, loopbacks()[0]).await;
        inside.write_all(&[7; 100_000]).await.unwrap();
        inside.shutdown().await.unwrap();
        let begin = Instant::now();
        assert_eq!(gateway.drained().await, 0);
        let summary = gateway.finish(Duration::from_secs(1)).await;
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        assert_eq!((summary.connections, summary.bytes_received), (1, 100_000));
        let mut got = Vec::new();
        outside.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 100_000);
    })
    .await;
}

/// What a server takes in an hour is waited for, although its kernel makes room only now and then.
#[tokio::test(start_paused = true)]
async fn as_long_as_anything_moves_it_is_waited_for() {
    const LEN: usize = 12 << 20;
    behind_for(Duration::from_secs(7200), open(), Ports::default(), async |client, gateway| {
        let (mut writer, mut reader) = connect(&client, loopbacks()[0]).await;
        let all = tokio::spawn(async move {
            writer.write_all(&vec![7; LEN]).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let slow = tokio::spawn(async move {
            let (mut total, mut part) = (0, vec![0; 16 << 10]);
            loop {
                match reader.read(&mut part).await.unwrap() {
                    0 => return total,
                    count => total += count,
                }
                sleep(Duration::from_secs(1)).await;
            }
        });
        assert_eq!(gateway.drained().await, 0);
        all.await.unwrap();
        gateway.finish(Duration::from_secs(1)).await;
        assert_eq!(slow.await.unwrap(), LEN);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_given_up_after_a_minute() {
    behind_for(Duration::from_secs(600), open(), Ports::default(), async |client, gateway| {
        let (mut writer, outside) = connect(&client, loopbacks()[0]).await;
        let all = tokio::spawn(async move { writer.write_all(&vec![7; 64 << 20]).await });
        let begin = Instant::now();
        assert_eq!(gateway.drained().await, 1);
        let waited = begin.elapsed().as_secs();
        assert!((60..90).contains(&waited), "{waited} s");
        let summary = gateway.finish(Duration::from_secs(1)).await;
        assert_eq!(summary.connections, 1);
        // whoever reads after all learns that it is not whole
        let mut outside = outside;
        let error = outside.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(all.await.unwrap().is_err());
    })
    .await;
}
