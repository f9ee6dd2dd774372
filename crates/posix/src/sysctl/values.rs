//! What the values of settings mean: numbers of modes, lists of sizes, keys.

use core::time::Duration;

use bowline_tcp::{Algorithm, Cookies, EcnMode, EcnOption, FastOpenKeys, MtuProbing, Options, Profile};

/// A value as an administrator writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a>(pub(super) &'a str);

impl Value<'_> {
    pub(super) fn number(self) -> Option<u64> {
        self.0.parse().ok()
    }

    pub(super) fn small(self) -> Option<u8> {
        self.0.parse().ok()
    }

    pub(super) fn size(self) -> Option<u32> {
        self.0.parse().ok()
    }

    pub(super) fn flag(self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    pub(super) fn seconds(self) -> Option<Duration> {
        self.number().map(Duration::from_secs)
    }

    pub(super) fn millis(self) -> Option<Duration> {
        self.number().map(Duration::from_millis)
    }
}

/// The smallest shift with which a window of this many bytes can be announced, as FreeBSD chooses it for the largest buffer.
pub(super) fn shift_for(most: u32) -> u8 {
    (0..14).find(|&shift| u32::from(u16::MAX) << shift >= most).unwrap_or(14)
}

/// The ECN that is asked for, and the most that is agreed to, by the number that systems have for both.
pub(super) fn ecn_modes(mode: u8, is_freebsd: bool) -> Option<(EcnMode, EcnMode)> {
    use EcnMode::{Accurate, Classic, Off};
    Some(match (mode, is_freebsd) {
        (0, _) => (Off, Off),
        (1, _) => (Classic, Classic),
        (2, _) => (Off, Classic),
        (3, _) => (Accurate, Accurate),
        (4, false) => (Classic, Accurate),
        (4, true) | (5, false) => (Off, Accurate),
        _ => return None,
    })
}

/// Linux's `tcp_ecn_option`.
pub(super) const fn ecn_option(policy: u8) -> Option<EcnOption> {
    match policy {
        0 => Some(EcnOption::Never),
        1 => Some(EcnOption::OnChange),
        2 => Some(EcnOption::Always),
        3 => Some(EcnOption::Persistently),
        _ => None,
    }
}

/// FreeBSD's `keepinit`.
pub(super) fn open_patience(profile: Profile) -> Option<Duration> {
    (profile == Profile::FreeBsd).then_some(Duration::from_secs(75))
}

/// `a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4`: words, as a little-endian host reads them; a second key behind a comma.
pub(super) fn fast_open_keys(text: &str) -> Option<FastOpenKeys> {
    let key = |text: &str| {
        let words: Option<Vec<[u8; 4]>> =
            text.split('-').map(|word| u32::from_str_radix(word, 16).ok().map(u32::to_le_bytes)).collect();
        <[u8; 16]>::try_from(words?.concat()).ok()
    };
    match text.split_once(',') {
        None => key(text).map(FastOpenKeys::new),
        Some((primary, backup)) => Some(FastOpenKeys::with_backup(key(primary)?, key(backup)?)),
    }
}

pub(super) fn cookies(mode: u8) -> Option<Cookies> {
    [Cookies::Never, Cookies::WhenFull, Cookies::Always].get(usize::from(mode)).copied()
}

pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "reno" | "newreno" => Some(Algorithm::NewReno),
        "cubic" => Some(Algorithm::Cubic),
        "bbr" => Some(Algorithm::Bbr),
        _ => None,
    }
}

/// `first last`.
pub(super) fn ports(value: Value<'_>) -> Option<(u16, u16)> {
    let ports: Option<Vec<u16>> = value.0.split_whitespace().map(|port| port.parse().ok()).collect();
    let Some([first, last]) = ports.as_deref() else { return None };
    Some((*first, *last))
}

pub(super) fn mtu_probing(mode: &str) -> Option<MtuProbing> {
    match mode {
        "0" => Some(MtuProbing::Off),
        "1" => Some(MtuProbing::BlackHole),
        "2" => Some(MtuProbing::Always),
        _ => None,
    }
}

/// A segment size; Linux takes none below 48 (`TCP_MIN_SND_MSS`).
pub(super) fn least_mss(value: Value<'_>) -> Option<u16> {
    value.number().and_then(|size| u16::try_from(size).ok()).filter(|size| *size >= 48)
}

/// `least default most`, of which Linux gives half to data of the receive queue.
pub(super) fn memory(value: Value<'_>, options: &mut Options, is_receive: bool) -> Option<()> {
    let sizes: Option<Vec<u32>> = value.0.split_whitespace().map(|size| size.parse().ok()).collect();
    let Some([_, default, most]) = sizes.as_deref() else { return None };
    if is_receive {
        options.receive_buffer = default / 2;
        options.receive_buffer_max = *most / 2;
        options.window_shift = Some(most.max(&1).ilog2().saturating_sub(15).min(14) as u8);
    } else {
        (options.send_buffer_first, options.send_buffer) = (*default, *most);
    }
    Some(())
}
