//! Backslashes in strings.

/// Resolves C's escapes: `\n`, `\t`, `\r`, `\0`, `\x41`; any other sign stands for itself.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((letter, after)) = rest.split_first() else { break };
        rest = after;
        match letter {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'0' => out.push(0),
            b'x' => {
                let hex = rest.iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
                let (digits, after) = rest.split_at(hex);
                rest = after;
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                out.push(u8::from_str_radix(digits, 16).unwrap_or_default());
            }
            other => out.push(*other),
        }
    }
    out
}
