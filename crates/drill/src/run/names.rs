//! The names in `%{ … }%`: fields of `tcp_info` of the connection under test, and the system's constants.

use bowline_posix::{Abi, Field};

use super::{Failure, Runner};
use crate::code::Names;
use crate::script::Code;
use crate::source::Place;

/// The length of any system's `tcp_info` is less.
const ROOM: usize = 1024;

/// A connection's state as it is now.
struct State {
    abi: Abi,
    info: Option<Vec<u8>>,
    /// `SO_MEMINFO`.
    memory: Option<Vec<u8>>,
}

/// What `SO_MEMINFO` has, in its order.
const MEMORY: [&str; 9] = [
    "SK_MEMINFO_RMEM_ALLOC",
    "SK_MEMINFO_RCVBUF",
    "SK_MEMINFO_WMEM_ALLOC",
    "SK_MEMINFO_SNDBUF",
    "SK_MEMINFO_FWD_ALLOC",
    "SK_MEMINFO_WMEM_QUEUED",
    "SK_MEMINFO_OPTMEM",
    "SK_MEMINFO_BACKLOG",
    "SK_MEMINFO_DROPS",
];

impl Names for State {
    fn value(&self, name: &str) -> Option<i128> {
        let read = |name: &str| self.info.as_ref().and_then(|info| Field::read(self.abi.tcp_info(), info, name));
        let field = read(name).or_else(|| read(other_field(name)?));
        let constant = || self.abi.constant(name).or_else(|| self.state(name));
        let memory = || {
            let index = MEMORY.iter().position(|known| *known == name)?;
            let (words, _) = self.memory.as_ref()?.as_chunks::<4>();
            words.get(index).map(|word| u32::from_le_bytes(*word))
        };
        let field = field.or_else(|| memory().map(u64::from));
        field.map(i128::from).or_else(|| constant().map(i128::from))
    }
}

/// A field's name on the other system, where both count the same.
fn other_field(name: &str) -> Option<&'static str> {
    match name {
        "tcpi_total_retrans" => Some("tcpi_snd_rexmitpack"),
        "tcpi_snd_rexmitpack" => Some("tcpi_total_retrans"),
        _ => None,
    }
}

impl State {
    /// A state's number on the system under test, whichever system the name is from. FreeBSD's has two: `TCPS_CLOSED`, and
    /// `TCPI_CLOSED` in scripts.
    fn state(&self, name: &str) -> Option<i64> {
        let (linux, freebsd) = spellings(name)?;
        self.abi.constant(linux).or_else(|| self.abi.constant(&format!("TCPS_{freebsd}")))
    }
}

/// A state's name on Linux, and on FreeBSD without what stands before it.
fn spellings(name: &str) -> Option<(&'static str, &'static str)> {
    const STATES: [(&str, &str); 11] = [
        ("TCP_CLOSE", "CLOSED"),
        ("TCP_LISTEN", "LISTEN"),
        ("TCP_SYN_SENT", "SYN_SENT"),
        ("TCP_SYN_RECV", "SYN_RECEIVED"),
        ("TCP_ESTABLISHED", "ESTABLISHED"),
        ("TCP_CLOSE_WAIT", "CLOSE_WAIT"),
        ("TCP_FIN_WAIT1", "FIN_WAIT_1"),
        ("TCP_CLOSING", "CLOSING"),
        ("TCP_LAST_ACK", "LAST_ACK"),
        ("TCP_FIN_WAIT2", "FIN_WAIT_2"),
        ("TCP_TIME_WAIT", "TIME_WAIT"),
    ];
    let rest = name.strip_prefix("TCPS_").or_else(|| name.strip_prefix("TCPI_"));
    STATES.into_iter().find(|(linux, freebsd)| name == *linux || rest == Some(freebsd))
}

impl Runner<'_> {
    /// Carries out statements about the connection under test: the one of the packets without ports, or else the listener,
    /// or the socket that was opened last.
    pub(super) fn code(&mut self, code: &Code) -> Result<(), Failure> {
        let info = self.option_of_current("IPPROTO_TCP", "TCP_INFO");
        let memory = self.option_of_current("SOL_SOCKET", "SO_MEMINFO");
        let state = State { abi: self.sysctls.config.abi, info, memory };
        match self.interpreter.run(&code.text, &state) {
            Ok(lines) => {
                self.printed.extend(lines);
                Ok(())
            }
            Err(error) => {
                let place = Place { line: code.place.line + error.line, ..code.place };
                let hint = if state.info.is_none() && error.message.contains("tcpi_") {
                    "; the connection under test has no descriptor"
                } else {
                    ""
                };
                Err(Failure::new(place, format!("{}{hint}", error.message)))
            }
        }
    }

    /// An option of the connection under test.
    fn option_of_current(&mut self, level: &str, name: &str) -> Option<Vec<u8>> {
        let script = match self.current.and_then(|current| self.flows.get(current)) {
            Some(flow) => flow.fd,
            None => self.listener.or(self.newest),
        };
        let fd = *self.fds.get(&script?)?;
        let abi = self.sysctls.config.abi;
        let (level, name) = (abi.constant(level)? as i32, abi.constant(name)? as i32);
        let world = self.world();
        world.getsockopt(fd, level, name, ROOM).ok()
    }
}
