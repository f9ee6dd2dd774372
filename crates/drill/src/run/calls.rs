//! Calls: what each does with its arguments, and whether it returned what the script says.
//!
//! The parts: [`sockets`] make, name and end connections; [`streams`] move bytes, [`messages`] those with headers;
//! [`settings`] are options and controls; [`ready`] is who can go on.

mod messages;
mod ready;
mod settings;
mod sockets;
mod streams;

use bowline_base::Instant;
use bowline_posix::{self as posix, Errno, Fd, Reply};

use super::values::Values;
use super::{Failure, Runner, seconds};
use crate::script::{Call, Event, Expr, When};

/// What a call returned.
type Result2 = Result<Reply, Errno>;

/// What has become of a call.
enum Made {
    /// It has returned.
    Returned(Result2, Judge),
    /// It may have to wait.
    MayWait(posix::Call, Judge),
}

impl Made {
    /// A call that returns a number and nothing else.
    fn plain(result: Result<i32, Errno>) -> Self {
        Self::Returned(result.map(|value| Reply { value: value.into(), ..Reply::default() }), Judge::Plain)
    }

    /// A call that returns nothing.
    fn nothing(result: Result<(), Errno>) -> Self {
        Self::plain(result.map(|()| 0))
    }
}

/// What to look at, beside the return value.
#[derive(Clone, Debug)]
pub(super) enum Judge {
    /// Nothing.
    Plain,
    /// A new descriptor, which the script calls by the return value.
    NewFd,
    /// `accept`: the same, and the peer's address in the second argument.
    Accepted,
    /// `connect` on this descriptor of the script's.
    Connected(i64),
    /// Bytes read, the buffers that the script has for them, and the descriptor of the script's.
    Read(i64, Vec<Expr>),
    /// The same, as a message with headers.
    Message(i64, Expr),
    /// Bytes written on this descriptor of the script's, where what was there before ends.
    Written(i64, usize),
    /// The same, of a file that is then read so far.
    SentFile(i64, usize, i64),
    /// `poll`.
    Polled(Expr),
    /// `epoll_wait`.
    Events(Expr),
    /// A value in brackets: what was found, as words of both sides where they differ.
    Value(Option<(String, String)>),
}

/// A call that is blocked.
#[derive(Debug)]
pub(super) struct Pending {
    event: usize,
    judge: Judge,
    /// When it must return.
    until: Instant,
    /// By how much that may differ.
    tolerance: u64,
}

impl Runner<'_> {
    /// Makes the call of an event.
    pub(super) fn call(&mut self, index: usize, event: &Event, call: &Call) -> Result<(), Failure> {
        self.log.note(self.now_micros(), format!("{}()", call.name));
        let made = self.make(call)?;
        let (result, judge) = match made {
            Made::Returned(result, judge) => (result, judge),
            Made::MayWait(what, judge) => match self.world().call(index, what, call.until.is_some()) {
                Some(result) => (result, judge),
                None => return self.pend(index, event, call, judge),
            },
        };
        if let Some(world) = &mut self.world {
            world.settle();
        }
        if call.until.is_some() {
            let until = self.until(event, call);
            let now = self.world().now();
            self.check_return_time(call, now, until, self.tolerance(self.micros_at(until)))?;
        }
        self.judge(call, result, &judge)
    }

    /// Keeps a call that is blocked.
    fn pend(&mut self, index: usize, event: &Event, call: &Call, judge: Judge) -> Result<(), Failure> {
        if call.until.is_none() {
            let what = format!(
                "{}() does not return; a call that blocks is written with the time of its return: `0...0.1`",
                call.name
            );
            return Err(Failure::new(call.place, what));
        }
        let until = self.until(event, call);
        let tolerance = self.tolerance(self.micros_at(until));
        self.pending.insert(index, Pending { event: index, judge, until, tolerance });
        Ok(())
    }

    /// When a call that blocks must return.
    fn until(&mut self, event: &Event, call: &Call) -> Instant {
        let written = call.until.unwrap_or_default();
        let base = if matches!(event.when, When::At(_)) { 0 } else { self.base };
        self.world().at(base + written)
    }

    /// Judges calls that were blocked and have returned.
    pub(super) fn judge_returned(&mut self) -> Result<(), Failure> {
        while let Some(returned) = self.world.as_mut().and_then(|world| world.take_returned()) {
            let Some(pending) = self.pending.remove(&returned.id) else { continue };
            let Some(call) = self.call_of(pending.event) else { continue };
            self.log.note(self.micros_at(returned.at), format!("{}() returns", call.name));
            self.judge(call, returned.result, &pending.judge)?;
            self.check_return_time(call, returned.at, pending.until, pending.tolerance)?;
        }
        Ok(())
    }

    /// Waits for calls that are still blocked, as long as they may take.
    pub(super) fn wait_for_pending(&mut self) -> Result<(), Failure> {
        while let Some((_, pending)) = self.pending.iter().min_by_key(|(_, pending)| pending.until) {
            let last = pending.until + std::time::Duration::from_micros(pending.tolerance);
            let (event, until) = (pending.event, pending.until);
            self.world().pass(last);
            self.judge_returned()?;
            if self.pending.contains_key(&event)
                && let Some(call) = self.call_of(event)
            {
                let until = seconds(self.micros_at(until));
                return Err(Failure::new(call.place, format!("{}() has not returned at {until}", call.name)));
            }
        }
        Ok(())
    }

    fn check_return_time(&mut self, call: &Call, at: Instant, until: Instant, tolerance: u64) -> Result<(), Failure> {
        let (at, until) = (self.micros_at(at), self.micros_at(until));
        if at.abs_diff(until) <= tolerance {
            return Ok(());
        }
        Err(Failure::new(call.place, format!("{}() returned at another time", call.name))
            .expected(format!("{} ±{}", seconds(until), seconds(tolerance)))
            .seen(seconds(at)))
    }

    /// A buffer at no address: what a kernel finds before it does anything.
    fn fault(buffers: &[(&Expr, &Expr)], values: Values<'_>) -> Result<Option<Made>, Failure> {
        for (buffer, len) in buffers {
            if matches!(buffer, Expr::Word(_, word) if word == "NULL") && values.size(len)? > 0 {
                return Ok(Some(Made::Returned(Err(Errno::EFAULT), Judge::Plain)));
            }
        }
        Ok(None)
    }

    fn values(&self, call: &Call) -> Values<'_> {
        Values { abi: self.sysctls.config.abi, version: self.version, options: &self.script.options, place: call.place }
    }

    /// Makes a call, as far as it can be made without waiting.
    fn make(&mut self, call: &Call) -> Result<Made, Failure> {
        let arguments = call.arguments.as_slice();
        match (call.name.as_str(), arguments) {
            ("socket", [domain, kind, protocol]) => self.socket(call, domain, kind, protocol),
            ("bind", [fd, address, _]) => self.bind(call, fd, address),
            ("listen", [fd, backlog]) => self.listen(call, fd, backlog),
            ("accept", [fd, ..]) if arguments.len() == 3 => self.accept(call, fd, None),
            ("accept4", [fd, _, _, flags]) => self.accept(call, fd, Some(flags)),
            ("connect", [fd, address, _]) => self.connect(call, fd, address),
            ("shutdown", [fd, how]) => self.shutdown(call, fd, how),
            ("close", [fd]) => self.close(call, fd),
            ("getsockname" | "getpeername", [fd, address, _]) => self.name(call, fd, address),
            ("read", [fd, buffer, len]) => self.read(call, fd, &[(buffer, len)]),
            ("readv", [fd, list, _]) => self.read_vector(call, fd, list),
            ("recv", [fd, buffer, len, flags]) => self.receive(call, fd, (buffer, len), flags),
            ("recvfrom", [fd, buffer, len, flags, _, _]) => self.receive(call, fd, (buffer, len), flags),
            ("recvmsg", [fd, message, flags]) => self.receive_message(call, fd, message, flags),
            ("write", [fd, buffer, len]) => self.write(call, fd, &[(buffer, len)]),
            ("writev", [fd, list, _]) => self.write_vector(call, fd, list),
            ("send", [fd, buffer, len, flags]) => self.send(call, fd, (buffer, len), flags, None),
            ("sendto", [fd, buffer, len, flags, address, _]) => {
                self.send(call, fd, (buffer, len), flags, Some(address))
            }
            ("sendmsg", [fd, message, flags]) => self.send_message(call, fd, message, flags),
            ("setsockopt", [fd, level, name, value, _]) => self.setsockopt(call, fd, (level, name), value),
            ("getsockopt", [fd, level, name, value, len]) => self.getsockopt(call, fd, (level, name), value, len),
            ("fcntl", [fd, command]) => self.fcntl(call, fd, command, None),
            ("fcntl", [fd, command, argument]) => self.fcntl(call, fd, command, Some(argument)),
            ("ioctl", [fd, request, value]) => self.ioctl(call, fd, request, value),
            ("poll", [list, _, timeout]) => self.poll(call, list, timeout),
            ("epoll_create" | "epoll_create1", [flags]) => self.epoll_create(call, flags),
            ("epoll_ctl", [epoll, operation, fd, event]) => self.epoll_ctl(call, epoll, (operation, fd), event),
            ("epoll_wait", [epoll, events, max, timeout]) => self.epoll_wait(call, epoll, events, (max, timeout)),
            ("pipe", [fds]) => self.pipe(call, fds),
            ("open", [path, flags]) => self.open(call, path, flags),
            ("sendfile", [out, file, offset, len]) => self.sendfile(call, out, (file, offset), len),
            ("splice", [from, _, to, _, len, flags]) => self.splice(call, (from, to), len, flags),
            ("usleep", [micros]) => self.usleep(call, micros),
            (name, _) if KNOWN.contains(&name) => {
                Err(Failure::new(call.place, format!("{name}() does not take {} arguments", arguments.len())))
            }
            (name, _) => Err(Failure::new(call.place, format!("there is no call {name}() here"))),
        }
    }

    /// The host's descriptor for one of the script's.
    fn fd(&self, call: &Call, expr: &Expr) -> Result<(i64, Fd), Failure> {
        let script = self.values(call).number(expr)?;
        // one that the script never opened is none for the host either
        let live = self.fds.get(&script).copied().unwrap_or(if script < 0 { -1 } else { i32::MAX });
        Ok((script, live))
    }

    /// Whether a call returned what the script says.
    fn judge(&mut self, call: &Call, result: Result2, judge: &Judge) -> Result<(), Failure> {
        let seen = match &result {
            Ok(reply) => reply.value.to_string(),
            Err(errno) => format!("-1 {errno}"),
        };
        let failure = |expected: String| {
            Failure::new(call.place, format!("{}() returned something else", call.name))
                .expected(expected)
                .seen(seen.clone())
        };
        let taken = result.as_ref().map_or(0, |reply| reply.value as usize);
        if let Judge::Written(fd, begin) | Judge::SentFile(fd, begin, _) = judge {
            self.accepted(*fd, *begin, taken);
            if matches!(result, Err(errno) if ![Errno::EINPROGRESS, Errno::EAGAIN, Errno::EALREADY].contains(&errno)) {
                self.not_opened(*fd);
            }
        }
        if let Judge::SentFile(.., file) = judge {
            self.files.advance(*file, taken as u64);
        }
        match (&result, &call.result) {
            (_, Expr::Any) => {}
            (Err(errno), expected) => {
                let is_error = self.values(call).number(expected)? == -1;
                let is_same = call.errno.as_deref().is_none_or(|name| Errno::from_name(name) == Some(*errno));
                if !is_error || !is_same {
                    return self.differs(failure(describe(self.values(call).number(expected)?, call)));
                }
            }
            (Ok(reply), expected) => {
                let expected = self.values(call).number(expected)?;
                if matches!(judge, Judge::NewFd | Judge::Accepted) && expected >= 0 {
                    self.fds.insert(expected, reply.value as Fd);
                    self.newest = Some(expected);
                } else if expected != reply.value {
                    return self.differs(failure(describe(expected, call)));
                }
            }
        }
        let Ok(reply) = result else { return Ok(()) };
        self.judge_reply(call, reply, judge)
    }

    /// Whether what came with the return value is what the script says.
    fn judge_reply(&mut self, call: &Call, reply: Reply, judge: &Judge) -> Result<(), Failure> {
        match judge {
            Judge::Plain | Judge::NewFd | Judge::Written(..) | Judge::SentFile(..) => Ok(()),
            Judge::Accepted => self.accepted_connection(call, &reply),
            Judge::Connected(fd) => self.connected(*fd),
            Judge::Read(fd, buffers) => self.judge_read(call, *fd, &reply.data, buffers),
            Judge::Message(fd, message) => self.judge_message(call, *fd, reply, message),
            Judge::Polled(list) => self.judge_poll(call, &reply, list),
            Judge::Events(events) => self.judge_events(call, &reply, events),
            Judge::Value(None) => Ok(()),
            Judge::Value(Some((expected, seen))) => self.differs(
                Failure::new(call.place, format!("{}() found something else", call.name))
                    .expected(expected.clone())
                    .seen(seen.clone()),
            ),
        }
    }

    /// A difference in a call: a failure, or a remark where the script says so.
    fn differs(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.script.options.non_fatal_call {
            self.remarks.push(failure);
            return Ok(());
        }
        Err(failure)
    }
}

fn describe(value: i64, call: &Call) -> String {
    match &call.errno {
        Some(errno) => format!("{value} {errno}"),
        None => value.to_string(),
    }
}

/// Calls that are known, to tell a wrong number of arguments from a wrong name.
const KNOWN: &[&str] = &[
    "socket",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "shutdown",
    "close",
    "getsockname",
    "getpeername",
    "read",
    "readv",
    "recv",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "send",
    "sendto",
    "sendmsg",
    "setsockopt",
    "getsockopt",
    "fcntl",
    "ioctl",
    "poll",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "pipe",
    "splice",
    "open",
    "sendfile",
    "usleep",
];
