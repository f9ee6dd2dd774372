//! What `--diagram` and `--pcap` show, and whether tshark agrees.

use std::fs;
use std::path::Path;

use crate::support::servers::Nginx;
use crate::support::{bowline, folder, needs, random_file, shell};

const BAD: &str = "--loss 5% --delay 5ms --reorder 2% --duplicate 1% --seed 5";

/// What tshark says about the packets of a file that `filter` picks, a line each.
fn tshark(file: &Path, filter: &str) -> String {
    let script = "exec tshark -r $FILE -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
                  -Y \"$FILTER\" 2>$FILE.errors";
    let seen = shell(script).env("FILE", file).env("FILTER", filter).env("HOME", "/nonexistent").within(60).run();
    let complaint = fs::read_to_string(format!("{}.errors", file.display())).unwrap();
    assert!(seen.status.success() && !complaint.contains("tshark: "), "{complaint}");
    seen.stdout
}

#[test]
fn the_diagram_shows_handshake_retransmissions_and_the_close() {
    needs!("curl", "nginx");
    let folder = folder();
    random_file(&folder.path().join("data"), 300_000);
    let nginx = Nginx::start(folder.path());
    let url = format!("http://host.bowline.internal:{}/data", nginx.port);
    let options = format!("{BAD} --diagram");
    let run = bowline(&options, &["curl", "-4", "-sS", "-o", "/dev/null", &url]).run();
    run.assert_success();
    let text = &run.stderr;
    for wanted in ["SYN", "SYN-RECEIVED", "ESTABLISHED", "FIN", "wscale", "sackOK", "retransmi"] {
        assert!(text.to_lowercase().contains(&wanted.to_lowercase()), "no {wanted} in\n{text}");
    }
}

#[test]
fn tshark_reads_every_packet_of_a_capture_without_complaint() {
    needs!("curl", "nginx", "tshark");
    let folder = folder();
    random_file(&folder.path().join("data"), 2_000_000);
    let nginx = Nginx::start(folder.path());
    for (name, impairment) in [("clean", ""), ("bad", BAD)] {
        let file = folder.path().join(format!("{name}.pcapng"));
        for family in ["-4", "-6"] {
            let url = format!("http://host.bowline.internal:{}/data", nginx.port);
            let options = format!("-q {impairment} --pcap {}", file.display());
            bowline(&options, &["curl", family, "-sS", "-o", "/dev/null", &url]).run().assert_success();
            let all = tshark(&file, "frame");
            assert!(all.lines().count() > 20, "{all}");
            let wrong = "_ws.malformed || tcp.checksum.status == Bad || ip.checksum.status == Bad || \
                         udp.checksum.status == Bad || _ws.expert.severity == error || frame.cap_len < frame.len";
            assert_eq!(tshark(&file, wrong), "", "{name} {family}");
            let handshake = tshark(&file, "tcp.flags.syn == 1 && tcp.options.sack_perm && tcp.options.wscale");
            assert!(handshake.lines().count() >= 2, "{all}");
            let ends = tshark(&file, "tcp.flags.fin == 1");
            assert!(ends.lines().count() >= 2, "{all}");
            let comments = tshark(&file, "frame.comment");
            assert!(!comments.is_empty(), "{name} {family}: no comments");
        }
    }
}
