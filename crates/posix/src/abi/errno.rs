//! Error numbers. One name, two numbers.

use core::fmt;

use super::Abi;

macro_rules! errnos {
    ($($name:ident, $linux:literal, $freebsd:literal, $text:literal;)*) => {
        /// Why a call failed.
        #[allow(clippy::upper_case_acronyms, reason = "their names")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Errno {$(
            #[doc = $text]
            $name,
        )*}

        impl Errno {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its number.
            #[must_use]
            pub const fn number(self, abi: Abi) -> i32 {
                match (abi, self) {
                    $((Abi::Linux, Self::$name) => $linux, (Abi::FreeBsd, Self::$name) => $freebsd,)*
                }
            }

            /// Its name: `EAGAIN`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

errnos! {
    EPERM, 1, 1, "operation not permitted";
    ENOENT, 2, 2, "no such file or directory";
    ESRCH, 3, 3, "no such process";
    EINTR, 4, 4, "interrupted system call";
    EBADF, 9, 9, "bad file descriptor";
    EAGAIN, 11, 35, "resource temporarily unavailable";
    ENOMEM, 12, 12, "cannot allocate memory";
    EACCES, 13, 13, "permission denied";
    EFAULT, 14, 14, "bad address";
    EBUSY, 16, 16, "device or resource busy";
    EEXIST, 17, 17, "file exists";
    EINVAL, 22, 22, "invalid argument";
    EMFILE, 24, 24, "too many open files";
    ENOTTY, 25, 25, "inappropriate ioctl for device";
    ESPIPE, 29, 29, "illegal seek";
    EPIPE, 32, 32, "broken pipe";
    EDOM, 33, 33, "numerical argument out of domain";
    ENOSYS, 38, 78, "function not implemented";
    ELOOP, 40, 62, "too many levels of symbolic links";
    ENOTSOCK, 88, 38, "socket operation on non-socket";
    EDESTADDRREQ, 89, 39, "destination address required";
    EMSGSIZE, 90, 40, "message too long";
    EPROTOTYPE, 91, 41, "protocol wrong type for socket";
    ENOPROTOOPT, 92, 42, "protocol not available";
    EPROTONOSUPPORT, 93, 43, "protocol not supported";
    ESOCKTNOSUPPORT, 94, 44, "socket type not supported";
    EOPNOTSUPP, 95, 45, "operation not supported";
    EAFNOSUPPORT, 97, 47, "address family not supported by protocol";
    EADDRINUSE, 98, 48, "address already in use";
    EADDRNOTAVAIL, 99, 49, "cannot assign requested address";
    ENETUNREACH, 101, 51, "network is unreachable";
    ECONNABORTED, 103, 53, "software caused connection abort";
    ECONNRESET, 104, 54, "connection reset by peer";
    ENOMSG, 42, 83, "no message of desired type";
    ENOBUFS, 105, 55, "no buffer space available";
    EISCONN, 106, 56, "transport endpoint is already connected";
    ENOTCONN, 107, 57, "transport endpoint is not connected";
    ETIMEDOUT, 110, 60, "connection timed out";
    ECONNREFUSED, 111, 61, "connection refused";
    EHOSTUNREACH, 113, 65, "no route to host";
    EALREADY, 114, 37, "operation already in progress";
    EINPROGRESS, 115, 36, "operation now in progress";
    // FreeBSD has no such error, and none of this number.
    EKEYREJECTED, 129, 129, "key was rejected by service";
}

impl Errno {
    /// The one with this name. `EWOULDBLOCK` and `ENOTSUP` are other names of `EAGAIN` and `EOPNOTSUPP`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "EWOULDBLOCK" => Some(Self::EAGAIN),
            "ENOTSUP" => Some(Self::EOPNOTSUPP),
            _ => Self::ALL.iter().copied().find(|errno| errno.name() == name),
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_number(abi: Abi, number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|errno| errno.number(abi) == number)
    }
}

impl fmt::Display for Errno {
    /// As scripts write it: `EAGAIN (resource temporarily unavailable)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.text())
    }
}

impl core::error::Error for Errno {}
