//! Calls that may wait, in C's words: structs are built, and what comes back in them is read.
#![allow(unsafe_code, reason = "the library is C's")]

use std::ffi::c_int;
use std::mem::zeroed;

use bowline_capi::PacketdrillInterface;
use bowline_posix::{Abi, Address, Call, ControlMessage, EpollEvent, Errno, PollFd, Reply};

/// Room for an address, and for control messages.
const ROOM: usize = 1024;

/// The table, for several threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared(pub(crate) PacketdrillInterface);

// SAFETY: the table's functions may be called from any thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// What a call returned, or what `errno` says.
pub(crate) fn long(call: impl FnOnce() -> i64) -> Result<i64, Errno> {
    let value = call();
    if value >= 0 {
        return Ok(value);
    }
    // SAFETY: it is this thread's own.
    let number = unsafe { *libc::__errno_location() };
    Err(Errno::from_number(Abi::Linux, number).expect("a number that is known"))
}

pub(crate) fn int(call: impl FnOnce() -> c_int) -> Result<c_int, Errno> {
    long(|| call().into()).map(|value| value as c_int)
}

/// Makes a call, and waits as long as it does.
pub(crate) fn make(table: &Shared, call: Call) -> Result<Reply, Errno> {
    let (table, host) = (&table.0, table.0.userdata);
    let plain = |value: i64| Reply { value, ..Reply::default() };
    match call {
        Call::Accept { fd, flags } => accept(table, fd, flags),
        Call::Connect { fd, address } => {
            let bytes = address.encode(Abi::Linux);
            // SAFETY: the address is as long as it says.
            let made = int(|| unsafe { (table.connect)(host, fd, bytes.as_ptr().cast(), bytes.len() as u32) });
            made.map(|value| plain(value.into()))
        }
        Call::Read { fd, len } => {
            let mut data = vec![0_u8; len];
            // SAFETY: as much room as it says.
            let value = long(|| unsafe { (table.read)(host, fd, data.as_mut_ptr().cast(), len) as i64 })?;
            data.truncate(value as usize);
            Ok(Reply { value, data, ..Reply::default() })
        }
        Call::Receive { fd, len, flags } => receive(table, fd, len, flags),
        Call::Write { fd, data } => {
            // SAFETY: as many bytes as it says.
            long(|| unsafe { (table.write)(host, fd, data.as_ptr().cast(), data.len()) as i64 }).map(plain)
        }
        Call::Send { fd, data, flags, to, control } => send(table, fd, &data, flags, (to, &control)).map(plain),
        // SAFETY: no pointers.
        Call::Close { fd } => int(|| unsafe { (table.close)(host, fd) }).map(|value| plain(value.into())),
        Call::Poll { fds, timeout } => {
            let asked = |fd: &PollFd| libc::pollfd { fd: fd.fd, events: fd.events, revents: fd.revents };
            let mut list: Vec<_> = fds.iter().map(asked).collect();
            // SAFETY: as many as it says.
            let value = int(|| unsafe { (table.poll)(host, list.as_mut_ptr(), list.len() as u64, timeout) })?;
            let polled = list.iter().map(|fd| PollFd { fd: fd.fd, events: fd.events, revents: fd.revents }).collect();
            Ok(Reply { value: value.into(), polled, ..Reply::default() })
        }
        Call::EpollWait { fd, max, timeout } => {
            let mut list = vec![libc::epoll_event { events: 0, u64: 0 }; max];
            // SAFETY: room for as many as it says.
            let value = int(|| unsafe { (table.epoll_wait)(host, fd, list.as_mut_ptr(), max as c_int, timeout) })?;
            list.truncate(value as usize);
            let events = list.iter().map(|event| EpollEvent { events: event.events, data: event.u64 }).collect();
            Ok(Reply { value: value.into(), events, ..Reply::default() })
        }
        Call::Splice { from, to, len, flags } => {
            let none = core::ptr::null_mut();
            // SAFETY: there are no offsets.
            long(|| unsafe { (table.splice)(host, from, none, to, none, len, flags) as i64 }).map(plain)
        }
    }
}

fn accept(table: &PacketdrillInterface, fd: c_int, flags: c_int) -> Result<Reply, Errno> {
    if flags != 0 {
        return Err(Errno::ENOSYS);
    }
    let (mut bytes, mut len) = ([0_u8; ROOM], ROOM as u32);
    // SAFETY: there is room for an address.
    let value = int(|| unsafe { (table.accept)(table.userdata, fd, bytes.as_mut_ptr().cast(), &raw mut len) })?;
    let address = Address::decode(Abi::Linux, &bytes[..len as usize]).ok();
    Ok(Reply { value: value.into(), address, ..Reply::default() })
}

fn receive(table: &PacketdrillInterface, fd: c_int, len: usize, flags: c_int) -> Result<Reply, Errno> {
    let (mut data, mut name, mut control) = (vec![0_u8; len], [0_u8; ROOM], [0_u64; ROOM / 8]);
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: len };
    // SAFETY: all zero is a message of nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_name, message.msg_namelen) = (name.as_mut_ptr().cast(), ROOM as u32);
    (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), ROOM as _);
    // SAFETY: every part of the message has the room that it says.
    let value = long(|| unsafe { (table.recvmsg)(table.userdata, fd, &raw mut message, flags) as i64 })?;
    data.truncate(value as usize);
    let address = Address::decode(Abi::Linux, &name[..(message.msg_namelen as usize).min(ROOM)]).ok();
    let mut found = Vec::new();
    // SAFETY: the library has filled in so many bytes of control messages.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&raw const message);
        while !at.is_null() {
            let len = (*at).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            let data = core::slice::from_raw_parts(libc::CMSG_DATA(at), len).to_vec();
            found.push(ControlMessage { level: (*at).cmsg_level, kind: (*at).cmsg_type, data });
            at = libc::CMSG_NXTHDR(&raw const message, at);
        }
    }
    Ok(Reply { value, data, address, flags: message.msg_flags, control: found, ..Reply::default() })
}

fn send(
    table: &PacketdrillInterface,
    fd: c_int,
    data: &[u8],
    flags: c_int,
    (to, along): (Option<Address>, &[ControlMessage]),
) -> Result<i64, Errno> {
    let mut part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let mut name = to.map(|to| to.encode(Abi::Linux)).unwrap_or_default();
    let mut control = [0_u64; ROOM / 8];
    // SAFETY: all zero is a message of nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    if !name.is_empty() {
        (message.msg_name, message.msg_namelen) = (name.as_mut_ptr().cast(), name.len() as u32);
    }
    // SAFETY: there is room for as many as a script has; the message is whole then.
    unsafe {
        if !along.is_empty() {
            let space: u32 = along.iter().map(|one| libc::CMSG_SPACE(one.data.len() as u32)).sum();
            assert!(space as usize <= ROOM);
            (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), space as _);
            let mut at = libc::CMSG_FIRSTHDR(&raw const message);
            for one in along {
                ((*at).cmsg_level, (*at).cmsg_type) = (one.level, one.kind);
                (*at).cmsg_len = libc::CMSG_LEN(one.data.len() as u32) as _;
                core::ptr::copy_nonoverlapping(one.data.as_ptr(), libc::CMSG_DATA(at), one.data.len());
                at = libc::CMSG_NXTHDR(&raw const message, at);
            }
        }
        long(|| (table.sendmsg)(table.userdata, fd, &raw const message, flags) as i64)
    }
}
