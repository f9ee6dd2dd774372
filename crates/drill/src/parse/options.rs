//! `--name=value` at the beginning of a script.
//!
//! Each option has a meaning here, or is refused with the reason. Those that say how much is printed, or what the shell of
//! another machine is like, change nothing that a script can see.

use std::net::IpAddr;

use bowline_posix::Profile;

use super::Parser;
use crate::lex::{Defines, Kind, Token};
use crate::script::{IpVersion, Options};
use crate::source::{Place, ScriptError};

/// What the script itself defines.
pub(super) fn definitions(tokens: &[Token]) -> Result<Defines, ScriptError> {
    let mut defines = Defines::new();
    for token in tokens {
        let Kind::Option { name, value } = &token.kind else { break };
        if name == "define" || name == "D" {
            let (name, value) = value
                .as_deref()
                .and_then(|value| value.split_once('='))
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| ScriptError::new(token.place, "a definition is written `--define=NAME=value`"))?;
            defines.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(defines)
}

/// The options of a script, but for its definitions.
pub(super) fn options(parser: &mut Parser) -> Result<Options, ScriptError> {
    let mut options = Options::default();
    while let Some(Kind::Option { name, value }) = parser.peek() {
        let (name, value) = (name.clone(), value.clone());
        set(&mut options, &name, Value { name: &name, text: value.as_deref(), place: parser.place() })?;
        parser.at += 1;
    }
    Ok(options)
}

fn set(options: &mut Options, name: &str, value: Value<'_>) -> Result<(), ScriptError> {
    match name {
        "profile" => {
            let profiles: Option<Vec<_>> = value.text()?.split(',').map(Profile::from_name).collect();
            options.profiles = Some(profiles.ok_or_else(|| value.wrong("bowline, linux, freebsd, or two of them"))?);
        }
        "ip_version" => {
            let version = IpVersion::from_name(value.text()?);
            options.ip_version = Some(version.ok_or_else(|| value.wrong("ipv4, ipv6 or ipv4-mapped-ipv6"))?);
        }
        "bind_port" => options.bind_port = value.number(1, 65_535)? as u16,
        "connect_port" => options.connect_port = value.number(1, 65_535)? as u16,
        "local_ip" => options.local_ip = Some(value.address()?),
        "remote_ip" => options.remote_ip = Some(value.address()?),
        "mss" => options.mss = Some(value.number(1, 65_535)? as u16),
        "mtu" => options.mtu = Some(value.number(68, 65_535)? as u16),
        "tolerance_usecs" => options.tolerance = value.number(0, 3_600_000_000)?,
        "tolerance_percent" => options.tolerance_permille = value.permille()?,
        "tcp_ts_tick_usecs" => options.ts_tick = Some(value.number(0, 1_000_000)?).filter(|tick| *tick > 0),
        "tcp_ts_ecr_scaled" => options.ts_ecr_scaled = value.flag()?,
        "strict_segments" => options.strict_segments = value.flag()?,
        "dry_run" => options.dry_run = value.flag()?,
        "tcp_md5_secret" => options.md5_secret = Some(value.text()?.to_owned()),
        "is_anyip" => options.anyip = value.flag()?,
        "non_fatal" => {
            for part in value.text()?.split([',', ' ']).filter(|part| !part.is_empty()) {
                match part {
                    "packet" => options.non_fatal_packet = true,
                    "syscall" => options.non_fatal_call = true,
                    _ => return Err(value.wrong("packet, syscall or both")),
                }
            }
        }
        "init_scripts" => options.init_scripts.extend(value.text()?.split(',').map(str::to_owned)),
        "code_format" if !matches!(value.text()?, "python") => return Err(value.wrong("python")),
        "code_sockopt" if !matches!(value.text()?, "" | "TCP_INFO") => {
            return Err(value.wrong("TCP_INFO: nothing else can be asserted about"));
        }
        // Which interpreter there is elsewhere, which device, and how much is printed: the same here. Every neighbour is behind the
        // device.
        "code_format" | "code_sockopt" | "define" | "D" => {}
        "code_command" | "tun_dev" => drop(value.text()?),
        "gateway_ip" | "netmask_ip" => drop(value.address()?),
        "speed" => drop(value.number(0, u64::MAX)?),
        "debug" | "verbose" | "send_omit_free" | "persistent_tun_dev" => drop(value.flag()?),
        _ => return Err(value.refused()),
    }
    Ok(())
}

/// An option's value, and what to say about it.
#[derive(Clone, Copy)]
struct Value<'a> {
    name: &'a str,
    text: Option<&'a str>,
    place: Place,
}

impl<'a> Value<'a> {
    fn text(&self) -> Result<&'a str, ScriptError> {
        match self.text {
            Some(text) => Ok(text.trim_matches('"')),
            None => Err(ScriptError::new(self.place, format!("--{0} needs a value: `--{0}=…`", self.name))),
        }
    }

    fn wrong(&self, expected: &str) -> ScriptError {
        let text = self.text.unwrap_or_default();
        ScriptError::new(self.place, format!("`{text}` is no value of --{}: it takes {expected}", self.name))
    }

    fn number(&self, min: u64, max: u64) -> Result<u64, ScriptError> {
        let number = self.text()?.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| self.wrong(&format!("a number from {min} to {max}")))
    }

    fn permille(&self) -> Result<u32, ScriptError> {
        let percent: Option<f64> = self.text()?.parse().ok();
        let percent = percent.filter(|percent| (0.0..=100_000.0).contains(percent));
        percent.map(|percent| (percent * 10.0) as u32).ok_or_else(|| self.wrong("a percentage"))
    }

    fn address(&self) -> Result<IpAddr, ScriptError> {
        let text = self.text()?;
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: Option<IpAddr> = address.parse().ok();
        let is_prefix = |bits: &str, address: IpAddr| {
            bits.parse::<u8>().is_ok_and(|bits| bits <= if address.is_ipv4() { 32 } else { 128 })
        };
        address
            .filter(|address| prefix.is_none_or(|bits| is_prefix(bits, *address)))
            .ok_or_else(|| self.wrong("an address"))
    }

    fn flag(&self) -> Result<bool, ScriptError> {
        match self.text {
            None => Ok(true),
            Some(_) => Err(ScriptError::new(self.place, format!("--{} takes no value", self.name))),
        }
    }

    /// Why there is no such option.
    fn refused(&self) -> ScriptError {
        let why = match self.name {
            name if name.starts_with("wire_") => "is for two machines with a wire between them; here is none",
            "so_filename" | "so_flags" => "is for a library that stands for the kernel; this stack is built in",
            name if name.contains("udp_encaps") => "is for SCTP, which the stack does not have",
            _ => "is no option that is known here",
        };
        ScriptError::new(self.place, format!("--{} {why}", self.name))
    }
}
