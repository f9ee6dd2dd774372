//! What an administrator sets for a whole host, by the names that Linux and FreeBSD have for it.
//!
//! A setting that the stack has is set. One that it does not have may be set to the system's own default, which is how the
//! stack behaves, and to nothing else: that is an error, and says so. Some may be set to anything, since nothing here depends on
//! them; [`Change::WithoutEffect`] tells of each.

mod fixed;
mod known;
mod values;

use core::fmt;
use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::{FastOpenConfig, Keepalive, Options};

use crate::abi::Errno;
use crate::host::{Host, HostConfig};
use fixed::FIXED;
use values::open_patience;

/// What a setting concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// What new sockets start with, or what all segments are asked about.
    Sockets,
    /// What a host is made of: it is not to be changed once the host is there.
    Host,
    /// Nothing: the stack behaves so anyway.
    Same,
    /// Nothing, whatever the value: nothing in the stack depends on it.
    WithoutEffect,
}

/// Why a setting was not set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Nothing here knows the name.
    Unknown(String),
    /// The value, and the name that it is none of.
    Value(String, String),
    /// The name, how the stack behaves, and the value that it was to have instead.
    Fixed(String, &'static str, String),
    /// The host is there already, and the name is of what hosts are made of.
    Late(String),
}

impl Refused {
    /// What a call of C fails with.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Unknown(_) => Errno::ENOENT,
            Self::Value(..) => Errno::EINVAL,
            Self::Fixed(..) => Errno::EOPNOTSUPP,
            Self::Late(_) => Errno::EPERM,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "nothing here knows the setting {name}"),
            Self::Value(value, name) => write!(f, "{value} is no value of {name}"),
            Self::Fixed(name, is, value) => write!(f, "the stack behaves as with {name}={is}, and has no {value}"),
            Self::Late(name) => {
                write!(f, "{name} is the same for the whole host, and can only be set before the first socket")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// What a host is made of, and what can be set of it before and after.
///
/// ```
/// use bowline_base::Instant;
/// use bowline_posix::{Change, HostConfig, Profile, Sysctls};
///
/// let mut sysctls = Sysctls::new(HostConfig::new(Profile::Linux));
/// assert_eq!(sysctls.set("net.ipv4.tcp_sack", "0"), Ok(Change::Sockets));
/// assert_eq!(sysctls.set("net.ipv4.tcp_dsack", "1"), Ok(Change::Same));
/// assert!(sysctls.set("net.ipv4.tcp_dsack", "0").is_err());
/// let mut host = sysctls.host([7; 32], Instant::ZERO);
/// sysctls.set("net.ipv4.tcp_sack", "1").unwrap();
/// sysctls.put_in_force(&mut host, Instant::ZERO);
/// ```
#[derive(Clone, Debug)]
pub struct Sysctls {
    /// What hosts are made of.
    pub config: HostConfig,
    /// What keepalive is like where a socket asks for it.
    keep: Keepalive,
    /// How long an open may take.
    open_patience: Option<Duration>,
    /// All as it was.
    defaults: (Options, Keepalive, FastOpenConfig),
    said: Vec<(String, String)>,
}

impl Sysctls {
    /// As a host like this has them. Nothing is paced, as on Linux unless the queueing discipline does it.
    #[must_use]
    pub fn new(mut config: HostConfig) -> Self {
        config.stack.tcp.options.pacing = false;
        let options = config.stack.tcp.options.clone();
        let keep = options.keepalive.unwrap_or(Keepalive::profile(config.profile));
        let defaults = (options, keep, config.stack.tcp.fast_open.clone());
        Self { open_patience: open_patience(config.profile), config, keep, defaults, said: Vec::new() }
    }

    /// Sets all that sockets start with as it was.
    pub fn reset(&mut self) {
        let tcp = &mut self.config.stack.tcp;
        (tcp.options, self.keep, tcp.fast_open) = self.defaults.clone();
        self.open_patience = open_patience(self.config.profile);
        self.said.clear();
    }

    /// What was set since the beginning or the last [`reset`](Self::reset), in this order: names and values.
    #[must_use]
    pub fn said(&self) -> &[(String, String)] {
        &self.said
    }

    /// Sets one setting: `net.ipv4.tcp_sack` or `/proc/sys/net/ipv4/tcp_sack`, and a value as the system has it. A module's
    /// parameters are `tcp_cubic.parameters.hystart`, or the path below `/sys/module`.
    ///
    /// # Errors
    /// A name that is not known, a value that is none, or a behaviour that the stack does not have.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Change, Refused> {
        let name = name.trim();
        let name = ["/proc/sys/", "/sys/module/"].iter().find_map(|root| name.strip_prefix(root)).unwrap_or(name);
        let name = name.replace('/', ".");
        let value = value.trim().trim_matches('"');
        let change = self.change(&name, value)?;
        self.said.push((name, value.to_owned()));
        Ok(change)
    }

    /// The same, while a host is there that is made of this.
    ///
    /// # Errors
    /// As of [`set`](Self::set), and what a host is made of.
    pub fn set_later(&mut self, name: &str, value: &str) -> Result<Change, Refused> {
        let mut changed = self.clone();
        let change = changed.set(name, value)?;
        if change == Change::Host {
            return Err(Refused::Late(name.to_owned()));
        }
        *self = changed;
        Ok(change)
    }

    fn change(&mut self, name: &str, value: &str) -> Result<Change, Refused> {
        if let Some(change) = self.known(name, value) {
            return change.ok_or_else(|| Refused::Value(value.to_owned(), name.to_owned()));
        }
        let Some((_, known)) = FIXED.iter().find(|(known, _)| *known == name) else {
            return Err(Refused::Unknown(name.to_owned()));
        };
        // the first is how the stack behaves; what is beside it makes no difference here
        let is = |known: &str| known.split_whitespace().eq(value.split_whitespace());
        match known.split('|').position(|known| known == "*" || is(known)) {
            Some(0) if *known != "*" => Ok(Change::Same),
            Some(_) => Ok(Change::WithoutEffect),
            None => Err(Refused::Fixed(name.to_owned(), known, value.to_owned())),
        }
    }

    /// A host that is made of this. All its randomness comes from `seed`; `now` begins its clock.
    #[must_use]
    pub fn host(&self, seed: [u8; 32], now: Instant) -> Host {
        let mut host = Host::new(self.config.clone(), seed, now);
        self.put_in_force(&mut host, now);
        host
    }

    /// New sockets start with what is set now; what all segments are asked about is in force at once.
    pub fn put_in_force(&self, host: &mut Host, now: Instant) {
        let set = &self.config.stack.tcp;
        let tcp = host.stack_mut().tcp_mut();
        tcp.set_fast_open_policy(set.fast_open.policy);
        if tcp.fast_open_pause() != set.fast_open.pause {
            tcp.set_fast_open_pause(set.fast_open.pause);
        }
        if let Some(keys) = &set.fast_open.keys {
            tcp.set_fast_open_keys(keys.clone());
        }
        host.set_open_patience(self.open_patience);
        host.set_ecn_option(now, set.options.ecn_option, set.options.ecn_option_beacon);
        host.set_defaults(|defaults, keep| {
            *defaults = set.options.clone();
            *keep = self.keep;
        });
    }
}

#[cfg(test)]
mod tests;
