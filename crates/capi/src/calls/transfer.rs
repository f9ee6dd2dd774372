//! Bytes that go in and out: `read`, `write`, and their families.
#![allow(unsafe_code, reason = "C passes pointers")]
#![allow(clippy::missing_safety_doc, reason = "the C library's contract of the same name")]

use core::ffi::{c_int, c_void};

use bowline_posix::{Call, Errno, Reply};
use bytes::Bytes;
use libc::{iovec, loff_t, msghdr, sockaddr, socklen_t, ssize_t};

use super::{give, length};
use crate::engine::{Engine, State};
use crate::handle::engine;
use crate::memory;

/// A buffer at no address is found before anything is read, which would be lost.
fn writable(to: *mut c_void, len: usize) -> Result<(), Errno> {
    if to.is_null() && len > 0 { Err(Errno::EFAULT) } else { Ok(()) }
}

/// `read`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_read(host: *mut c_void, fd: c_int, to: *mut c_void, len: usize) -> ssize_t {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) }.and_then(|engine| writable(to, len).map(|()| engine));
    let reply = engine.and_then(|engine| engine.call(|state| Ok(Call::Read { fd: state.fd(fd)?, len })));
    give(reply.map(|reply| {
        // SAFETY: `len` bytes of room.
        unsafe { memory::fill(to, len, &reply.data) };
        reply.value
    })) as ssize_t
}

/// `readv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_readv(host: *mut c_void, fd: c_int, to: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the handle is one of ours, and there are `count` buffers.
    let parts = unsafe { (engine(host), length(count).and_then(|count| memory::buffers(to, count))) };
    let reply = parts.0.and_then(|engine| {
        let buffers = parts.1?;
        let len = memory::room(&buffers);
        let reply = engine.call(|state| Ok(Call::Read { fd: state.fd(fd)?, len }))?;
        // SAFETY: each has the room that it says.
        unsafe { memory::scatter(&buffers, &reply.data) };
        Ok(reply.value)
    });
    give(reply) as ssize_t
}

fn receive(engine: &Engine, fd: c_int, len: usize, flags: c_int) -> Result<Reply, Errno> {
    engine.call(|state| Ok(Call::Receive { fd: state.fd(fd)?, len, flags }))
}

/// `recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_recv(
    host: *mut c_void,
    fd: c_int,
    to: *mut c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as of `recvfrom`, without an address.
    unsafe { bowline_recvfrom(host, fd, to, len, flags, core::ptr::null_mut(), core::ptr::null_mut()) }
}

/// `recvfrom`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_recvfrom(
    host: *mut c_void,
    fd: c_int,
    to: *mut c_void,
    len: usize,
    flags: c_int,
    at: *mut sockaddr,
    at_len: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the handle is one of ours.
    let (engine, place) = unsafe { (engine(host), memory::takes_address(at, at_len)) };
    let reply = engine.and_then(|engine| {
        writable(to, len)?;
        place?;
        receive(engine, fd, len, flags)
    });
    give(reply.map(|reply| {
        // SAFETY: `len` bytes of room, and room for an address where it is asked for.
        unsafe {
            memory::fill(to, len, &reply.data);
            memory::give_address(reply.address, at, at_len);
        }
        reply.value
    })) as ssize_t
}

/// `recvmsg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_recvmsg(host: *mut c_void, fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the handle is one of ours, and the struct is one.
    let (engine, header) = unsafe { (engine(host), memory::read(message)) };
    let reply = engine.and_then(|engine| {
        let mut header = header.ok_or(Errno::EFAULT)?;
        // SAFETY: the struct has as many buffers as it says.
        let buffers = unsafe { memory::message_buffers(&header) }?;
        let reply = receive(engine, fd, memory::room(&buffers), flags)?;
        header.msg_flags = reply.flags;
        // SAFETY: every pointer of the struct has the room that the struct says.
        unsafe {
            memory::scatter(&buffers, &reply.data);
            let mut name_len = header.msg_namelen;
            if header.msg_name.is_null() {
                name_len = 0;
            } else {
                memory::give_address(reply.address, header.msg_name.cast(), &raw mut name_len);
            }
            header.msg_namelen = name_len;
            if !memory::give_control(&mut header, &reply.control) {
                header.msg_flags |= libc::MSG_CTRUNC;
            }
            memory::write(message, header);
        }
        Ok(reply.value)
    });
    give(reply) as ssize_t
}

/// `write`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_write(host: *mut c_void, fd: c_int, from: *const c_void, len: usize) -> ssize_t {
    // SAFETY: the handle is one of ours, and there are `len` bytes.
    let (engine, data) = unsafe { (engine(host), memory::bytes(from, len)) };
    let call = |state: &mut State| Ok(Call::Write { fd: state.fd(fd)?, data: Bytes::from(data?) });
    give(engine.and_then(|engine| engine.call(call)).map(|reply| reply.value)) as ssize_t
}

/// `writev`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_writev(host: *mut c_void, fd: c_int, from: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the handle is one of ours, there are `count` buffers, and each has the bytes that it says.
    let (engine, data) = unsafe {
        let buffers = length(count).and_then(|count| memory::buffers(from, count));
        (engine(host), buffers.and_then(|buffers| memory::gather(&buffers)))
    };
    let call = |state: &mut State| Ok(Call::Write { fd: state.fd(fd)?, data: Bytes::from(data?) });
    give(engine.and_then(|engine| engine.call(call)).map(|reply| reply.value)) as ssize_t
}

/// `send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_send(
    host: *mut c_void,
    fd: c_int,
    from: *const c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as of `sendto`, without an address.
    unsafe { bowline_sendto(host, fd, from, len, flags, core::ptr::null(), 0) }
}

/// `sendto`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_sendto(
    host: *mut c_void,
    fd: c_int,
    from: *const c_void,
    len: usize,
    flags: c_int,
    at: *const sockaddr,
    at_len: socklen_t,
) -> ssize_t {
    // SAFETY: the handle is one of ours, there are `len` bytes, and the address is as long as it says.
    let (engine, data, to) = unsafe {
        let to = if at.is_null() { Ok(None) } else { memory::address(at, at_len).map(Some) };
        (engine(host), memory::bytes(from, len), to)
    };
    let call = |state: &mut State| {
        let (fd, data) = (state.fd(fd)?, Bytes::from(data?));
        Ok(Call::Send { fd, data, flags, to: to?, control: Vec::new() })
    };
    give(engine.and_then(|engine| engine.call(call)).map(|reply| reply.value)) as ssize_t
}

/// `sendmsg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_sendmsg(
    host: *mut c_void,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the handle is one of ours, and the struct is one.
    let (engine, header) = unsafe { (engine(host), memory::read(message)) };
    let reply = engine.and_then(|engine| {
        let header = header.ok_or(Errno::EFAULT)?;
        // SAFETY: every pointer of the struct has what the struct says.
        let (data, to, control) = unsafe {
            let buffers = memory::message_buffers(&header)?;
            let (to, control) = (memory::message_name(&header)?, memory::control(&header)?);
            (memory::gather(&buffers)?, to, control)
        };
        let data = Bytes::from(data);
        engine.call(|state| Ok(Call::Send { fd: state.fd(fd)?, data, flags, to, control }))
    });
    give(reply.map(|reply| reply.value)) as ssize_t
}

/// `splice`. Sockets and pipes have no offsets: one that is there and zero counts as none, others fail with `ESPIPE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_splice(
    host: *mut c_void,
    from: c_int,
    from_at: *mut loff_t,
    to: c_int,
    to_at: *mut loff_t,
    len: usize,
    flags: u32,
) -> ssize_t {
    // SAFETY: the handle is one of ours, the offsets are null or places.
    let (engine, offsets) = unsafe { (engine(host), [memory::read(from_at), memory::read(to_at)]) };
    let reply = engine.and_then(|engine| {
        if offsets.iter().flatten().any(|offset| *offset != 0) {
            return Err(Errno::ESPIPE);
        }
        engine.call(|state| Ok(Call::Splice { from: state.fd(from)?, to: state.fd(to)?, len, flags }))
    });
    give(reply.map(|reply| reply.value)) as ssize_t
}
