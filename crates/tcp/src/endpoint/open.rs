//! OPEN, active (RFC 9293 3.10.1): which four-tuple a connection gets, whether it may have that of one in TIME-WAIT, and what it
//! begins with.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use bowline_base::Instant;

use super::Endpoint;
use super::demux::Slot;
use super::segments::is_host;
use crate::config::Options;
use crate::connection::open::mss_of;
use crate::connection::{Birth, Tcb};
use crate::isn::Beginning;
use crate::segment::Path;
use crate::state::{Cause, State};
use crate::{ConnectError, ConnectionKey, FourTuple, ListenerKey};

impl Endpoint {
    /// OPEN, active (3.10.1). A local port of 0 means an ephemeral one (RFC 6056).
    ///
    /// # Errors
    /// If the destination is no host's, the four-tuple is taken, no port is free, or there are too many connections.
    pub fn connect(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        path: Path,
        options: Option<Options>,
    ) -> Result<ConnectionKey, ConnectError> {
        let options = options.map_or_else(|| self.options.clone(), Arc::new);
        self.heed(&options.keys);
        self.open(now, FourTuple::new(local, remote), path, options, State::Closed)
    }

    /// LISTEN to SYN-SENT (3.10.1): the listener's port connects from `local`, and listens no more.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and if there is no such listener or it has no port of its own.
    pub fn connect_from(
        &mut self,
        now: Instant,
        listener: ListenerKey,
        local: IpAddr,
        remote: SocketAddr,
        path: Path,
    ) -> Result<ConnectionKey, ConnectError> {
        let found = self.listeners.get(listener.index, listener.generation);
        let (port, options) = found
            .and_then(|listener| Some((listener.port()?, listener.options().clone())))
            .ok_or(ConnectError::NoListener)?;
        let tuple = FourTuple::new(SocketAddr::new(local, port), remote);
        let key = self.open(now, tuple, path, options, State::Listen)?;
        self.close_listener(now, listener);
        Ok(key)
    }

    fn open(
        &mut self,
        now: Instant,
        mut tuple: FourTuple,
        path: Path,
        options: Arc<Options>,
        from: State,
    ) -> Result<ConnectionKey, ConnectError> {
        // RFC 9293 3.9.1.1, MUST-43, MUST-45: the address that the caller has chosen is part of the connection's name.
        let FourTuple { local, remote } = tuple;
        let is_named = local.port() != 0;
        if !is_named {
            let port = self.pick_port(now, local, remote, &options).ok_or(ConnectError::NoFreePort)?;
            tuple.local.set_port(port);
        }
        // RFC 9293 3.9.2.3, MUST-46: a connection with a broadcast or multicast address is refused to the user.
        if !is_host(&tuple) || local.is_ipv4() != remote.is_ipv4() {
            return Err(ConnectError::InvalidDestination);
        }
        if self.connections.is_full() {
            return Err(ConnectError::TooMany);
        }
        let (Beginning { isn, timestamp_offset }, ts_recent) = match self.find(&tuple) {
            None => (self.isn.begin(now, &tuple), 0),
            Some(Slot::TimeWait(place)) if self.may_take_over(now, place, is_named, &options) => {
                let former = self.time_wait.get(place).map(|former| (former.snd_nxt(), former.ts_recent()));
                let (above, ts_recent) = former.unwrap_or_default();
                self.remove_time_wait(now, place, Cause::Abort);
                (self.isn.begin_above(now, &tuple, above), if options.echo_former_timestamp { ts_recent } else { 0 })
            }
            Some(_) => return Err(ConnectError::AddressInUse),
        };
        let birth = Birth { tuple, id: self.take_id(), options, path, iss: isn };
        let mss = mss_of(path.mtu, tuple.is_ipv6(), &birth.options);
        // A signed SYN has no room for a cookie.
        let is_plain = birth.options.keys.of(&tuple).is_none();
        let offer = self.fast_open.offer(now, tuple.remote.ip(), &birth.options.fast_open, mss).filter(|_| is_plain);
        let (index, generation) = self.insert_new(now, birth, from).ok_or(ConnectError::TooMany)?;
        self.counters.active_opens += 1;
        self.occupy(&tuple, Slot::Connection(index));
        self.with(now, index, |tcb, cx| {
            tcb.begin_actively(now, timestamp_offset, ts_recent);
            if let Some(offer) = offer {
                tcb.open_fast(offer);
            }
            tcb.advance(cx, Cause::ActiveOpen);
        });
        Ok(ConnectionKey { index, generation })
    }

    /// A connection that is in no other table yet, and about to begin.
    // Once for all who make one, and not inlined there: it is long.
    #[inline(never)]
    pub(super) fn insert_new(&mut self, now: Instant, birth: Birth, state: State) -> Option<(u32, u32)> {
        self.connections.insert_with(|_, _| Tcb::new(now, birth, state))
    }

    fn pick_port(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, options: &Options) -> Option<u16> {
        let mut allocator = self.allocator.take()?;
        let range = options.local_ports.unwrap_or(self.config.ephemeral_ports);
        let port = allocator.pick(local.ip(), remote, range, |port| {
            let tuple = FourTuple::new(SocketAddr::new(local.ip(), port), remote);
            match self.find(&tuple) {
                None => true,
                Some(Slot::TimeWait(place)) => self.may_take_over(now, place, false, options),
                Some(_) => false,
            }
        });
        self.allocator = Some(allocator);
        port
    }

    /// Whether an active open may have the four-tuple of a connection in TIME-WAIT, as the configuration says: at once if its caller
    /// named the port, and after a while if the port is one of many.
    fn may_take_over(&self, now: Instant, place: u32, is_named: bool, options: &Options) -> bool {
        let delay = (!is_named).then_some(self.config.time_wait_reuse_delay);
        let is_allowed = if is_named { self.config.time_wait_reuse_named } else { self.config.time_wait_reuse };
        is_allowed && self.time_wait.may_connect(now, place, delay, options.timestamps)
    }
}
