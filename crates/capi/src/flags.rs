//! What a host is made of, as text: `profile=linux,local=192.168.0.1,mtu=1500`.

use std::net::IpAddr;

use bowline_posix::{Abi, HostConfig, Profile, Sysctls};

/// A host's configuration. An empty text gives the default profile.
///
/// | flag | value | default |
/// |---|---|---|
/// | `profile` | `bowline`, `linux` or `freebsd` | `bowline` |
/// | `local` | an address of ours; may be given more than once | 192.168.0.1 and fd3d:0a0b:17d6::1 |
/// | `anyip` | `on` or `off`: whether every other unicast address is ours, too | `on` |
/// | `mtu` | of the link, in bytes, 68 to 65535 | 1500 |
/// | `gso` | `on` or `off`: whether super-segments leave whole | as the profile's system |
/// | `pacing` | `on` or `off`: whether a window leaves spread over a round trip | `off`, as of a kernel whose queueing discipline does not |
/// | `sysctl.NAME` | as `sysctl NAME=VALUE` has it, by Linux's or FreeBSD's names: `sysctl.net.ipv4.tcp_rmem=4096 87380 600000` | as the profile's system |
///
/// A part without `=` goes on with the value before it: a value may have commas.
pub(crate) fn parse(flags: &str) -> Result<Sysctls, String> {
    let pairs = pairs(flags);
    let profile = pairs.iter().rev().find(|(name, _)| *name == "profile");
    let profile = profile.map_or(Ok(Profile::default()), |(_, name)| {
        Profile::from_name(name).ok_or_else(|| format!("no profile is called {name:?}: bowline, linux, freebsd"))
    })?;
    // The program on the other side is compiled for this system, whatever the stack behaves like.
    let mut sysctls = Sysctls::new(HostConfig { abi: Abi::Linux, ..HostConfig::new(profile) });
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (name, value) in &pairs {
        let config = &mut sysctls.config;
        match (*name, value.as_str()) {
            ("profile", _) => {}
            ("local", value) => addresses.push(value.parse().map_err(|_| format!("local={value} is no IP address"))?),
            ("mtu", value) => {
                let mtu = value.parse().ok().filter(|mtu| *mtu >= 68);
                config.mtu = mtu.ok_or_else(|| format!("mtu={value} is not between 68 and 65535"))?;
            }
            ("anyip", value) => config.any_address = switch(name, value)?,
            ("gso", value) => config.super_segments = switch(name, value)?,
            ("pacing", value) => config.stack.tcp.options.pacing = switch(name, value)?,
            (name, value) => match name.strip_prefix("sysctl.") {
                Some(name) => drop(sysctls.set(name, value).map_err(|refused| refused.to_string())?),
                None => {
                    return Err(format!(
                        "no flag is called {name:?}: profile, local, anyip, mtu, gso, pacing, sysctl.NAME"
                    ));
                }
            },
        }
    }
    let config = &mut sysctls.config;
    // Given ones come first; of a version that is not given, there is still the default.
    let versions: Vec<bool> = addresses.iter().map(IpAddr::is_ipv4).collect();
    addresses.extend(config.addresses.iter().filter(|default| !versions.contains(&default.is_ipv4())));
    config.addresses = addresses;
    Ok(sysctls)
}

/// Names and values.
fn pairs(flags: &str) -> Vec<(&str, String)> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for flag in flags.split(',').map(str::trim).filter(|flag| !flag.is_empty()) {
        match (flag.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) => pairs.push((name, value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(flag);
            }
            (None, None) => pairs.push((flag, String::new())),
        }
    }
    pairs
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{name}={value} is neither on nor off")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod tests {
    use super::*;

    #[test]
    fn flags_make_a_configuration() {
        let config = parse("profile=freebsd, local=10.0.0.1,local=2001:db8::1,mtu=1280,").unwrap().config;
        assert_eq!((config.profile, config.abi, config.mtu), (Profile::FreeBsd, Abi::Linux, 1_280));
        assert_eq!(
            config.addresses,
            ["10.0.0.1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap_or(IpAddr::from([0; 4])))
        );
        assert!(!config.super_segments);
        assert!(parse("gso=on,profile=freebsd").is_ok_and(|made| made.config.super_segments));
        for (flags, paced) in [("", false), ("pacing=on", true), ("pacing=on,pacing=off", false)] {
            assert!(parse(flags).is_ok_and(|made| made.config.stack.tcp.options.pacing == paced), "{flags}");
        }
        let only_v6 = parse("local=2001:db8::1").unwrap().config;
        assert_eq!(only_v6.addresses.len(), 2, "the default for IPv4 stays");
    }

    #[test]
    fn a_kernels_settings_are_flags() {
        let made =
            parse("sysctl.net.ipv4.tcp_rmem=4096 8000 20000,sysctl.net.ipv4.tcp_fastopen_key=1-2-3-4,5-6-7-8,mtu=1280");
        let Sysctls { config, .. } = made.unwrap();
        assert_eq!((config.stack.tcp.options.receive_buffer, config.mtu), (4000, 1280));
        // "5-6-7-8" by itself is no flag
        assert!(config.stack.tcp.fast_open.keys.is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for flags in [
            "profile=windows",
            "profile=linux,linux",
            "local=nowhere",
            "mtu=10",
            "mtu=x",
            "gso=maybe",
            "anyip=no",
            "pacing=2",
            "speed=1",
            "linux",
            "sysctl.net.ipv4.tcp_speed=1",
            "sysctl.net.ipv4.tcp_sack=many",
            "sysctl.net.ipv4.tcp_dsack=0",
        ] {
            let said = parse(flags).err().unwrap_or_default();
            assert!(!said.is_empty(), "{flags}");
        }
    }
}
