//! Diagrams and tables of real conversations: what the core records is what the readers understand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::time::Duration;

use bowline::{Net, Refusal};
use bowline_device::impairment::{Impairment, Loss};
use bowline_device::memory::{self, MemoryConfig};
use bowline_device::{Impaired, ImpairmentConfig, Impairments};
use bowline_observe::diagram::fold::Limits;
use bowline_observe::diagram::{Diagram, Diagrams, Direction, Ending, OnTheWay, Row as Line, Settings, What, text};
use bowline_observe::ss::{Filter, Row, table};
use bowline_observe::{Comments, Summary};
use bowline_tcp::trace::Trace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn nets(impairments: Impairments) -> (Net, Net) {
    nets_by(5, impairments)
}

fn nets_by(seed: u64, impairments: Impairments) -> (Net, Net) {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    let right = Impaired::new(right, ImpairmentConfig::symmetric(impairments, seed));
    let client = Net::builder().device(left).address("10.0.2.100/24".parse().unwrap());
    let server = Net::builder().device(right).address("10.0.2.2/24".parse().unwrap()).any_ip(true);
    let client = client.route("0.0.0.0/0".parse().unwrap());
    let start = |builder: bowline::NetBuilder, seed| builder.seed([seed; 32]).coarse_timers(true).start().unwrap();
    (start(client, 1), start(server, 2))
}

fn draw(diagram: &Diagram) -> String {
    text::render(diagram, &text::Style { width: 110, ..text::Style::default() })
}

#[tokio::test(start_paused = true)]
async fn a_lossy_exchange_is_told_in_full() {
    let impairments = Impairments {
        delay: Duration::from_millis(20),
        loss: Loss::Random("4%".parse().unwrap()),
        ..Impairments::default()
    };
    let (client, server) = nets(impairments);
    let mut trace = server.trace();
    let listener = server.listen("10.0.2.2:80".parse().unwrap()).await.unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await.unwrap();
        stream.write_all(&vec![b'x'; 60_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.flushed().await.unwrap();
        let row = Row::connection(&stream.info().unwrap());
        (row, stream)
    });
    let mut stream = client.connect("10.0.2.2:80".parse().unwrap()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    drop(stream);
    let (row, stream) = serving.await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut told = Told::of(&mut trace);
    let closed = told.diagrams.take_closed(server.now());
    assert_eq!(closed.len(), 1);
    let diagram = &closed[0];
    let drawn = draw(diagram);
    assert_eq!(diagram.ending, Ending::Closed, "{drawn}");
    assert_eq!(states(diagram), ["SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"], "{drawn}");
    assert!(drawn.contains("retransmission: fast"), "{drawn}");
    assert!(drawn.contains("believed lost"), "{drawn}");
    let resent = server.counters().retrans_segs;
    assert!(resent > 0);
    assert_eq!((diagram.retransmissions, told.summary.retransmissions), (resent, resent), "{drawn}");
    assert_eq!((told.summary.connections, told.summary.bytes_received), (1, 18));
    assert_eq!(told.summary.segments_sent, server.counters().out_segs);
    let info = row.info.as_ref().unwrap();
    assert_eq!((info.bytes_acked, info.retrans), (60_000, resent));
    assert!(table::render(&[&row], &table::Columns::default()).contains("cubic wscale:7,7"));
}

/// Segments of the handshake, text and FINs that are lost or come late, and probes of new text as well as of old.
#[tokio::test(start_paused = true)]
async fn all_readers_count_the_same_retransmissions() {
    let impairments = Impairments {
        delay: Duration::from_millis(20),
        loss: Loss::Random("15%".parse().unwrap()),
        ..Impairments::default()
    };
    let mut all = 0;
    for seed in 0..40 {
        let (client, server) = nets_by(seed, impairments);
        let mut traces = [client.trace(), server.trace()];
        let listener = server.listen("10.0.2.2:80".parse().unwrap()).await.unwrap();
        let (opened, accepted) = tokio::join!(client.connect("10.0.2.2:80".parse().unwrap()), listener.accept());
        let (mut opened, (mut accepted, _)) = (opened.unwrap(), accepted.unwrap());
        for _ in 0..10 {
            accepted.write_all(&[2; 3000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(45)).await;
        }
        opened.shutdown().await.unwrap();
        accepted.shutdown().await.unwrap();
        opened.read_to_end(&mut Vec::new()).await.unwrap();
        accepted.read_to_end(&mut Vec::new()).await.unwrap();
        drop((opened, accepted));
        tokio::time::sleep(Duration::from_secs(600)).await;
        for (net, trace) in [&client, &server].into_iter().zip(&mut traces) {
            let mut told = Told::of(trace);
            let drawn: u64 = told.diagrams.finish().iter().map(|diagram| diagram.retransmissions).sum();
            let counted = net.counters().retrans_segs;
            assert_eq!((drawn, told.summary.retransmissions), (counted, counted), "seed {seed}");
            all += counted;
        }
    }
    assert!(all > 100, "{all}");
}

#[tokio::test(start_paused = true)]
async fn refused_reset_and_unanswered_connections_are_told_apart() {
    let (client, server) = nets(Impairments::default());
    let (mut at_client, mut at_server) = (client.trace(), server.trace());
    let mut forwarder = server.forwarder().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok(incoming) = forwarder.next().await {
            match incoming.destination().port() {
                1 => incoming.refuse(Refusal::Reset),
                2 => {
                    let mut stream = incoming.accept(None).await.unwrap();
                    stream.read_exact(&mut [0; 1]).await.unwrap();
                    stream.abort();
                }
                _ => silent.push(incoming),
            }
        }
    });
    let far = |port: u16| std::net::SocketAddr::new("192.0.2.1".parse().unwrap(), port);
    client.connect(far(1)).await.unwrap_err();
    let mut reset = client.connect(far(2)).await.unwrap();
    reset.write_all(b"x").await.unwrap();
    reset.read(&mut [0; 1]).await.unwrap_err();
    drop(reset);
    client.connect(far(3)).await.unwrap_err();

    let endings = |told: &mut Told| {
        let mut all = told.diagrams.finish();
        all.sort_by_key(|diagram| diagram.local.port().min(diagram.remote.port()));
        all.iter().map(|diagram| (diagram.ending, draw(diagram))).collect::<Vec<_>>()
    };
    let ours = endings(&mut Told::of(&mut at_client));
    let [refused, reset, unanswered] = &ours[..] else { panic!("{ours:?}") };
    assert_eq!(refused.0, Ending::Refused, "{}", refused.1);
    assert_eq!(reset.0, Ending::Reset, "{}", reset.1);
    assert_eq!(unanswered.0, Ending::Failed, "{}", unanswered.1);
    assert!(unanswered.1.contains("timed out") && unanswered.1.contains("7 retransmissions"), "{}", unanswered.1);
    let theirs = endings(&mut Told::of(&mut at_server));
    let [refused, reset, ..] = &theirs[..] else { panic!("{theirs:?}") };
    assert_eq!(refused.0, Ending::Refused, "{}", refused.1);
    assert_eq!(reset.0, Ending::Reset, "{}", reset.1);
}

#[tokio::test(start_paused = true)]
async fn a_live_network_answers_filters() {
    let (client, server) = nets(Impairments::default());
    let listener = server.listen("10.0.2.2:80".parse().unwrap()).await.unwrap();
    let stream = client.connect("10.0.2.2:80".parse().unwrap()).await.unwrap();
    let mut rows: Vec<Row> = server.connections().iter().map(Row::connection).collect();
    rows.extend(server.listeners().iter().map(Row::listener));
    let shown = |filter: Filter| rows.iter().filter(|row| filter.accepts(row)).count();
    assert_eq!(shown("state connected".parse().unwrap()), 1);
    assert_eq!(shown("dport = :80".parse().unwrap()), 0);
    assert_eq!(shown("sport = :80".parse().unwrap()), 1);
    assert_eq!(shown(Filter::listening()), 1);
    assert_eq!(shown(Filter::all()), 2);
    drop((listener, stream));
}

#[tokio::test(start_paused = true)]
async fn what_the_link_does_to_segments_is_drawn_on_their_arrows() {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    let loss = Impairments { loss: Loss::Random("10%".parse().unwrap()), ..Impairments::default() };
    let right = Impaired::new(right, ImpairmentConfig::symmetric(loss, 3));
    let monitor = right.monitor().clone();
    monitor.observe(1000);
    let client = Net::builder().device(left).address("10.0.2.100/24".parse().unwrap()).seed([1; 32]);
    let server = Net::builder().device(right).address("10.0.2.2/24".parse().unwrap()).seed([2; 32]);
    let (client, server) = (client.coarse_timers(true).start().unwrap(), server.coarse_timers(true).start().unwrap());
    let mut trace = server.trace();
    let listener = server.listen("10.0.2.2:80".parse().unwrap()).await.unwrap();
    let (opened, accepted) = tokio::join!(client.connect("10.0.2.2:80".parse().unwrap()), listener.accept());
    let (mut opened, (mut accepted, _)) = (opened.unwrap(), accepted.unwrap());
    let sending = tokio::spawn(async move {
        for _ in 0..60 {
            opened.write_all(&[1; 1000]).await.unwrap();
            opened.flushed().await.unwrap();
        }
        opened
    });
    for _ in 0..60 {
        accepted.read_exact(&mut [0; 1000]).await.unwrap();
        accepted.write_all(&[2; 100]).await.unwrap();
        accepted.flushed().await.unwrap();
    }
    drop((sending.await.unwrap(), accepted));

    // Both streams in the order of their times, decisions after the records that they are about.
    let mut diagrams = Diagrams::new(Settings { limits: Limits::whole(), ..Settings::default() });
    let (decisions, missed) = monitor.drain();
    assert_eq!(missed, 0);
    let mut decisions = decisions.iter().peekable();
    let mut lost = [0; 2];
    let tell = |diagrams: &mut Diagrams, lost: &mut [usize; 2], one: &Impairment| {
        let out = one.direction == bowline_device::impairment::Direction::Egress;
        let direction = if out { Direction::Out } else { Direction::In };
        let event = OnTheWay::of_packet(one.at, direction, &one.head, one.what.is_drop(), one.what.to_string());
        diagrams.on_the_way(&event.unwrap());
        lost[usize::from(out)] += 1;
    };
    while let Some(record) = trace.try_next() {
        while let Some(one) = decisions.next_if(|one| one.at < record.at) {
            tell(&mut diagrams, &mut lost, one);
        }
        diagrams.push(&record);
    }
    decisions.for_each(|one| tell(&mut diagrams, &mut lost, one));
    assert!(lost[0] > 3 && lost[1] > 3, "{lost:?}");
    let diagram = diagrams.finish().pop().unwrap();
    let arrows = |direction: Direction| {
        let lost = |row: &&Line| matches!(&row.what, What::Segment(s) if s.direction == direction && s.is_lost());
        diagram.rows.iter().filter(lost).count()
    };
    assert_eq!([arrows(Direction::In), arrows(Direction::Out)], lost, "{}", draw(&diagram));
}

/// All readers of one trace.
struct Told {
    diagrams: Diagrams,
    summary: Summary,
}

impl Told {
    fn of(trace: &mut bowline::TraceStream) -> Self {
        let mut told = Self { diagrams: Diagrams::new(Settings::default()), summary: Summary::default() };
        let mut comments = Comments::default();
        while let Some(record) = trace.try_next() {
            told.diagrams.push(&record);
            told.summary.push(&record);
            comments.push(&record);
            if let Trace::Sent { header, len, .. } = &record.what {
                assert!(comments.take(Direction::Out, record.tuple, header, *len).is_some());
            }
        }
        told
    }
}

/// The states that a diagram shows, each of which must stand beside the segment that made it.
fn states(diagram: &Diagram) -> Vec<String> {
    let of = |row: &Line| match &row.what {
        What::Segment(segment) => segment.next_state.clone(),
        What::Note(note) if note.text.contains('→') => Some(format!("note: {}", note.text)),
        What::Fold(_) | What::Note(_) => None,
    };
    diagram.rows.iter().filter_map(of).collect()
}
