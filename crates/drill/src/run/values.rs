//! Values in calls: names become numbers of the system whose profile runs, `...` becomes what the runner chooses.

use std::net::{IpAddr, SocketAddr};

use bowline_posix::{Abi, Address};

use super::Failure;
use crate::script::{Expr, IpVersion, Options};
use crate::source::Place;

/// What values depend on, beside themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) abi: Abi,
    pub(crate) version: IpVersion,
    pub(crate) options: &'a Options,
    /// The call that has them.
    pub(crate) place: Place,
}

/// Which address `...` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// Ours: `bind`.
    Ours,
    /// The peer's: `connect`, `sendto`.
    Peers,
}

impl Values<'_> {
    pub(crate) fn error<T>(&self, message: impl Into<String>) -> Result<T, Failure> {
        Err(Failure::new(self.place, message))
    }

    /// A number: digits, names, sums of flags.
    pub(crate) fn number(&self, expr: &Expr) -> Result<i64, Failure> {
        match expr {
            Expr::Number(number) => Ok(*number),
            Expr::Word(place, word) => self.name(*place, word),
            Expr::Or(parts) => parts.iter().try_fold(0, |all, part| Ok(all | self.number(part)?)),
            Expr::Apply(_, function, inner) if matches!(function.as_str(), "htons" | "htonl") => self.number(inner),
            Expr::List(list) => match list.as_slice() {
                [one] => self.number(one),
                _ => self.error("a single number is expected here, not a list"),
            },
            Expr::Any => self.error("`...` says no number here"),
            _ => self.error("a number is expected here"),
        }
    }

    fn name(&self, place: Place, word: &str) -> Result<i64, Failure> {
        match word {
            "NULL" => Ok(0),
            // what runners of suites define for each version of IP
            "CMSG_LEVEL_IP" => Ok(if self.version == IpVersion::V4 { 0 } else { 41 }),
            "CMSG_TYPE_RECVERR" => {
                self.name(place, if self.version == IpVersion::V4 { "IP_RECVERR" } else { "IPV6_RECVERR" })
            }
            _ => self.abi.constant(word).ok_or_else(|| {
                Failure::new(place, format!("{} has no {word}, or nothing here knows it", system(self.abi)))
            }),
        }
    }

    pub(crate) fn int(&self, expr: &Expr) -> Result<i32, Failure> {
        // flags are unsigned in scripts, and signed in calls
        let number = self.number(expr)?;
        i32::try_from(number)
            .or_else(|_| u32::try_from(number).map(u32::cast_signed))
            .or_else(|_| self.error(format!("{number} is too large")))
    }

    pub(crate) fn size(&self, expr: &Expr) -> Result<usize, Failure> {
        let number = self.number(expr)?;
        match usize::try_from(number).ok().filter(|size| *size <= MAX_SIZE) {
            Some(size) => Ok(size),
            None => self.error(format!("{number} bytes are no size")),
        }
    }

    /// An address: `...`, `AF_UNSPEC`, or a structure.
    pub(crate) fn address(&self, expr: &Expr, whose: Whose) -> Result<Address, Failure> {
        match expr {
            Expr::Any => Ok(self.default_address(whose).into()),
            Expr::Struct(..) => {
                let field =
                    |name| expr.field(name).ok_or_else(|| Failure::new(self.place, format!("{name} is missing")));
                let family = self.number(field("sa_family")?)?;
                if family == 0 {
                    return Ok(Address::Unspecified);
                }
                let port = self.number(field("sin_port")?)? as u16;
                let ip = self.ip(field("sin_addr")?)?;
                let is_right = self.abi.constant(if ip.is_ipv4() { "AF_INET" } else { "AF_INET6" }) == Some(family);
                if is_right {
                    Ok(SocketAddr::new(ip, port).into())
                } else {
                    self.error("family and address do not match")
                }
            }
            other => match self.number(other)? {
                0 => Ok(Address::Unspecified),
                family => Ok(Address::Other(family as u16)),
            },
        }
    }

    fn ip(&self, expr: &Expr) -> Result<IpAddr, Failure> {
        let Expr::Apply(_, function, inner) = expr else {
            return self.error("an address is written inet_addr(\"192.0.2.1\")");
        };
        let text = match &**inner {
            Expr::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => return self.error("an address is written inet_addr(\"192.0.2.1\")"),
        };
        let address = text.parse().ok().filter(|_| matches!(function.as_str(), "inet_addr" | "inet6_addr"));
        address.map_or_else(|| self.error(format!("{function}(\"{text}\") is no address")), Ok)
    }

    /// The address that the runner chooses, as a socket of this version takes it.
    pub(crate) fn default_address(&self, whose: Whose) -> SocketAddr {
        let (ip, port) = match whose {
            Whose::Ours => (self.options.local(self.version), self.options.bind_port),
            Whose::Peers => (self.options.remote(self.version), self.options.connect_port),
        };
        match ip {
            IpAddr::V4(v4) if self.version == IpVersion::Mapped => SocketAddr::new(v4.to_ipv6_mapped().into(), port),
            ip => SocketAddr::new(ip, port),
        }
    }
}

/// More than a script can want to read or write at once, in bytes.
const MAX_SIZE: usize = 1 << 30;

const fn system(abi: Abi) -> &'static str {
    match abi {
        Abi::Linux => "Linux",
        Abi::FreeBsd => "FreeBSD",
    }
}

/// What stands in packets where a script does not say: a byte for each place of a stream, so that bytes in a wrong place are
/// seen.
pub(crate) fn filler(at: u64, len: usize) -> Vec<u8> {
    (at..).take(len).map(|at| (at % 251) as u8).collect()
}
