//! What FreeBSD's `setkey` is asked for by scripts about signed segments (RFC 2385): keys for both directions between two addresses.
//!
//! Decides only whether the key is the one that the script has named, `--tcp_md5_secret`: a host has one for all its peers here.

/// `echo 'add SRC DST tcp SPI -A tcp-md5 "KEY" ; …' | setkey -c`
pub(super) fn setkey(text: &str, secret: Option<&str>) -> Result<(), String> {
    let statements = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    for statement in statements {
        let words: Vec<_> = statement.split_whitespace().collect();
        let key = match *words {
            ["add", _, _, "tcp", _, "-A", "tcp-md5", key] => key.trim_matches('"'),
            ["flush" | "spdflush"] => continue,
            _ => {
                return Err(format!(
                    "setkey knows `add SRC DST tcp SPI -A tcp-md5 \"KEY\"` here, and not `{statement}`"
                ));
            }
        };
        if secret != Some(key) {
            return Err(format!("the key \"{key}\" is not that of --tcp_md5_secret, which is for all peers here"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::setkey;

    #[test]
    fn the_key_is_that_of_the_script() {
        let add = "add 192.168.0.1 192.0.2.1 tcp 0x1000 -A tcp-md5 \"secret\" ;\n \
                   add 192.0.2.1 192.168.0.1 tcp 0x1001 -A tcp-md5 \"secret\" ;";
        assert_eq!(setkey(add, Some("secret")), Ok(()));
        assert!(setkey(add, Some("other")).is_err());
        assert!(setkey(add, None).is_err());
        assert!(setkey("add 192.168.0.1 192.0.2.1 esp 1 -E null \"\"", Some("secret")).is_err());
        assert_eq!(setkey("flush;", None), Ok(()));
    }
}
