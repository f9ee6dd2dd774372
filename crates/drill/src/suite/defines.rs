//! Names that scripts may use without anybody's defining them.
//!
//! The profile's, for `#ifdef`; and the Fast Open cookies that the runner of Linux's suite defines for each version of IP: what a
//! host with the suite's addresses makes of the suite's key, and of one of zeros.

use std::net::SocketAddr;

use bowline_posix::Profile;
use bowline_tcp::{FastOpenKeys, FourTuple};

use super::Plan;
use crate::lex::Defines;
use crate::script::{IpVersion, Options};

/// Words of the key that `defaults.sh` of Linux's suite sets.
const SUITES_KEY: [u32; 4] = [0xa1a1_a1a1, 0xb2b2_b2b2, 0xc3c3_c3c3, 0xd4d4_d4d4];

/// What is defined in this version; the command line's go first.
pub(super) fn of(plan: &Plan, version: IpVersion) -> Defines {
    let mut defines = plan.defines.clone();
    let cookies = [("TFO_COOKIE", SUITES_KEY), ("TFO_COOKIE_ZERO", [0; 4])];
    let cookies = cookies.map(|(name, words)| (name, cookie(words, version)));
    for (name, value) in cookies.into_iter().chain([(name_of(plan.profile), String::new())]) {
        defines.entry(name.to_owned()).or_insert(value);
    }
    defines
}

/// What `#ifdef` asks for to tell profiles apart: `FreeBSD` is what that system's own suite calls it.
const fn name_of(profile: Profile) -> &'static str {
    match profile {
        Profile::Bowline => "Bowline",
        Profile::Linux => "Linux",
        Profile::FreeBsd => "FreeBSD",
    }
}

/// The cookie of a client with the default address, in hexadecimal digits.
fn cookie(words: [u32; 4], version: IpVersion) -> String {
    let options = Options::default();
    let [local, remote] = [options.local(version), options.remote(version)].map(|ip| SocketAddr::new(ip, 0));
    let mut key = [0; 16];
    key.copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
    FastOpenKeys::new(key).cookie(&FourTuple::new(local, remote)).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookies_are_those_of_linuxs_runner() {
        let cookies = |version| {
            let defines = of(&Plan::default(), version);
            ["TFO_COOKIE", "TFO_COOKIE_ZERO"].map(|name| defines[name].clone())
        };
        assert_eq!(cookies(IpVersion::V4), ["3021b9d889017eeb", "b7c12350a90dc8f5"]);
        assert_eq!(cookies(IpVersion::Mapped), ["3021b9d889017eeb", "b7c12350a90dc8f5"]);
        assert_eq!(cookies(IpVersion::V6), ["c1d1e9742a47a9bc", "82af1a8f9a205c34"]);
    }

    #[test]
    fn the_command_line_goes_first() {
        let mut plan = Plan { profile: Profile::Linux, ..Plan::default() };
        plan.defines.insert("TFO_COOKIE".to_owned(), "00".to_owned());
        let defines = of(&plan, IpVersion::V4);
        assert_eq!(defines["TFO_COOKIE"], "00");
        assert!(defines.contains_key("Linux") && !defines.contains_key("Bowline"));
    }
}
