use std::time::Duration;

use bowline_tcp::{Cookies, EcnMode, EcnOption, OpenErrors, Profile};

use super::{Change, FIXED, Refused, Sysctls};
use crate::abi::Errno;
use crate::host::HostConfig;

fn sysctls() -> Sysctls {
    Sysctls::new(HostConfig::new(Profile::FreeBsd))
}

#[test]
fn what_the_stack_has_is_set() {
    let mut sysctls = sysctls();
    assert_eq!(sysctls.set("net.inet.tcp.rfc1323", "0"), Ok(Change::Sockets));
    assert_eq!(sysctls.set("net.ipv4.tcp_rmem", "4096 10000 20000"), Ok(Change::Sockets));
    assert_eq!(sysctls.set("net.inet.tcp.msl", "500"), Ok(Change::Host));
    assert_eq!(sysctls.set("net.ipv4.tcp_keepalive_time", "5"), Ok(Change::Sockets));
    let options = &sysctls.config.stack.tcp.options;
    assert!(!options.timestamps && !options.window_scaling);
    assert_eq!((options.receive_buffer, options.receive_buffer_max), (5000, 10_000));
    assert_eq!(sysctls.config.stack.tcp.time_wait, Duration::from_secs(1));
    assert_eq!(sysctls.keep.idle, Duration::from_secs(5));
    sysctls.reset();
    assert!(sysctls.config.stack.tcp.options.timestamps);
    assert_eq!(sysctls.keep.idle, Duration::from_secs(7200));
}

#[test]
fn what_opens_do_is_set() {
    let mut sysctls = sysctls();
    assert_eq!(sysctls.config.stack.tcp.options.ecn_retries, 1);
    for (name, value) in [
        ("net.inet.tcp.ecn.enable", "0"),
        ("net.inet.tcp.ecn.maxretries", "3"),
        ("net.inet.tcp.icmp_may_rst", "0"),
        ("net.inet.tcp.keepinit", "15000"),
        ("kern.ipc.maxsockbuf", "4294967295"),
    ] {
        assert_eq!(sysctls.set(name, value), Ok(Change::Sockets), "{name}");
    }
    let options = &sysctls.config.stack.tcp.options;
    assert_eq!((options.ecn, options.ecn_when_asked, options.ecn_retries), (EcnMode::Off, EcnMode::Off, 3));
    assert_eq!((options.open_errors, options.window_shift), (OpenErrors::Nothing, Some(14)));
    assert_eq!(sysctls.open_patience, Some(Duration::from_secs(15)));
    assert_eq!(sysctls.set("kern.ipc.maxsockbuf", "2097152"), Ok(Change::Sockets));
    assert_eq!(sysctls.config.stack.tcp.options.window_shift, Some(6), "65535 << 5 is less");
    sysctls.reset();
    assert_eq!(sysctls.config.stack.tcp.options.open_errors, OpenErrors::Hard);
    assert_eq!(sysctls.open_patience, Some(Duration::from_secs(75)));
}

#[test]
fn what_freebsd_can_do_without_is_done_without() {
    let mut sysctls = sysctls();
    for (name, value) in
        [("net.inet.tcp.delayed_ack", "0"), ("net.inet.tcp.tolerate_missing_ts", "1"), ("net.inet.tcp.syncookies", "0")]
    {
        assert_eq!(sysctls.set(name, value), Ok(Change::Sockets), "{name}");
    }
    let options = &sysctls.config.stack.tcp.options;
    assert_eq!((options.delayed_ack, options.lax_timestamps), (Duration::ZERO, true));
    assert_eq!(options.syn_cookies, Cookies::Never);
    for (name, value, used) in [
        ("net.inet.tcp.syncookies_only", "0", Cookies::Never),
        ("net.inet.tcp.syncookies_only", "1", Cookies::Always),
        ("net.inet.tcp.syncookies", "1", Cookies::Always),
        ("net.inet.tcp.syncookies_only", "0", Cookies::WhenFull),
    ] {
        assert_eq!(sysctls.set(name, value), Ok(Change::Sockets), "{name}");
        assert_eq!(sysctls.config.stack.tcp.options.syn_cookies, used, "{name} {value}");
    }
    assert_eq!(sysctls.set("net.inet.tcp.delayed_ack", "1"), Ok(Change::Sockets));
    assert_eq!(sysctls.config.stack.tcp.options.delayed_ack, Duration::from_millis(40));
}

#[test]
fn what_it_does_not_have_is_an_error_unless_it_is_so_anyway() {
    let mut sysctls = sysctls();
    assert_eq!(sysctls.set("net.inet.tcp.blackhole", "0"), Ok(Change::Same));
    assert_eq!(sysctls.set("net.inet.tcp.hostcache.purgenow", "1"), Ok(Change::WithoutEffect));
    assert_eq!(sysctls.set("net.ipv4.tcp_rfc1337", "0"), Ok(Change::Same));
    assert_eq!(sysctls.set("net.ipv4.tcp_rfc1337", "1"), Ok(Change::WithoutEffect));
    let error = sysctls.set("net.inet.tcp.blackhole", "1").unwrap_err();
    assert_eq!(error.to_string(), "the stack behaves as with net.inet.tcp.blackhole=0, and has no 1");
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    let refused = |name: &str, value| Sysctls::new(HostConfig::default()).set(name, value).unwrap_err();
    assert_eq!(refused("net.ipv4.tcp_nonsense", "1"), Refused::Unknown("net.ipv4.tcp_nonsense".to_owned()));
    assert_eq!(refused("net.ipv4.tcp_sack", "many").errno(), Errno::EINVAL);
}

#[test]
fn what_a_host_is_made_of_cannot_be_set_later() {
    let mut sysctls = sysctls();
    let refused = sysctls.set_later("net/inet/tcp/msl", "500").unwrap_err();
    assert_eq!(refused.errno(), Errno::EPERM);
    assert!(sysctls.said().is_empty() && sysctls.config.stack.tcp.time_wait != Duration::from_secs(1));
    assert_eq!(sysctls.set_later("/proc/sys/net/inet/tcp/rfc1323", " 0 "), Ok(Change::Sockets));
    assert_eq!(sysctls.said(), [("net.inet.tcp.rfc1323".to_owned(), "0".to_owned())]);
    sysctls.reset();
    assert!(sysctls.said().is_empty());
}

#[test]
fn every_name_stands_once() {
    for (index, (name, _)) in FIXED.iter().enumerate() {
        assert!(!FIXED[..index].iter().any(|(other, _)| other == name), "{name}");
    }
}

#[test]
fn ecn_is_set_by_the_numbers_of_either_system() {
    use EcnMode::{Accurate, Classic, Off};
    let ecn = |sysctls: &Sysctls| {
        let options = &sysctls.config.stack.tcp.options;
        (options.ecn, options.ecn_when_asked)
    };
    let mut linux = Sysctls::new(HostConfig::new(Profile::Linux));
    for (mode, expected) in [
        ("0", (Off, Off)),
        ("1", (Classic, Classic)),
        ("2", (Off, Classic)),
        ("3", (Accurate, Accurate)),
        ("4", (Classic, Accurate)),
        ("5", (Off, Accurate)),
    ] {
        assert_eq!(linux.set("net.ipv4.tcp_ecn", mode), Ok(Change::Sockets));
        assert_eq!(ecn(&linux), expected, "tcp_ecn={mode}");
    }
    assert!(linux.set("net.ipv4.tcp_ecn", "6").is_err());
    for (policy, expected) in
        [("0", EcnOption::Never), ("1", EcnOption::OnChange), ("2", EcnOption::Always), ("3", EcnOption::Persistently)]
    {
        assert_eq!(linux.set("net.ipv4.tcp_ecn_option", policy), Ok(Change::Sockets));
        assert_eq!(linux.config.stack.tcp.options.ecn_option, expected, "tcp_ecn_option={policy}");
    }
    assert_eq!(linux.set("net.ipv4.tcp_ecn_option_beacon", "1"), Ok(Change::Sockets));
    assert_eq!(linux.set("net.ipv4.tcp_ecn_fallback", "0"), Ok(Change::Sockets));
    let options = &linux.config.stack.tcp.options;
    assert_eq!((options.ecn_option_beacon, options.ecn_fallback), (1, false));
    let mut freebsd = sysctls();
    for (mode, expected) in [("1", (Classic, Classic)), ("3", (Accurate, Accurate)), ("4", (Off, Accurate))] {
        assert_eq!(freebsd.set("net.inet.tcp.ecn.enable", mode), Ok(Change::Sockets));
        assert_eq!(ecn(&freebsd), expected, "ecn.enable={mode}");
    }
    assert!(freebsd.set("net.inet.tcp.ecn.enable", "5").is_err());
}
