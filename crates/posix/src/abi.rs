//! The two interfaces that programs and scripts are written against: which number each name has, and how structs lie in
//! memory. Decides no behaviour: that is the [`Profile`](bowline_tcp::Profile)'s.

mod constants;
mod errno;
pub(crate) mod options;
mod structs;
mod tcp_info;

pub use errno::Errno;
pub use structs::{Address, ControlMessage, Linger};
pub(crate) use structs::{mapped, unmapped};
pub use tcp_info::{Field, TCP_INFO_FREEBSD, TCP_INFO_LINUX};

pub(crate) use structs::{Reader, Writer};
pub(crate) use tcp_info::encode as encode_tcp_info;

/// Whose numbers and layouts the calls take and give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Abi {
    /// Linux on a 64-bit little-endian machine.
    #[default]
    Linux,
    /// FreeBSD on such a machine.
    FreeBsd,
}

impl Abi {
    /// The number of a name that programs and scripts use: `AF_INET`, `SO_RCVBUF`, `MSG_PEEK`, `EAGAIN`, `TCP_CA_Open`…
    /// `None` where this system has no such name, or no call here knows it.
    #[must_use]
    pub fn constant(self, name: &str) -> Option<i64> {
        constants::find(self, name)
            .or_else(|| options::number(self, name).map(i64::from))
            .or_else(|| Errno::from_name(name).map(|errno| i64::from(errno.number(self))))
    }

    /// The fields of `struct tcp_info`, in their order.
    #[must_use]
    pub const fn tcp_info(self) -> &'static [Field] {
        match self {
            Self::Linux => TCP_INFO_LINUX,
            Self::FreeBsd => TCP_INFO_FREEBSD,
        }
    }

    /// The name of a socket option that is taken and changes nothing: `SO_PRIORITY`, where nothing queues. `None` for all others,
    /// also for those that are not there.
    #[must_use]
    pub fn without_effect(self, level: i32, option: i32) -> Option<&'static str> {
        options::without_effect(self, level, option)
    }

    /// A constant that every table here has.
    pub(crate) fn get(self, name: &str) -> i32 {
        let found = constants::find(self, name);
        debug_assert!(found.is_some(), "no constant {name}");
        found.unwrap_or_default() as i32
    }
}

#[cfg(test)]
mod tests;
