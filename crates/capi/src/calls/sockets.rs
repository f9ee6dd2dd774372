//! Sockets, pipes, and what is set and asked of them.
#![allow(unsafe_code, reason = "C passes pointers")]
#![allow(clippy::missing_safety_doc, reason = "the C library's contract of the same name")]

use core::ffi::{c_int, c_long, c_ulong, c_void};

use bowline_posix::{Abi, Call, Errno};
use libc::{sockaddr, socklen_t};

use super::give_int;
use crate::engine::State;
use crate::handle::engine;
use crate::memory;

/// `socket`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_socket(host: *mut c_void, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let made = unsafe { engine(host) }.and_then(|engine| {
        engine.with(|state, _| {
            let fd = state.host.socket(domain, kind, protocol)?;
            state.adopt(fd)
        })
    });
    give_int(made.map(i64::from))
}

/// `bind`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_bind(host: *mut c_void, fd: c_int, at: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the handle is one of ours, the address as long as it says.
    let (engine, address) = unsafe { (engine(host), memory::address(at, len)) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.bind(now, fd, address?).map(|()| 0)
        })
    }))
}

/// `listen`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_listen(host: *mut c_void, fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.listen(now, fd, backlog).map(|()| 0)
        })
    }))
}

/// `accept`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_accept(host: *mut c_void, fd: c_int, at: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: the handle is one of ours, and the length's place is null or one.
    let (engine, place) = unsafe { (engine(host), memory::takes_address(at, len)) };
    let accepted = engine.and_then(|engine| {
        place?;
        let reply = engine.call(|state| Ok(Call::Accept { fd: state.fd(fd)?, flags: 0 }))?;
        let real = engine.within(|state, _| state.adopt(reply.value as c_int))?;
        Ok((real, reply.address))
    });
    give_int(accepted.map(|(real, address)| {
        // SAFETY: room for an address, as `accept` asks for it.
        unsafe { memory::give_address(address, at, len) };
        i64::from(real)
    }))
}

/// `connect`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_connect(host: *mut c_void, fd: c_int, at: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the handle is one of ours, the address as long as it says.
    let (engine, address) = unsafe { (engine(host), memory::address(at, len)) };
    let call = |state: &mut State| Ok(Call::Connect { fd: state.fd(fd)?, address: address? });
    give_int(engine.and_then(|engine| engine.call(call)).map(|reply| reply.value))
}

/// `fcntl`. The argument is an integer or absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_fcntl(host: *mut c_void, fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, _| {
            let fd = state.fd(fd)?;
            state.host.fcntl(fd, command, i64::from(argument as i32)).map(i64::from)
        })
    }))
}

/// `ioctl`. The argument points to an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_ioctl(host: *mut c_void, fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    // SAFETY: the handle is one of ours, and every request that is known has an integer behind its argument.
    let (engine, value) = unsafe { (engine(host), memory::int_at(argument)) };
    give_int(engine.and_then(|engine| {
        let is_set = Abi::Linux.constant("FIONBIO") == i64::try_from(request).ok();
        let found = engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.ioctl(now, fd, request, value.unwrap_or(0))
        })?;
        // SAFETY: as above.
        match value.is_some() && (is_set || unsafe { memory::write(argument.cast(), found) }) {
            true => Ok(0),
            false => Err(Errno::EFAULT),
        }
    }))
}

/// `close`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_close(host: *mut c_void, fd: c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        // Nobody else finds it from here on: what it stands for may have another owner as soon as it is closed.
        engine.call(|state| Ok(Call::Close { fd: state.release(fd)? }))?;
        memory::close(fd);
        Ok(0)
    }))
}

/// `shutdown`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_shutdown(host: *mut c_void, fd: c_int, how: c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.shutdown(now, fd, how).map(|()| 0)
        })
    }))
}

/// `getsockopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_getsockopt(
    host: *mut c_void,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the handle is one of ours, and the length's place is one.
    let (engine, room) = unsafe { (engine(host), memory::read(len)) };
    give_int(engine.and_then(|engine| {
        let room = i32::try_from(room.ok_or(Errno::EFAULT)?).map_err(|_| Errno::EINVAL)? as usize;
        let found = engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.getsockopt(now, fd, level, name, room)
        })?;
        if value.is_null() && !found.is_empty() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: `room` bytes of room, and the length's place.
        unsafe {
            memory::fill(value, room, &found);
            memory::write(len, found.len() as socklen_t);
        }
        Ok(0)
    }))
}

/// `setsockopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_setsockopt(
    host: *mut c_void,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: the handle is one of ours, and there are `len` bytes.
    let (engine, value) = unsafe { (engine(host), memory::option(value, len)) };
    give_int(engine.and_then(|engine| {
        engine.with(|state, now| {
            let fd = state.fd(fd)?;
            state.host.setsockopt(now, fd, level, name, &value?).map(|()| 0)
        })
    }))
}

/// `pipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_pipe(host: *mut c_void, fds: *mut c_int) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        if fds.is_null() {
            return Err(Errno::EFAULT);
        }
        let pair = engine.with(|state, _| {
            let (out, into) = state.host.pipe(0)?;
            Ok([state.adopt(out)?, state.adopt(into)?])
        })?;
        // SAFETY: there is room for two descriptors.
        unsafe { memory::write(fds.cast::<[c_int; 2]>(), pair) };
        Ok(0)
    }))
}
