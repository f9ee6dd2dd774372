use std::time::Duration;

use bowline_tcp::congestion::Model;
use bowline_tcp::info::{FastOpenInfo, Info, Receiver};
use bowline_tcp::reason::{Hold, TimerKind};
use bowline_tcp::recovery::{DeliveryRate, Outstanding};
use bowline_tcp::state::{STATES, State};
use bowline_tcp::{Algorithm, EcnMode, FourTuple, KeyName};

use super::table::Columns;
use super::*;

fn info(state: State) -> Info {
    let tuple = FourTuple::new("10.0.2.2:80".parse().unwrap(), "10.0.2.100:40000".parse().unwrap());
    Info {
        recv_queue: 0,
        send_queue: 2896,
        notsent: 1448,
        timer: Some((TimerKind::Retransmit, Duration::from_millis(204), 0)),
        window_scale: Some((7, 10)),
        timestamps: true,
        sack: true,
        ecn: EcnMode::Off,
        delivered_ce: 0,
        accurate_ecn: None,
        mss: 1448,
        advertised_mss: 1448,
        peer_mss: 1460,
        path_mtu: 1500,
        srtt: Some(Duration::from_micros(500)),
        rttvar: Duration::from_micros(200),
        min_rtt: Some(Duration::from_micros(300)),
        max_rtt: Some(Duration::from_micros(900)),
        rto: Duration::from_millis(204),
        backoff: 0,
        soft_error: None,
        algorithm: Algorithm::Cubic,
        cwnd: 14_480,
        ssthresh: Some(7240),
        pacing_rate: Some(34_752_000),
        max_pacing_rate: Some(100_000_000),
        in_flight: 1448,
        snd_wnd: 65_536,
        rcv_wnd: 131_072,
        receive_buffer: 131_072,
        bytes_sent: 4344,
        bytes_retrans: 1448,
        bytes_acked: 1448,
        bytes_received: 77,
        segs_out: 5,
        segs_in: 4,
        data_segs_out: 3,
        data_segs_in: 1,
        total_retrans: 1,
        outstanding: Outstanding { unacked: 7, sacked: 3, lost: 2, retrans: 1 },
        duplicates: 4,
        reorderings: 5,
        receiver: Receiver {
            ack_delay: Some(Duration::from_millis(40)),
            peer_segment: 1_400,
            rtt: Some(Duration::from_micros(700)),
            space: 14_480,
            holes: 0,
        },
        recoveries: 0,
        timeouts: 1,
        out_of_order: 0,
        reordering: 3,
        last_data_sent: Duration::from_millis(4),
        last_data_received: Duration::from_millis(8),
        last_ack_received: Duration::ZERO,
        hold: Hold::Congestion,
        busy_time: Duration::from_millis(200),
        rwnd_limited: Duration::ZERO,
        cwnd_limited: Duration::from_millis(50),
        ..Info::bare(3, tuple, state)
    }
}

fn listener() -> Row {
    let json = r#"[{"state":"LISTEN","recv_q":1,"send_q":4096,"local":"[::]:80","peer":"[::]:0","any":true,
        "syn_queue":12,"cookies":true}]"#;
    Row::parse_all(json).unwrap().remove(0)
}

fn every_state() -> Vec<Row> {
    let mut rows: Vec<Row> = STATES.iter().map(|state| Row::connection(&info(*state))).collect();
    rows.push(listener());
    rows
}

fn shown(filter: &str) -> Vec<String> {
    let filter: Filter = filter.parse().unwrap();
    every_state().iter().filter(|row| filter.accepts(row) && row.info.is_some()).map(|row| row.state.clone()).collect()
}

#[test]
fn the_table_reads_like_ss() {
    let mut six = info(State::SynReceived);
    six.tuple = FourTuple::new("[fd00::2]:443".parse().unwrap(), "[fd00::100]:40001".parse().unwrap());
    six.timer = Some((TimerKind::Retransmit, Duration::from_millis(1204), 2));
    let mut closing = info(State::TimeWait);
    closing.timer = Some((TimerKind::User, Duration::from_millis(59_100), 0));
    let rows =
        [Row::connection(&info(State::Established)), Row::connection(&six), Row::connection(&closing), listener()];
    let rows: Vec<&Row> = rows.iter().collect();
    insta::assert_snapshot!(table::render(&rows, &Columns::default()));
}

#[test]
fn what_is_known_of_the_path_is_printed_as_ss_does() {
    let mut info = info(State::Established);
    info.algorithm = Algorithm::Bbr;
    info.fast_open = Some(FastOpenInfo { is_server: false, syn_data: true, failure: None });
    info.delivery_rate = Some(DeliveryRate { rate: 12_500_000, app_limited: true, delivered: 1448, lost: 0 });
    info.data_segs_out = 20;
    info.model = Some(Model {
        state: "PROBE_BW UP",
        bandwidth: 25_000_000,
        min_rtt: Some(Duration::from_micros(300)),
        pacing_gain: 125,
        cwnd_gain: 225,
        inflight_shortterm: None,
        inflight_longterm: Some(50_000),
    });
    let line = detail::line(&Row::connection(&info));
    // 20 sent, one of them a copy, one along with the SYN, seven outstanding of which three arrived; and the SYN.
    for words in [
        "ts sack fastopen bbr wscale:10,7",
        "data_segs_in:1 bbr:(bw:200000000bps,mrtt:0.3,pacing_gain:1.25,cwnd_gain:2.25) send ",
        "delivery_rate 100000000bps delivered:15 app_limited busy:200ms",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    // Held back by the window now, but the sample was the application's; and the other way round without samples.
    info.delivery_rate = None;
    assert!(!detail::line(&Row::connection(&info)).contains("app_limited"));
    info.hold = Hold::Application;
    assert!(detail::line(&Row::connection(&info)).contains("app_limited"));
    info.state = State::SynSent;
    assert!(!detail::line(&Row::connection(&info)).contains("delivered"), "nothing has arrived yet");
}

#[test]
fn columns_can_be_switched_off() {
    let row = Row::connection(&info(State::Established));
    let columns = Columns { header: false, state: false, timers: false, details: false, one_line: false };
    assert_eq!(table::render(&[&row], &columns), "0 2896 10.0.2.2:80 10.0.2.100:40000\n");
    let columns = Columns { one_line: true, ..Columns::default() };
    assert_eq!(table::render(&[&row], &columns).lines().count(), 2);
}

#[test]
fn rows_survive_json() {
    let rows = every_state();
    let rows: Vec<&Row> = rows.iter().collect();
    let json = Row::print_all(&rows).unwrap();
    let parsed = Row::parse_all(&json).unwrap();
    assert_eq!(parsed.iter().collect::<Vec<_>>(), rows);
    // A newer instance may say more, an older one less.
    let foreign = r#"[{"state":"ESTAB","recv_q":1,"send_q":2,"local":"1.2.3.4:5","peer":"[::1]:6","new":true}]"#;
    assert_eq!(Row::parse_all(foreign).unwrap()[0].recv_q, 1);
}

#[test]
fn states_are_those_of_ss() {
    let default = ["SYN-SENT", "ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"];
    assert_eq!(shown(""), default);
    assert_eq!(shown("state established"), ["ESTAB"]);
    assert_eq!(shown("state ESTABLISHED"), ["ESTAB"]);
    assert_eq!(shown("state syn-recv"), ["SYN-RECV"]);
    assert_eq!(shown("state syn-rcv"), ["SYN-RECV"]);
    assert_eq!(shown("state all").len(), 11);
    assert_eq!(shown("state connected").len(), 9);
    assert!(!shown("state connected").iter().any(|s| s == "LISTEN" || s == "UNCONN"));
    assert_eq!(shown("state synchronized").len(), 8);
    assert_eq!(shown("state bucket"), ["SYN-RECV", "TIME-WAIT"]);
    assert_eq!(shown("state big").len(), 9);
    assert_eq!(shown("state connected exclude time-wait exclude syn-recv"), default);
    assert_eq!(shown("exclude established").len(), 10);
    assert_eq!(shown("state established state time-wait"), ["ESTAB", "TIME-WAIT"]);
}

#[test]
fn a_family_is_chosen_and_a_listener_for_every_address_is_of_both() {
    let mut six = info(State::Established);
    six.tuple = FourTuple::new("[fd00::2]:443".parse().unwrap(), "[fd00::100]:40001".parse().unwrap());
    let rows = [Row::connection(&info(State::Established)), Row::connection(&six), listener()];
    let shown = |family| {
        let filter = Filter::all().with_family(family);
        rows.iter().map(|row| filter.accepts(row)).collect::<Vec<_>>()
    };
    assert_eq!(shown(None), [true, true, true]);
    assert_eq!(shown(Some(Family::V4)), [true, false, true]);
    assert_eq!(shown(Some(Family::V6)), [false, true, true]);
}

#[test]
fn expressions_choose_by_address_and_port() {
    let row = Row::connection(&info(State::Established));
    let accepts = |text: &str| text.parse::<Filter>().unwrap().accepts(&row);
    for yes in [
        "dst 10.0.2.100",
        "dst = 10.0.2.0/24",
        "dst 10.0.2.100:40000",
        "src :80",
        "sport = :80",
        "sport = 80",
        "sport eq :80",
        "dport ge :40000",
        "dport > :39999 and dport < :40001",
        "( sport = :80 or sport = :443 ) and not dport = :1",
        "(sport = :80)",
        "sport = :80 dport = :40000",
        "sport = :1 or sport = :80",
        "! dst fd00::/64",
        "dst != 10.9.9.9",
        "dst 0.0.0.0/0",
        "src *:80",
        "state established sport = :80",
    ] {
        assert!(accepts(yes), "{yes}");
    }
    for no in ["dst 10.0.3.0/24", "src :443", "dport < :40000", "not sport = :80", "dst [fd00::2]:80", "dst ::/0"] {
        assert!(!accepts(no), "{no}");
    }
}

#[test]
fn a_wrong_filter_says_what_it_wants() {
    for wrong in [
        "state",
        "state open",
        "sport",
        "sport = :http80",
        "dst",
        "dst 10.0.0.0/33",
        "dst [::1",
        "( sport = :80",
        "sport = :80 )",
        "sport = :80 and",
        "port 80",
        "src",
        "dst :",
    ] {
        let error = wrong.parse::<Filter>().unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "{wrong}: {error}");
    }
    assert!(Filter::default().with_words(&[&"not ".repeat(10_000)]).is_err(), "no stack overflow");
    assert!(Filter::default().with_words(&[&"( ".repeat(10_000)]).is_err(), "no stack overflow");
    let error = "state open".parse::<Filter>().unwrap_err().to_string();
    assert!(error.contains("syn-recv"), "{error}");
}

#[test]
fn timers_are_printed_as_ss_prints_them() {
    let print = |expires_ms| detail::timer(&Timer { name: "on".to_owned(), expires_ms, retrans: 1 });
    assert_eq!(print(0), "timer:(on,0ms,1)");
    assert_eq!(print(204), "timer:(on,204ms,1)");
    assert_eq!(print(4), "timer:(on,004ms,1)");
    assert_eq!(print(1204), "timer:(on,1.204ms,1)");
    assert_eq!(print(12_204), "timer:(on,12sec,1)");
    assert_eq!(print(119_204), "timer:(on,1min59sec,1)");
    assert_eq!(print(7_199_000), "timer:(on,119min,1)");
}

#[test]
fn keys_are_named_and_never_shown() {
    let mut info = info(State::Established);
    let ao = |id, is_current, is_next| KeyName::Ao {
        peers: "10.0.2.0/24".parse().unwrap(),
        send_id: id,
        recv_id: id + 1,
        is_current,
        is_next,
    };
    info.keys =
        vec![KeyName::Md5("fd00::/64".parse().unwrap()), ao(1, true, false), ao(5, false, true), ao(9, false, false)];
    let row = Row::connection(&info);
    let line = super::detail::line(&row);
    let aokeys = "aokeys:10.0.2.0/24#1/2[current],10.0.2.0/24#5/6[rnext],10.0.2.0/24#9/10";
    assert!(line.ends_with(&format!("md5keys:fd00::/64 {aokeys}")), "{line}");
    let printed = Row::print_all(&[&row]).unwrap();
    assert_eq!(Row::parse_all(&printed).unwrap(), [row]);
}
