//! A network namespace with a TUN, one side of which is the kernel's.

use std::process::Command;

use bowline::Net;
use bowline_device::tun::TunConfig;
use bowline_device::{Device, Tun};

const INSIDE: &str = "BOWLINE_TEST_IN_NAMESPACE";

/// Runs `test` in a network namespace with a TUN, whose other side is ours.
pub(crate) fn in_namespace(name: &str, test: impl AsyncFnOnce(Net)) {
    if std::env::var_os(INSIDE).is_none() {
        let root = rustix::process::geteuid().is_root();
        let mut unshare = Command::new("unshare");
        unshare.args(if root { &["-n"][..] } else { &["-rn"] });
        let possible = unshare.arg("test").args(["-c", "/dev/net/tun", "-a", "-w", "/dev/net/tun"]).status();
        if !possible.is_ok_and(|status| status.success()) {
            println!("skipped: no network namespace of our own, or no /dev/net/tun; run as root");
            return;
        }
        let status = Command::new("unshare")
            .args(if root { &["-n"][..] } else { &["-rn"] })
            .arg(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(INSIDE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let tun = Tun::open(&TunConfig::default()).unwrap();
        let name = tun.name().to_owned();
        let capabilities = tun.capabilities();
        let commands =
            ["link set lo up", "addr add 10.9.0.1/24 dev TUN", "addr add fd09::1/64 dev TUN nodad", "link set TUN up"];
        for command in commands {
            let words = command.replace("TUN", &name);
            let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2 is installed");
            assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        }
        println!("{name}: {capabilities:?}");
        let net = Net::builder()
            .device(tun)
            .addresses(["10.9.0.2/24".parse().unwrap(), "fd09::2/64".parse().unwrap()])
            .start()
            .unwrap();
        test(net).await;
    });
}
