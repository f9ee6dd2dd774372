//! `poll` and `epoll`.
#![allow(unsafe_code, reason = "C passes pointers")]
#![allow(clippy::missing_safety_doc, reason = "the C library's contract of the same name")]

use core::ffi::{c_int, c_void};
use core::mem::size_of;

use bowline_posix::{Call, EpollEvent, Errno, PollFd};
use libc::{epoll_event, nfds_t, pollfd};

use super::give_int;
use crate::engine::State;
use crate::handle::engine;
use crate::memory;

/// `poll`. What `revents` held before does not matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_poll(host: *mut c_void, fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    /// No host has such a descriptor.
    const NOBODY: c_int = c_int::MAX;
    /// More than any process may have open (Linux `fs.nr_open`).
    const MOST: nfds_t = 1 << 20;
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    let reply = engine.and_then(|engine| {
        if count > MOST {
            return Err(Errno::EINVAL);
        }
        // SAFETY: there are `count` structs.
        let entry = |i: usize| unsafe { memory::read(fds.wrapping_add(i)) }.ok_or(Errno::EFAULT);
        let entries = (0..count as usize).map(entry).collect::<Result<Vec<pollfd>, Errno>>()?;
        let translate = |state: &State, entry: &pollfd| {
            let fd = if entry.fd < 0 { entry.fd } else { state.fd(entry.fd).unwrap_or(NOBODY) };
            PollFd { fd, events: entry.events, revents: 0 }
        };
        let reply = engine.call(|state| {
            let fds = entries.iter().map(|entry| translate(state, entry)).collect();
            Ok(Call::Poll { fds, timeout })
        })?;
        for (i, (entry, polled)) in entries.iter().zip(&reply.polled).enumerate() {
            // SAFETY: as above.
            unsafe { memory::write(fds.wrapping_add(i), pollfd { revents: polled.revents, ..*entry }) };
        }
        Ok(reply.value)
    });
    give_int(reply)
}

/// `epoll_create`. The size must be positive, and means nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_epoll_create(host: *mut c_void, size: c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    let made = engine.and_then(|engine| {
        engine.with(|state, _| {
            let fd = if size > 0 { state.host.epoll_create(0) } else { Err(Errno::EINVAL) }?;
            state.adopt(fd)
        })
    });
    give_int(made.map(i64::from))
}

/// `epoll_ctl`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_epoll_ctl(
    host: *mut c_void,
    epoll: c_int,
    op: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    // SAFETY: the handle is one of ours, and the event is null or one.
    let (engine, event) = unsafe { (engine(host), memory::read(event)) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, _| {
            let (epoll, fd) = (state.fd(epoll)?, state.fd(fd)?);
            let event = event.map(|event| EpollEvent { events: event.events, data: event.u64 });
            state.host.epoll_ctl(epoll, op, fd, event).map(|()| 0)
        })
    }))
}

/// `epoll_wait`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_epoll_wait(
    host: *mut c_void,
    epoll: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout: c_int,
) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    let reply = engine.and_then(|engine| {
        let max = usize::try_from(max).map_err(|_| Errno::EINVAL)?;
        engine.call(|state| Ok(Call::EpollWait { fd: state.fd(epoll)?, max, timeout }))
    });
    give_int(reply.and_then(|reply| {
        for (i, event) in reply.events.iter().enumerate() {
            let event = epoll_event { events: event.events, u64: event.data };
            // SAFETY: there is room for `max` events, and there are no more.
            if !unsafe { memory::write(events.wrapping_byte_add(i * size_of::<epoll_event>()), event) } {
                return Err(Errno::EFAULT);
            }
        }
        Ok(reply.value)
    }))
}
