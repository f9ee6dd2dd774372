//! Bytes that arrive as they were sent: through nginx and nc, on a clean link and on a bad one, both ways, over IPv4 and
//! IPv6.

use std::fs;

use crate::support::servers::{Nginx, free_port, wait_until_listening};
use crate::support::{bowline, folder, needs, random_file, sha256, shell};

/// What every host is called inside, by family.
const HOSTS: [(&str, &str, &str); 2] = [("-4", "10.0.2.2", "127.0.0.1"), ("-6", "fd00::2", "::1")];

/// Fetches `len` bytes from nginx and sends them to nc, over IPv4 and IPv6, through `options`.
fn both_ways(options: &str, len: u64, seconds: u64) {
    let folder = folder();
    let data = folder.path().join("data");
    random_file(&data, len);
    let sum = sha256(&data);
    let nginx = Nginx::start(folder.path());
    for (family, inside, outside) in HOSTS {
        let url = format!("http://host.bowline.internal:{}/data", nginx.port);
        let run = bowline(options, &["sh", "-c", "curl \"$0\" -sS \"$1\" | sha256sum", family, &url]);
        let down = run.within(seconds).run();
        assert_eq!(down.stdout.split_whitespace().next(), Some(sum.as_str()), "down {family}\n{}", down.stderr);

        let arrived = folder.path().join("arrived");
        let port = free_port();
        let listen = shell("exec nc.openbsd -lN $ADDRESS $PORT > $FILE").env("FILE", &arrived).env("ADDRESS", outside);
        let server = listen.env("PORT", port.to_string()).within(seconds).start();
        wait_until_listening(port);
        let send = "exec nc.openbsd -N \"$0\" \"$1\" < \"$2\"";
        let words = ["sh", "-c", send, inside, &port.to_string(), data.to_str().unwrap()];
        let up = bowline(options, &words).within(seconds).run();
        up.assert_success();
        server.wait().assert_success();
        assert_eq!(fs::metadata(&arrived).unwrap().len(), len, "up {family}\n{}", up.stderr);
        assert_eq!(sha256(&arrived), sum, "up {family}\n{}", up.stderr);
    }
}

#[test]
fn a_clean_link_carries_256_mib_each_way() {
    needs!("curl", "nginx", "nc.openbsd");
    both_ways("", 256 << 20, 120);
}

#[test]
fn a_bad_link_carries_4_mib_each_way() {
    needs!("curl", "nginx", "nc.openbsd");
    both_ways("--loss 2% --delay 10ms --reorder 2% --duplicate 1% --corrupt 0.5% --seed 1", 4 << 20, 120);
}

#[test]
fn a_slow_link_with_bursts_of_loss_carries_1_mib_each_way() {
    needs!("curl", "nginx", "nc.openbsd");
    both_ways("--loss 1%/25% --delay 5ms --jitter 2ms --rate 20mbit --mtu 1280 --seed 2", 1 << 20, 120);
}
