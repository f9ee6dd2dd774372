//! Names of ICMP's types and codes as scripts write them, for both versions.

/// Type, its name, and its codes with their names.
type Types = &'static [(u8, &'static str, &'static [(u8, &'static str)])];

const V4: Types = &[
    (0, "echo_reply", &[]),
    (
        3,
        "unreachable",
        &[
            (0, "net_unreachable"),
            (1, "host_unreachable"),
            (2, "protocol_unreachable"),
            (3, "port_unreachable"),
            (4, "frag_needed"),
            (5, "source_route_failed"),
            (6, "net_unknown"),
            (7, "host_unknown"),
            (8, "source_host_isolated"),
            (9, "net_prohibited"),
            (10, "host_prohibited"),
            (11, "net_unreachable_for_tos"),
            (12, "host_unreachable_for_tos"),
            (13, "packet_filtered"),
            (14, "precedence_violation"),
            (15, "precedence_cutoff"),
        ],
    ),
    (4, "source_quench", &[]),
    (5, "redirect", &[]),
    (8, "echo_request", &[]),
    (11, "time_exceeded", &[(0, "ttl_exceeded_in_transit"), (1, "frag_reass_exceeded")]),
    (12, "parameter_problem", &[]),
    (13, "timestamp_request", &[]),
    (14, "timestamp_reply", &[]),
    (15, "information_request", &[]),
    (16, "information_reply", &[]),
    (17, "address_mask_request", &[]),
    (18, "address_mask_reply", &[]),
];

/// What routers tell of themselves (RFC 4861 4.2), of the link's MTU too: in an option.
pub const ROUTER_ADVERTISEMENT: u8 = 134;

const V6: Types = &[
    (
        1,
        "unreachable",
        &[
            (0, "no_route"),
            (0, "net_unreachable"),
            (1, "admin_prohibited"),
            (2, "not_neighbour"),
            (3, "address_unreachable"),
            (4, "port_unreachable"),
        ],
    ),
    (2, "packet_too_big", &[]),
    (3, "time_exceeded", &[(0, "exceeded_hop_limit"), (1, "exceeded_frag_time")]),
    (4, "parameter_problem", &[(0, "header_field"), (1, "unknown_next_header"), (2, "unknown_option")]),
    (128, "echo_request", &[]),
    (129, "echo_reply", &[]),
    (133, "router_solicitation", &[]),
    (ROUTER_ADVERTISEMENT, "router_advertisement", &[]),
    (135, "neighbor_solicitation", &[]),
    (136, "neighbor_advertisement", &[]),
    (137, "redirect", &[]),
];

/// The numbers of a type and a code; without a code it is 0.
///
/// # Errors
/// The name that this version of ICMP does not have.
pub fn numbers(is_v4: bool, kind: &str, code: Option<&str>) -> Result<(u8, u8), String> {
    let version = if is_v4 { "ICMPv4" } else { "ICMPv6" };
    let types = if is_v4 { V4 } else { V6 };
    let row = types.iter().find(|(_, name, _)| *name == kind);
    let number = row.map(|row| row.0).or_else(|| number(kind, "type_"));
    let number = number.ok_or_else(|| format!("{version} has no type {kind}"))?;
    let codes = types.iter().find(|row| row.0 == number).map_or(&[][..], |row| row.2);
    let code = match code {
        None => 0,
        Some(code) => codes
            .iter()
            .find(|(_, name)| *name == code)
            .map(|row| row.0)
            .or_else(|| self::number(code, "code_"))
            .ok_or_else(|| format!("{version} has no code {code} of {kind}"))?,
    };
    Ok((number, code))
}

/// A number, perhaps after a word.
fn number(text: &str, prefix: &str) -> Option<u8> {
    text.strip_prefix(prefix).unwrap_or(text).parse().ok()
}

/// How a script would write a type and a code.
#[must_use]
pub fn words(is_v4: bool, kind: u8, code: u8) -> String {
    let types = if is_v4 { V4 } else { V6 };
    let Some((_, name, codes)) = types.iter().find(|row| row.0 == kind) else {
        return format!("type_{kind} code_{code}");
    };
    match codes.iter().find(|row| row.0 == code) {
        Some((_, code)) => format!("{name} {code}"),
        None if code == 0 => (*name).to_owned(),
        None => format!("{name} code_{code}"),
    }
}
