//! Commands between backticks: what configures the stack, or asks for its state, is done here without a shell.
//!
//! Decides which commands there are. Whatever is not among them is an error that says so: a script whose command was passed
//! over would test something else. Settings are those of [`Sysctls`](bowline_posix::Sysctls).

use bowline_base::Instant;
use bowline_posix::{Change, Host};
use bowline_tcp::State;

use super::{Failure, Runner};
use crate::script::Command;

mod setkey;

/// What the commands of suites are called that set everything to its default.
const DEFAULTS: [&str; 3] = ["defaults.sh", ".defaults.sh", "defaults"];

/// What ends a list of commands.
const ENDS: [&str; 2] = [";", "\n"];
/// What stands between the commands of a list: the next one if the last has worked, and if it has not.
const LINKS: [&str; 2] = ["&&", "||"];

impl Runner<'_> {
    /// Carries out a command line.
    pub(super) fn command(&mut self, command: &Command) -> Result<(), Failure> {
        let text = command.text.replace("\\\n", " ");
        self.log.note(self.now_micros(), format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" ")));
        for part in split(&uncommented(&text), &ENDS) {
            self.list(&part).map_err(|error| Failure::new(command.place, error))?;
        }
        Ok(())
    }

    /// `COMMAND && COMMAND || COMMAND`: from the left to the right, as a shell does it. A command that is left out changes nothing
    /// of what the last one has said.
    fn list(&mut self, list: &str) -> Result<(), String> {
        let mut outcome = Ok(());
        for (link, one) in linked(list) {
            if link.is_none_or(|link| (link == "&&") == outcome.is_ok()) {
                let words = words(&computed(&one)?)?;
                outcome = self.simple(&words).map_err(|error| format!("`{}`: {error}", one.trim()));
            }
        }
        outcome
    }

    /// One command, which may be a pipeline.
    fn simple(&mut self, words: &[String]) -> Result<(), String> {
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !is_redirection(word)).collect();
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        let program = name.rsplit('/').next().unwrap_or(name);
        match (program, arguments) {
            (program, _) if DEFAULTS.contains(&program) => self.defaults(name),
            // each run has a host of its own: there is nothing to restore, and no metrics are kept
            (program, _) if program.starts_with("sysctl_restore") || program == "cleanup" => Ok(()),
            ("ip", ["tcp_metrics", "flush", which @ ..]) => self.flush_metrics(which),
            // there are no disks to write to
            ("true" | ":" | "sync", []) => Ok(()),
            ("false", []) => Err("it fails, which is all that it does".to_owned()),
            ("sysctl", arguments) => self.sysctl(arguments),
            ("set_sysctls.py" | "set_sysctls", arguments) => {
                arguments.iter().try_for_each(|argument| self.set(argument))
            }
            ("echo", [value @ .., ">", path]) if path.starts_with("/proc/sys/") || path.starts_with("/sys/module/") => {
                self.set(&format!("{path}={}", value.join(" ")))
            }
            ("sleep", [seconds]) => self.sleep(seconds),
            ("sockstat", arguments) => self.sockstat(arguments),
            ("tcpdrop", arguments) => self.tcpdrop(arguments),
            ("ethtool", ["-K", _, features @ ..]) => self.offloads(features),
            ("ifconfig", [_, "mtu", mtu]) | ("ip", ["link", "set", "dev", _, "mtu", mtu]) => self.set_mtu(mtu),
            ("ip", ["route" | "ro" | "r" | "-6" | "-4", ..]) => {
                Err("routes have no settings of their own here: no initcwnd, quickack or other metric".to_owned())
            }
            // first in, first out, and nothing waits: as it is here
            ("tc", ["qdisc", "add" | "replace", "dev", _, "root", "pfifo" | "pfifo_fast" | "noqueue"]) => Ok(()),
            ("tc", ["qdisc", "add" | "replace", "dev", _, "root", "fq"]) => self.set("net.core.default_qdisc=fq"),
            ("tc", _) => Err("there is no queue in front of the device: tc has nothing to set".to_owned()),
            ("rm", arguments) => self.files.remove(arguments),
            ("dd", arguments) => self.files.fill(arguments),
            // signatures are always there; each run has a host of its own, and keys end with it
            ("kldstat", ["-q", "-m", "tcpmd5"]) | ("kldload", ["tcpmd5"]) | ("setkey", ["-F" | "-FP"]) => Ok(()),
            ("echo", [keys, "|", "setkey", "-c"]) => setkey::setkey(keys, self.script.options.md5_secret.as_deref()),
            ("nstat", arguments) => self.nstat(arguments),
            ("grep", [" 0A ", "/proc/net/tcp", "/proc/net/tcp6", "|", "grep", port]) => self.expect_listener(port),
            ("ss" | "netstat", _) => Err(format!("{program} prints, and nobody would read it")),
            _ => Err("no shell runs here, and nothing here knows this command".to_owned()),
        }
    }

    /// What a suite begins its scripts with: all as it was, and then the commands of the file, where it lies beside the script
    /// and has only such as are known here.
    fn defaults(&mut self, name: &str) -> Result<(), String> {
        let path = self.script.folder.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let parts = split(&uncommented(&text), &ENDS);
        if parts.iter().flat_map(|part| linked(part)).any(|(_, one)| is_defaults(&one)) {
            return Err(format!("{} calls itself", path.display()));
        }
        self.sysctls.reset();
        self.is_suites = true;
        for part in parts {
            self.list(&part).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        self.apply_sysctls()
    }

    fn sysctl(&mut self, arguments: &[&str]) -> Result<(), String> {
        let settings: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        if settings.is_empty() {
            return Err("which setting? `sysctl name=value`".to_owned());
        }
        // a value with blanks in quotes is one word; without an equals sign it only prints
        settings.into_iter().filter(|setting| setting.contains('=')).try_for_each(|setting| self.set(setting))
    }

    /// `name=value`, the name with points or as a path.
    fn set(&mut self, setting: &str) -> Result<(), String> {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("{setting} sets nothing: `name=value`"))?;
        let is_there = self.world.is_some();
        let change = if is_there { self.sysctls.set_later(name, value) } else { self.sysctls.set(name, value) };
        if change.map_err(|refused| refused.to_string())? == Change::WithoutEffect {
            self.without_effect.extend(self.sysctls.said().last().map(|(name, _)| name.clone()));
        }
        self.apply_sysctls()
    }

    fn apply_sysctls(&mut self) -> Result<(), String> {
        match &mut self.world {
            Some(world) => world.apply(&self.sysctls),
            None => Ok(()),
        }
    }

    /// The host, and what its clock shows.
    pub(super) fn inside(&mut self) -> Result<(&mut Host, Instant), String> {
        let world = self.world();
        let now = world.now();
        world.host().map(|host| (host, now)).ok_or_else(|| "this door does not let commands in".to_owned())
    }

    /// Whether somebody listens on a port, which is written as in `/proc/net/tcp`: `:1F90`.
    fn expect_listener(&mut self, port: &str) -> Result<(), String> {
        let number = port.strip_prefix(':').and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| format!("{port} is no port of /proc/net/tcp"))?;
        let (host, now) = self.inside()?;
        let found = host.stack().tcp().listeners(now).iter().any(|listener| listener.port == Some(number));
        if found { Ok(()) } else { Err(format!("nobody listens on port {number}")) }
    }

    fn sleep(&mut self, seconds: &str) -> Result<(), String> {
        let seconds: f64 = seconds.parse().map_err(|_| format!("{seconds} is no time"))?;
        if !(0.0..1e6).contains(&seconds) {
            return Err(format!("{seconds} s is no time to sleep"));
        }
        let until = self.now_micros() + (seconds * 1e6) as u64;
        let until = self.world().at(until);
        self.world().pass(until);
        Ok(())
    }

    /// `ip tcp_metrics flush [all | ADDRESS]`: what was learnt of servers.
    fn flush_metrics(&mut self, which: &[&str]) -> Result<(), String> {
        let server = match which {
            [] | ["all"] => None,
            [address] => Some(address.parse().map_err(|_| format!("{address} is no address"))?),
            _ => return Err("one address, or all".to_owned()),
        };
        if self.world.is_some() {
            self.inside()?.0.stack_mut().tcp_mut().forget_fast_open_cookies(server);
        }
        Ok(())
    }

    /// `sockstat … | grep packetdril | grep -c TIME_WAIT | grep 1`: how many sockets are in a state.
    fn sockstat(&mut self, arguments: &[&str]) -> Result<(), String> {
        let pipeline: Vec<_> = arguments.split(|word| *word == "|").collect();
        let is_v4 = pipeline.first().and_then(|words| match (words.contains(&"-4"), words.contains(&"-6")) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        });
        let mut wanted = None;
        let mut count_wanted = None;
        for filter in pipeline.iter().skip(1) {
            match filter {
                ["grep", word] if word.starts_with("packetdril") => {}
                ["grep", "-c", state] | ["grep", "-q", state] | ["grep", state] if wanted.is_none() => {
                    wanted = Some(state_named(state)?);
                }
                ["grep", count] => count_wanted = Some(count.parse::<usize>().map_err(|_| format!("grep {count}?"))?),
                _ => return Err("sockstat is followed by `grep -c STATE` and `grep COUNT` here".to_owned()),
            }
        }
        let Some(wanted) = wanted else { return Err("which state? `sockstat | grep -c TIME_WAIT`".to_owned()) };
        let count = self.world().count_in(wanted, is_v4)?;
        let holds = count_wanted.map_or(count > 0, |wanted| count == wanted);
        if holds { Ok(()) } else { Err(format!("{count} in {wanted}; {}", self.states().unwrap_or_default())) }
    }

    fn states(&mut self) -> Result<String, String> {
        let (host, now) = self.inside()?;
        let connections = host.stack().tcp().connections(now);
        let states: Vec<_> = connections.iter().map(|info| info.state.to_string()).collect();
        Ok(if states.is_empty() {
            "there is no connection".to_owned()
        } else {
            format!("connections are in {}", states.join(", "))
        })
    }

    /// Aborts all connections, those in a state, or the one between two ends.
    fn tcpdrop(&mut self, arguments: &[&str]) -> Result<(), String> {
        let state = match arguments {
            ["-a"] => None,
            ["-s", state] | ["-a", "-s", state] => Some(state_named(state)?),
            [_, local, _, remote] => {
                let (local, remote) = (local.parse::<u16>(), remote.parse::<u16>());
                let (Ok(local), Ok(remote)) = (local, remote) else { return Err("ports are numbers".to_owned()) };
                return self.drop_where(|info| (info.tuple.local.port(), info.tuple.remote.port()) == (local, remote));
            }
            _ => return Err("tcpdrop takes -a, -s STATE, or two addresses with their ports".to_owned()),
        };
        self.drop_where(|info| state.is_none_or(|state| info.state == state))
    }

    fn drop_where(&mut self, is_meant: impl Fn(&bowline_tcp::Info) -> bool) -> Result<(), String> {
        let (host, now) = self.inside()?;
        let connections = host.stack().tcp().connections(now);
        for key in connections.iter().filter(|info| is_meant(info)).filter_map(|info| info.key) {
            host.stack_mut().tcp_mut().abort(now, key);
        }
        self.world().settle();
        Ok(())
    }

    /// `tso off gso off`: whether super-segments leave whole.
    fn offloads(&mut self, features: &[&str]) -> Result<(), String> {
        for pair in features.chunks(2) {
            match pair {
                ["tso" | "gso", "on" | "off"] => {
                    self.set_host(|host| host.super_segments = pair.get(1) == Some(&"on"))?;
                }
                ["gro" | "lro", "off"] => {}
                _ => return Err(format!("the device has no {}", pair.join(" "))),
            }
        }
        Ok(())
    }

    fn set_mtu(&mut self, mtu: &str) -> Result<(), String> {
        let mtu = mtu.parse().ok().filter(|mtu| *mtu >= 68).ok_or_else(|| format!("{mtu} is no MTU"))?;
        self.set_host(|host| host.mtu = mtu)
    }

    fn set_host(&mut self, change: impl FnOnce(&mut bowline_posix::HostConfig)) -> Result<(), String> {
        if self.world.is_some() {
            return Err("the device can only be changed before the first socket".to_owned());
        }
        change(&mut self.sysctls.config);
        Ok(())
    }
}

fn state_named(name: &str) -> Result<State, String> {
    bowline_posix::state_named(name).ok_or_else(|| format!("{name} is no state of a connection"))
}

/// Whether a command runs a suite's defaults.
fn is_defaults(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    DEFAULTS.contains(&program.rsplit('/').next().unwrap_or(program))
}

/// Whether a word sends output or errors nowhere, which is where they go here anyway.
fn is_redirection(word: &str) -> bool {
    ["2>&1", ">/dev/null", "2>/dev/null", "1>/dev/null", "&>/dev/null"].contains(&word)
}

/// A shell's text without its comments, which begin where a word would.
fn uncommented(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quote, mut is_comment, mut before) = (None, false, '\n');
    for character in text.chars() {
        match (quote, character) {
            (_, '\n') if is_comment => is_comment = false,
            _ if is_comment => continue,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') if before.is_whitespace() || before == ';' => {
                is_comment = true;
                continue;
            }
            _ => {}
        }
        before = character;
        kept.push(character);
    }
    kept
}

/// A command with its `$((…))` computed.
fn computed(text: &str) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$((") {
        let (sum, after) = after.split_once("))").ok_or_else(|| "a sum in this command does not end".to_owned())?;
        let value = crate::code::Interpreter::default().run(&format!("print({sum})"), &());
        done.push_str(before);
        done.push_str(value.map_err(|error| format!("$(({sum})): {}", error.message))?.concat().trim());
        rest = after;
    }
    Ok(done + rest)
}

/// The commands of a list, each with what links it to the one before.
fn linked(list: &str) -> Vec<(Option<&'static str>, String)> {
    separated(list, &LINKS)
}

/// Splits a text at each of these separators outside of quotes.
fn split(text: &str, separators: &[&'static str]) -> Vec<String> {
    separated(text, separators).into_iter().map(|(_, part)| part).collect()
}

/// The same, each part with the separator before it.
fn separated(text: &str, separators: &[&'static str]) -> Vec<(Option<&'static str>, String)> {
    let (mut parts, mut quote, mut rest) = (vec![(None, String::new())], None, text);
    loop {
        let after = separators.iter().find_map(|separator| Some((*separator, rest.strip_prefix(separator)?)));
        if let Some((separator, after)) = after.filter(|_| quote.is_none()) {
            parts.push((Some(separator), String::new()));
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        let Some(character) = characters.next() else { return parts };
        rest = characters.as_str();
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            _ => {}
        }
        if let Some((_, last)) = parts.last_mut() {
            last.push(character);
        }
    }
}

/// Splits a command into words; quotes hold blanks, `|` and `>` stand alone.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '|') => {
                words.extend(word.take());
                words.push("|".to_owned());
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote in this command does not end".to_owned());
    }
    words.extend(word);
    if let Some(at) = words.iter().position(|word| word == "|")
        && words.get(at + 1).is_some_and(|word| word == "|")
    {
        return Err("`||` is not known here".to_owned());
    }
    // `> /dev/null` in two words
    while let Some(at) = words.windows(2).position(|pair| pair[0].ends_with('>') && pair[1] == "/dev/null") {
        words.drain(at..at + 2);
    }
    Ok(words)
}

#[cfg(test)]
mod tests;
