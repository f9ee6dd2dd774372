use bowline_wire::{Ecn, TcpFlags};
use proptest::prelude::*;

use super::parse;
use crate::lex::Defines;
use crate::script::{Action, Body, Direction, Expr, IpVersion, Packet, Quoted, Script, Seq, Tcp, TcpOption, Tos, When};
use crate::source::Source;

fn script(text: &str) -> Result<Script, String> {
    let source = Source::new("test.pkt", text);
    parse(&source, &Defines::new()).map_err(|error| error.to_string())
}

fn actions(text: &str) -> Vec<Action> {
    match script(text) {
        Ok(script) => script.events.into_iter().map(|event| event.action).collect(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn packet(text: &str) -> Packet {
    match actions(&format!("+0 {text}")).remove(0) {
        Action::Packet(packet) => *packet,
        other => panic!("{other:?}"),
    }
}

fn tcp(text: &str) -> Tcp {
    match packet(text).body {
        Body::Tcp(tcp) => tcp,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_of_every_kind_of_line() {
    let text = "
--ip_version=ipv4
--tolerance_usecs=75000
`sysctl -q net.ipv4.tcp_sack=0`
 0.00 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0.1~+0.2 > S 0:0(0) win 65535 <mss 1460,nop,wscale 6,sackOK,TS val 100 ecr 0>
+.3 < S. 0:0(0) ack 1 win 100
* > . 1:1(0) ack 1
1.5 %{ assert tcpi_snd_cwnd == 10 }%
1.5...2 read(3, ..., 10) = -1 ECONNRESET (Connection reset by peer)
3~4 > R 1:1(0)
+0 `true`
`cleanup`
";
    let script = script(text).unwrap();
    assert_eq!((script.options.ip_version, script.options.tolerance), (Some(IpVersion::V4), 75_000));
    let times: Vec<_> = script.events.iter().map(|event| event.when).collect();
    let expected = [
        When::At(0),
        When::AfterBetween(100_000, 200_000),
        When::After(300_000),
        When::Any,
        When::At(1_500_000),
        When::At(1_500_000),
        When::Between(3_000_000, 4_000_000),
        When::After(0),
    ];
    assert_eq!(times, expected);
    assert_eq!(script.init.unwrap().text, "sysctl -q net.ipv4.tcp_sack=0");
    assert_eq!(script.cleanup.unwrap().text, "cleanup");
    let Action::Call(call) = &script.events[5].action else { panic!() };
    assert_eq!(
        (call.until, call.errno.as_deref(), &call.result),
        (Some(2_000_000), Some("ECONNRESET"), &Expr::Number(-1))
    );
    assert_eq!((call.place.line, call.place.column), (10, 9));
}

#[test]
fn flags_in_all_their_spellings() {
    let flags = |text: &str| {
        let tcp = tcp(&format!("> {text} 1:1(0)"));
        (tcp.flags, tcp.ace)
    };
    assert_eq!(flags("S"), (TcpFlags::SYN, None));
    assert_eq!(flags("S."), (TcpFlags::SYN | TcpFlags::ACK, None));
    assert_eq!(flags("S ."), (TcpFlags::SYN | TcpFlags::ACK, None));
    assert_eq!(flags("."), (TcpFlags::ACK, None));
    assert_eq!(flags("-"), (TcpFlags::empty(), None));
    assert_eq!(flags("SEWA"), (TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR | TcpFlags::AE, None));
    assert_eq!(flags("FPU."), (TcpFlags::FIN | TcpFlags::PSH | TcpFlags::URG | TcpFlags::ACK, None));
    assert_eq!(flags(".5"), (TcpFlags::ACK, Some(5)));
    assert_eq!(flags("P.7"), (TcpFlags::PSH | TcpFlags::ACK, Some(7)));
    assert_eq!(flags("0."), (TcpFlags::ACK, Some(0)));
    assert_eq!(flags("F5."), (TcpFlags::FIN | TcpFlags::ACK, Some(5)));
    for wrong in ["X", "SS", ".8", "E.5", "5", "8."] {
        assert!(script(&format!("+0 > {wrong} 1:1(0)")).is_err(), "{wrong}");
    }
}

#[test]
fn fields_of_a_segment() {
    let tcp = tcp("> P. 1:1001(1000) ack 1 win 257 urg 7 <nop,nop,sack 2:3 4:5,TS val ... ecr 7!,eol>");
    assert_eq!((tcp.seq, tcp.len, tcp.ack, tcp.window, tcp.urgent), (Seq::Mapped(1), 1000, 1, Some(257), 7));
    let expected = [
        TcpOption::Nop,
        TcpOption::Nop,
        TcpOption::Sack(vec![(2, 3), (4, 5)]),
        TcpOption::Timestamps { value: None, echo: 7, absolute: true },
        TcpOption::End,
    ];
    assert_eq!(tcp.options.unwrap(), expected);
    assert_eq!(super::tests::tcp("> . 1:1(0) <...>").options, None);
    assert_eq!(super::tests::tcp("> . 1:1(0)").options, Some(vec![]));
    assert_eq!(super::tests::tcp("> R 5:5(0)!").seq, Seq::Absolute(5));
    assert_eq!(super::tests::tcp("> . ...(10)").seq, Seq::Any);
    assert_eq!(super::tests::tcp("> . 4294967295:4(5)").len, 5);
}

#[test]
fn rare_options() {
    let options = |text: &str| tcp(&format!("> . 1:1(0) <{text}>")).options.unwrap();
    let cookie = vec![0x12, 0x34];
    assert_eq!(
        options("FO 1234,nop"),
        [TcpOption::FastOpen { experimental: false, cookie: cookie.clone() }, TcpOption::Nop]
    );
    assert_eq!(options("FOEXP"), [TcpOption::FastOpen { experimental: true, cookie: vec![] }]);
    assert_eq!(options("unknown 200 1234"), [TcpOption::Other(200, cookie)]);
    let counters = vec![1, 0, 2];
    let acc_ecn = TcpOption::AccEcn { kind: 174, prefix: None, counters: counters.clone() };
    assert_eq!(options("ECN e1b 1 ceb 0 e0b 2"), std::slice::from_ref(&acc_ecn));
    assert_eq!(options("AccECN1 ee1b 1 eceb 0 ee0b 2"), [acc_ecn]);
    assert_eq!(
        options("exp-AccECN0 ee0b 1 eceb 0 ee1b 2"),
        [TcpOption::AccEcn { kind: 254, prefix: Some(0xacc0), counters }]
    );
}

#[test]
fn headers_ports_and_other_protocols() {
    let p = packet("> (tos 0x10, ttl 5, flowlabel 0xfffff) 40000 > 80 . 1:1(0)");
    assert_eq!((p.tos, p.ttl, p.flow_label, p.ports), (Tos::Byte(16), Some(5), Some(0xf_ffff), Some((40_000, 80))));
    assert_eq!(packet("> [ect01] . 1:1(0)").tos, Tos::Ect01);
    assert_eq!(packet("< [ce] . 1:1(0)").tos, Tos::Ecn(Ecn::Ce));
    assert_eq!(packet("< (dscp af11, ecn ect0, hlim 3) . 1:1(0)").tos, Tos::Dscp(10, Some(Ecn::Ect0)));
    let udp = packet("< udp 5 > 6 (1000)");
    assert_eq!((udp.direction, udp.ports, udp.body), (Direction::In, Some((5, 6)), Body::Udp(1000)));
    let Body::Icmp(icmp) = packet("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").body else { panic!() };
    assert_eq!((icmp.kind.as_str(), icmp.code.as_deref(), icmp.mtu), ("unreachable", Some("frag_needed"), Some(1200)));
    assert_eq!(icmp.quoted, Some(Quoted::Tcp(1, 1460)));
    let Body::Icmp(icmp) = packet("< [4294967295:4294967295(0)] icmp time_exceeded ttl_exceeded_in_transit").body
    else {
        panic!()
    };
    assert_eq!((icmp.kind.as_str(), icmp.quoted), ("time_exceeded", Some(Quoted::Tcp(u32::MAX, 0))));
    assert!(script("+0 < [1:1(0)] . 1:1(0)").is_err());
    assert_eq!(packet("> (class 0x20, hlim 4) . 1:1(0)").tos, Tos::Byte(32));
    let two = actions("+0 > icmp echo_reply id 7\n+0 < icmp unreachable [udp (5)]\n0 > icmp 3 4");
    assert_eq!(two.len(), 3);
}

#[test]
fn arguments() {
    let text = "+0 sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {\"ab\" \"c\"..., 5}], msg_flags=0}, MSG_EOR|MSG_MORE) = 15 (a note)";
    let Action::Call(call) = actions(text).remove(0) else { panic!() };
    let message = &call.arguments[1];
    let Some(Expr::List(parts)) = message.field("msg_iov") else { panic!() };
    let Expr::Struct(_, part) = &parts[1] else { panic!() };
    assert_eq!(part[0].value, Expr::TextAndMore(b"abc".to_vec()));
    assert!(matches!(&call.arguments[2], Expr::Or(names) if names.len() == 2));
    let Action::Call(call) =
        actions("+0 f({sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"1.2.3.4\")}, [], 0x10) = ...")
            .remove(0)
    else {
        panic!()
    };
    assert!(matches!(call.arguments[0].field("sin_port"), Some(Expr::Apply(_, name, _)) if name == "htons"));
    assert_eq!((&call.arguments[1], &call.result), (&Expr::List(vec![]), &Expr::Any));
}

#[test]
fn mistakes_say_where_and_what() {
    let mistakes = [
        "",
        "+1 close(3) = 0",
        "+0 close(3)",
        "+0 close(3 = 0",
        "+0 > S 0:5(4)",
        "+0 < . 1:1(0) <...>",
        "+0 > S 0:0(0) <mss 70000>",
        "+0 > S 0:0(0) <mass 1>",
        "* < S 0:0(0)",
        "0~1 close(3) = 0",
        "+0 close(3) = 0\n2~1 > S 0:0(0)",
        "+0 close(3) = 0\n`a`\n+0 close(4) = 0",
        "+0 > ipv4 1.2.3.4 > 5.6.7.8: . 1:1(0)",
        "--mtu=1\n+0 close(3) = 0",
        "--wire_server\n+0 close(3) = 0",
        "--nonsense\n+0 close(3) = 0",
        "--ip_version=ipv5\n+0 close(3) = 0",
        "+0 %{ assert 1",
        "+0 \"text\"",
        "close(3) = 0",
    ];
    let lines: Vec<_> = mistakes.iter().map(|text| format!("{text:?}\n    {}", script(text).unwrap_err())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_error_is_shown_with_its_line() {
    let source = Source::new("a.pkt", "+0 socket(..., SOCK_STREAM, 0) = 3\n+0 bind(3, ..., ... = 0\n");
    let error = parse(&source, &Defines::new()).unwrap_err();
    insta::assert_snapshot!(source.show(&error));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = script(&text);
    }

    #[test]
    fn no_shuffled_script_makes_it_panic(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..40),
        joined in any::<bool>(),
    ) {
        let _ = script(&parts.join(if joined { "" } else { " " }));
    }
}

const PARTS: &[&str] = &[
    "+0",
    "0.1",
    "*",
    "~",
    "<",
    ">",
    "S",
    ".",
    "1:1(0)",
    "ack",
    "1",
    "win",
    "mss",
    "TS val 1 ecr 2",
    "sack 1:2",
    "FO",
    "...",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "|",
    "socket",
    "-1",
    "EAGAIN",
    "\"a\"",
    "`b`",
    "%{ c }%",
    "icmp",
    "udp",
    "#ifdef A\n",
    "#endif\n",
    "--mtu=1500",
    "\n",
    "é",
    "0x1",
    "!",
    "ECN e0b 1",
    "md5 valid",
];
