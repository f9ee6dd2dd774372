//! The inner namespaces: how a command gets behind each gateway.

use std::path::Path;
use std::time::Duration;

use super::Gateway;
use super::host::SETTINGS;
use crate::Result;
use crate::process::{self, Background};

const SHORT: Duration = Duration::from_secs(10);

/// A place behind a gateway, for the length of a turn.
#[derive(Debug)]
pub(super) struct Room {
    /// What comes before a command that runs inside.
    enter: Vec<String>,
    /// Where the host's servers are, seen from inside.
    pub(super) server: &'static str,
    /// The gateway, then the process that keeps the namespace: ended in this order.
    _processes: Vec<Background>,
}

impl Room {
    pub(super) fn open(gateway: &Gateway, scratch: &Path) -> Result<Self> {
        match gateway {
            Gateway::None => Ok(Self { enter: Vec::new(), server: "127.0.0.1", _processes: Vec::new() }),
            Gateway::Bowline { exe, options } => {
                let exe = exe.to_str().ok_or("the path of bowline is not UTF-8")?;
                let enter = [exe, "run"].into_iter().map(str::to_owned).chain(options.iter().cloned());
                let enter = enter.chain(std::iter::once("--".to_owned())).collect();
                Ok(Self { enter, server: "10.0.2.2", _processes: Vec::new() })
            }
            Gateway::Slirp4netns { mtu } => {
                let (keeper, pid) = process::keeper()?;
                let (mtu, namespace) = (format!("--mtu={mtu}"), format!("/proc/{pid}/ns/net"));
                let words = ["slirp4netns", "--configure", &mtu, "--netns-type=path", &namespace, "tap0"];
                Self::attached(keeper, &words, "10.0.2.2")
            }
            Gateway::Pasta { mtu } => {
                // pasta gives up the right to look into /proc of others, so it gets the namespace as a file.
                let (keeper, pid) = process::keeper()?;
                let file = scratch.join(format!("namespace-{pid}"));
                std::fs::write(&file, "")?;
                let file = file.to_str().ok_or("the temporary folder is not UTF-8")?;
                process::output(&["mount", "--bind", &format!("/proc/{pid}/ns/net"), file], SHORT)?;
                let mtu = mtu.to_string();
                let words =
                    ["pasta", "--config-net", "-4", "--foreground", "-m", &mtu, "--netns-only", "--netns", file];
                let room = Self::attached(keeper, &words, "198.18.0.1");
                // pasta has the namespace open by now, or never will.
                process::output(&["umount", "--lazy", file], SHORT)?;
                room
            }
        }
    }

    /// Starts a gateway for the namespace that `keeper` keeps, and waits for its default route.
    fn attached(keeper: Background, words: &[&str], server: &'static str) -> Result<Self> {
        let pid = keeper.id().to_string();
        let mut gateway = Background::start(words)?;
        process::wait_until("a default route behind the gateway", SHORT, || {
            if gateway.has_ended() {
                return Err(format!("`{}` ended", words.join(" ")).into());
            }
            let routes = process::output(&["nsenter", "-t", &pid, "-n", "ip", "-4", "route"], SHORT)?;
            Ok(routes.lines().any(|line| line.starts_with("default ")))
        })?;
        let enter = ["nsenter", "-t", &pid, "-n"].map(str::to_owned).to_vec();
        Ok(Self { enter, server, _processes: vec![gateway, keeper] })
    }

    /// Runs a command inside, to its end.
    pub(super) fn run(&self, words: &[&str], limit: Duration) -> Result<String> {
        let mut script = String::new();
        for (name, value) in SETTINGS {
            script.push_str(&format!("echo {value} >/proc/sys/net/ipv4/{name} || exit; "));
        }
        script.push_str("exec \"$@\"");
        let mut all: Vec<&str> = self.enter.iter().map(String::as_str).collect();
        all.extend(["sh", "-c", script.as_str(), "sh"]);
        all.extend(words);
        process::output(&all, limit)
    }
}
