//! `IP_LOCAL_PORT_RANGE`: of which ports a socket is given one, by `bind` to port 0 and by `connect` without a name.

use bowline_base::Instant;

use crate::abi::Errno;
use crate::call::Fd;
use crate::host::Host;
use crate::socket::Settings;

impl Host {
    /// The first port in the lower half, the last one in the upper half; zero for the host's own.
    pub(super) fn set_local_ports(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let &[a, b, c, d] = value else { return Err(Errno::EINVAL) };
        let (first, last) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        if first != 0 && last != 0 && first > last {
            return Err(Errno::EINVAL);
        }
        let settings = &mut self.fds.socket_mut(fd)?.settings;
        settings.port_range = u32::from(first) | u32::from(last) << 16;
        let ports = self.ports_of(&self.fds.socket(fd)?.settings);
        self.change(now, fd, |options| options.local_ports = Some(ports))
    }

    /// The ports, inclusive, of which a socket is given one: its own range as far as that lies in the host's.
    pub(crate) fn ports_of(&self, settings: &Settings) -> (u16, u16) {
        let (low, high) = self.ephemeral;
        let (first, last) = (settings.port_range as u16, (settings.port_range >> 16) as u16);
        let low = if (low..=high).contains(&first) { first } else { low };
        let high = if (low..=high).contains(&last) { last } else { high };
        (low, high)
    }
}
