//! The contents of the program's private `/etc/resolv.conf` and `/etc/hosts`: the host's, with our names and our
//! name server in place.

use std::fmt::Write as _;

use crate::addresses::{DNS_V4, DNS_V6, HOST_NAME, HOST_V4, HOST_V6, PAGE_NAME, PAGE_V4, PAGE_V6};

/// A resolver configuration with the gateway as the name server, and the host's search list and options.
pub(super) fn resolv_conf(host: &str, ipv6: bool) -> String {
    let mut out = format!("# bowline: asks the host's name server by way of the gateway\nnameserver {DNS_V4}\n");
    if ipv6 {
        let _ = writeln!(out, "nameserver {DNS_V6}");
    }
    for line in host.lines() {
        let keyword = line.split_whitespace().next().unwrap_or_default();
        if matches!(keyword, "search" | "domain" | "options" | "sortlist") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The host's table of names with the gateway's names added.
pub(super) fn hosts(host: &str, ipv6: bool) -> String {
    let mut out = String::with_capacity(host.len() + 256);
    out.push_str(host);
    if !host.is_empty() && !host.ends_with('\n') {
        out.push('\n');
    }
    let _ = write!(out, "# bowline\n{HOST_V4}\t{HOST_NAME}\n{PAGE_V4}\t{PAGE_NAME}\n");
    if ipv6 {
        let _ = write!(out, "{HOST_V6}\t{HOST_NAME}\n{PAGE_V6}\t{PAGE_NAME}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_servers_go_and_its_search_list_stays() {
        let host = "# by hand\nnameserver 192.0.2.1\nsearch example.org\n  options ndots:2\nnameserver 192.0.2.2";
        assert_eq!(
            resolv_conf(host, true),
            "# bowline: asks the host's name server by way of the gateway\nnameserver 10.0.2.3\nnameserver fd00::3\n\
             search example.org\n  options ndots:2\n"
        );
        assert!(!resolv_conf(host, false).contains("fd00"));
    }

    #[test]
    fn our_names_follow_the_hosts_even_without_a_last_newline() {
        assert_eq!(
            hosts("127.0.0.1 localhost", true),
            "127.0.0.1 localhost\n# bowline\n10.0.2.2\thost.bowline.internal\n10.0.2.4\tbowline.internal\n\
             fd00::2\thost.bowline.internal\nfd00::4\tbowline.internal\n"
        );
        assert_eq!(hosts("", false), "# bowline\n10.0.2.2\thost.bowline.internal\n10.0.2.4\tbowline.internal\n");
    }
}
