//! What `--diagram` and `--pcap` show, and whether tshark agrees.

use std::fs;
use std::path::Path;

use crate::support::servers::Nginx;
use crate::support::{bowline, folder, needs, random_file, shell};

const BAD: &str = "--loss 5% --delay 5ms --reorder 2% --duplicate 1% --seed 5";

/// What is asked of tshark about each packet.
const FIELDS: [&str; 6] = [
    "_ws.malformed",
    "tcp.checksum.status",
    "ip.checksum.status",
    "_ws.expert.severity",
    "tcp.flags.str",
    "frame.comment",
];

/// tshark's word for an error among its remarks.
const ERROR: &str = "8388608";

/// What tshark says about each packet of a file, in the order of [`FIELDS`]. What goes by `port` is just data.
fn tshark(file: &Path, port: u16) -> Vec<Vec<String>> {
    let fields = FIELDS.map(|field| format!("-e {field}")).join(" ");
    // Packets are looked at, not HTTP messages: putting those together, tshark 4.0 was seen to call a retransmission an
    // error ("new fragment overlaps old data") although each byte was that of the first copy, and one packet in 65,536 of random
    // text begins with what it takes for an empty line and an error ("leading CRLF").
    let script = format!(
        "exec tshark -r $FILE -n -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -o tcp.desegment_tcp_streams:FALSE \
         -d tcp.port=={port},data -T fields -E separator='|' {fields} 2> $FILE.errors"
    );
    let seen = shell(&script).env("FILE", file).within(60).run();
    let complaint = fs::read_to_string(format!("{}.errors", file.display())).unwrap();
    assert!(seen.status.success() && !complaint.contains("tshark: "), "{complaint}");
    seen.stdout.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

#[test]
fn a_capture_on_a_full_disk_ends_with_a_whole_packet() {
    needs!("curl", "tshark");
    let folder = folder();
    let script = "mount -t tmpfs -o size=64k none $DIR; \
                  $BOWLINE run -q --pcap $DIR/full -- sh -c \"$FETCH\"; \
                  exec tshark -r $DIR/full -n -T fields -e ip.proto";
    let fetch = "for n in $(seq 40); do curl -4 -sS -o /dev/null http://bowline.internal/; done";
    let host = "exec unshare -Urm sh -ec \"$SCRIPT\"";
    let run = shell(host).env("SCRIPT", script).env("FETCH", fetch).env("DIR", folder.path()).within(60).run();
    run.assert_success();
    assert!(
        run.stderr.contains("No space left on device") && run.stderr.contains("the capture ends here"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("cut short"), "{}", run.stderr);
    assert!(run.stdout.lines().count() > 50, "{}", run.stdout);
}

#[test]
fn the_diagram_shows_handshake_retransmissions_and_the_close() {
    needs!("curl", "nginx");
    let folder = folder();
    random_file(&folder.path().join("data"), 100_000);
    let nginx = Nginx::start(folder.path());
    let url = format!("http://host.bowline.internal:{}/data", nginx.port);
    for family in ["-4", "-6"] {
        let run = bowline(&format!("{BAD} --diagram"), &["curl", family, "-sS", "-o", "/dev/null", &url]).run();
        run.assert_success();
        let text = &run.stderr;
        for wanted in [
            "SYN seq 0",
            "SYN,ACK seq 0 ack 1",
            "mss 14",
            "wscale",
            "sack",
            "ts",
            "SYN-RECEIVED → ESTABLISHED",
            "CLOSED",
        ] {
            assert!(text.contains(wanted), "no {wanted} in\n{text}");
        }
        for wanted in ["lost on the way", "believed lost", "retransmission: ", "FIN,ACK"] {
            assert!(text.contains(wanted), "no {wanted} in\n{text}");
        }
    }
}

#[test]
fn tshark_reads_every_packet_of_a_capture_without_complaint() {
    needs!("curl", "nginx", "tshark");
    let folder = folder();
    random_file(&folder.path().join("data"), 1_000_000);
    let nginx = Nginx::start(folder.path());
    for (name, impairment) in [("clean", ""), ("bad", BAD)] {
        for family in ["-4", "-6"] {
            let file = folder.path().join(format!("{name}{family}.pcapng"));
            let url = format!("http://host.bowline.internal:{}/data", nginx.port);
            let options = format!("-q {impairment} --pcap {}", file.display());
            bowline(&options, &["curl", family, "-sS", "-o", "/dev/null", &url]).run().assert_success();
            let packets = tshark(&file, nginx.port);
            assert!(packets.len() > 20, "{packets:?}");
            for packet in &packets {
                let [malformed, tcp, ip, severity, flags, _] = &packet[..] else { panic!("{packet:?}") };
                assert!(malformed.is_empty() && !severity.contains(ERROR), "{packet:?}");
                assert_eq!((tcp.as_str(), ip.is_empty() || ip == "1"), ("1", true), "{packet:?}");
                assert!(!flags.is_empty(), "{packet:?}");
            }
            let with = |what: &str| packets.iter().filter(|packet| packet[4].contains(what)).count();
            assert!(with("S") >= 2 && with("F") >= 2, "{packets:?}");
            let accepted = packets.iter().any(|packet| packet[5].contains("answer to SYN"));
            assert!(accepted, "{packets:?}");
            let again = packets.iter().any(|packet| packet[5].contains("retransmission"));
            assert_eq!(again, name == "bad", "{packets:?}");
        }
    }
}
