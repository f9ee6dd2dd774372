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
}

impl Names for State {
    fn value(&self, name: &str) -> Option<i128> {
        let field = self.info.as_ref().and_then(|info| Field::read(self.abi.tcp_info(), info, name));
        field.map(i128::from).or_else(|| self.abi.constant(name).map(i128::from))
    }
}

impl Runner<'_> {
    /// Carries out statements about the connection under test: the one of the packets without ports, or else the listener.
    pub(super) fn code(&mut self, code: &Code) -> Result<(), Failure> {
        let state = State { abi: self.settings.host.abi, info: self.tcp_info() };
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

    fn tcp_info(&mut self) -> Option<Vec<u8>> {
        let script = match self.current.and_then(|current| self.flows.get(current)) {
            Some(flow) => flow.fd,
            None => self.listener,
        };
        let fd = *self.fds.get(&script?)?;
        let abi = self.settings.host.abi;
        let (level, name) = (abi.constant("IPPROTO_TCP")? as i32, abi.constant("TCP_INFO")? as i32);
        let world = self.world();
        world.host.getsockopt(world.now, fd, level, name, ROOM).ok()
    }
}
