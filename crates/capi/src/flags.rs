//! What a host is made of, as text: `profile=linux,local=192.168.0.1,mtu=1500`.

use std::net::IpAddr;

use bowline_posix::{Abi, HostConfig, Profile};

/// A host's configuration. `None` and an empty text give the default profile.
///
/// | flag | value | default |
/// |---|---|---|
/// | `profile` | `bowline`, `linux` or `freebsd` | `bowline` |
/// | `local` | an address of ours; may be given more than once | 192.168.0.1 and fd3d:0a0b:17d6::1 |
/// | `mtu` | of the link, in bytes, 68 to 65535 | 1500 |
/// | `gso` | `on` or `off`: whether super-segments leave whole | as the profile's system |
/// | `pacing` | `on` or `off`: whether a window leaves spread over a round trip | `off`, as of a kernel whose queueing discipline does not |
pub(crate) fn parse(flags: &str) -> Result<HostConfig, String> {
    let pairs = flags.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    let pairs: Vec<(&str, &str)> = pairs.map(|flag| flag.split_once('=').unwrap_or((flag, ""))).collect();
    let profile = pairs.iter().rev().find(|(name, _)| *name == "profile");
    let profile = profile.map_or(Ok(Profile::default()), |(_, name)| {
        Profile::from_name(name).ok_or_else(|| format!("no profile is called {name:?}: bowline, linux, freebsd"))
    })?;
    // The program on the other side is compiled for this system, whatever the stack behaves like.
    let mut config = HostConfig { abi: Abi::Linux, ..HostConfig::new(profile) };
    config.stack.tcp.options.pacing = false;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (name, value) in pairs {
        match name {
            "profile" => {}
            "local" => addresses.push(value.parse().map_err(|_| format!("local={value} is no IP address"))?),
            "mtu" => {
                let mtu = value.parse().ok().filter(|mtu| *mtu >= 68);
                config.mtu = mtu.ok_or_else(|| format!("mtu={value} is not between 68 and 65535"))?;
            }
            "gso" => config.super_segments = switch(name, value)?,
            "pacing" => config.stack.tcp.options.pacing = switch(name, value)?,
            _ => return Err(format!("no flag is called {name:?}: profile, local, mtu, gso, pacing")),
        }
    }
    // Given ones come first; of a version that is not given, there is still the default.
    let versions: Vec<bool> = addresses.iter().map(IpAddr::is_ipv4).collect();
    addresses.extend(config.addresses.iter().filter(|default| !versions.contains(&default.is_ipv4())));
    config.addresses = addresses;
    Ok(config)
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{name}={value} is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_make_a_configuration() {
        let config = parse("profile=freebsd, local=10.0.0.1,local=2001:db8::1,mtu=1280,").unwrap_or_default();
        assert_eq!((config.profile, config.abi, config.mtu), (Profile::FreeBsd, Abi::Linux, 1_280));
        assert_eq!(
            config.addresses,
            ["10.0.0.1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap_or(IpAddr::from([0; 4])))
        );
        assert!(!config.super_segments);
        assert!(parse("gso=on,profile=freebsd").is_ok_and(|config| config.super_segments));
        for (flags, paced) in [("", false), ("pacing=on", true), ("pacing=on,pacing=off", false)] {
            assert!(parse(flags).is_ok_and(|config| config.stack.tcp.options.pacing == paced), "{flags}");
        }
        let only_v6 = parse("local=2001:db8::1").unwrap_or_default();
        assert_eq!(only_v6.addresses.len(), 2, "the default for IPv4 stays");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for flags in
            ["profile=windows", "local=nowhere", "mtu=10", "mtu=x", "gso=maybe", "pacing=2", "speed=1", "linux"]
        {
            let said = parse(flags).err().unwrap_or_default();
            assert!(!said.is_empty(), "{flags}");
        }
    }
}
