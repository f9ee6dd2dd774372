//! `poll` and `epoll`: who can go on.

use bowline_posix::{self as posix, EpollEvent, PollFd, Reply};

use super::{Call, Expr, Failure, Judge, Made, Runner};

impl Runner<'_> {
    pub(super) fn poll(&mut self, call: &Call, list: &Expr, timeout: &Expr) -> Result<Made, Failure> {
        let Expr::List(parts) = list else { return self.values(call).error("poll() takes `[{fd=3, events=POLLIN}]`") };
        let mut fds = Vec::new();
        for part in parts {
            let (Some(fd), Some(events)) = (part.field("fd"), part.field("events")) else {
                return self.values(call).error("poll() takes `[{fd=3, events=POLLIN, revents=POLLIN}]`");
            };
            let (_, fd) = self.fd(call, fd)?;
            fds.push(PollFd { fd, events: self.values(call).int(events)? as i16, revents: 0 });
        }
        let timeout = self.values(call).int(timeout)?;
        Ok(Made::MayWait(posix::Call::Poll { fds, timeout }, Judge::Polled(list.clone())))
    }

    pub(super) fn judge_poll(&mut self, call: &Call, reply: &Reply, list: &Expr) -> Result<(), Failure> {
        let Expr::List(parts) = list else { return Ok(()) };
        for (part, polled) in parts.iter().zip(&reply.polled) {
            let expected = match part.field("revents") {
                Some(Expr::Any) => continue,
                Some(events) => self.values(call).int(events)? as i16,
                None => 0,
            };
            if expected != polled.revents {
                let failure = Failure::new(call.place, "poll() found other events");
                let words = |events: i16| self.events(call, "POLL", u32::from(events.cast_unsigned()));
                let failure = failure.expected(words(expected)).seen(words(polled.revents));
                self.differs(failure)?;
            }
        }
        Ok(())
    }

    pub(super) fn epoll_create(&mut self, call: &Call, flags: &Expr) -> Result<Made, Failure> {
        let flags = self.values(call).int(flags)?;
        // the number of epoll_create is a size of long ago
        let flags = if call.name == "epoll_create1" { flags } else { 0 };
        let result = self.world().epoll_create(flags);
        let result = result.map(|fd| Reply { value: fd.into(), ..Reply::default() });
        Ok(Made::Returned(result, Judge::NewFd))
    }

    pub(super) fn epoll_ctl(
        &mut self,
        call: &Call,
        epoll: &Expr,
        (operation, fd): (&Expr, &Expr),
        event: &Expr,
    ) -> Result<Made, Failure> {
        let ((_, epoll), (_, fd)) = (self.fd(call, epoll)?, self.fd(call, fd)?);
        let operation = self.values(call).int(operation)?;
        let event = match event {
            Expr::Struct(..) => Some(self.epoll_event(call, event)?),
            _ => None,
        };
        Ok(Made::nothing(self.world().epoll_ctl(epoll, operation, fd, event)))
    }

    /// `{events=EPOLLIN, fd=4}`, or with ptr, u32, u64: the caller's own, which is the script's number.
    fn epoll_event(&self, call: &Call, event: &Expr) -> Result<EpollEvent, Failure> {
        let values = self.values(call);
        let events = event.field("events").map_or(Ok(0), |events| values.number(events))? as u32;
        let own = ["fd", "ptr", "u32", "u64"].iter().find_map(|name| event.field(name));
        let data = own.map_or(Ok(0), |own| values.number(own))?.cast_unsigned();
        Ok(EpollEvent { events, data })
    }

    pub(super) fn epoll_wait(
        &mut self,
        call: &Call,
        epoll: &Expr,
        events: &Expr,
        (max, timeout): (&Expr, &Expr),
    ) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, epoll)?;
        let values = self.values(call);
        let (max, timeout) = (values.size(max)?, values.int(timeout)?);
        Ok(Made::MayWait(posix::Call::EpollWait { fd, max, timeout }, Judge::Events(events.clone())))
    }

    pub(super) fn judge_events(&mut self, call: &Call, reply: &Reply, expected: &Expr) -> Result<(), Failure> {
        let expected = match expected {
            Expr::List(events) => events.as_slice(),
            one @ Expr::Struct(..) => std::slice::from_ref(one),
            _ => return Ok(()),
        };
        for (expected, seen) in expected.iter().zip(&reply.events) {
            let expected = self.epoll_event(call, expected)?;
            if expected != *seen {
                let words =
                    |event: &EpollEvent| format!("{} for {}", self.events(call, "EPOLL", event.events), event.data);
                let failure = Failure::new(call.place, "epoll_wait() found other events");
                let failure = failure.expected(words(&expected)).seen(words(seen));
                self.differs(failure)?;
            }
        }
        Ok(())
    }

    /// Events by their names.
    fn events(&self, call: &Call, prefix: &str, events: u32) -> String {
        const NAMES: [&str; 9] = ["IN", "PRI", "OUT", "ERR", "HUP", "NVAL", "RDHUP", "ONESHOT", "ET"];
        let values = self.values(call);
        let flag = |name: &&str| values.abi.constant(&format!("{prefix}{name}")).map(|flag| flag as u32);
        let names: Vec<_> = NAMES.iter().filter(|name| flag(name).is_some_and(|flag| events & flag != 0)).collect();
        if names.is_empty() {
            return format!("{events:#x}");
        }
        names.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join("|")
    }
}
