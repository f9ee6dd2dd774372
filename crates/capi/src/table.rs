//! The table of functions that the packetdrill tool drives instead of a kernel.
#![allow(unsafe_code, reason = "C passes pointers")]

use core::ffi::{c_char, c_int, c_long, c_ulong, c_void};

use libc::{epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, sockaddr, socklen_t, ssize_t, timeval};

use crate::calls::*;
use crate::handle::{bowline_free, bowline_new};

type Host = *mut c_void;

/// The struct that the tool fills by [`packetdrill_interface_init`]: 33 words. Each function takes `userdata` first, and is
/// otherwise as in the C library.
///
/// There, `fcntl` and `ioctl` have an ellipsis. In the calling conventions of Linux on x86-64, AArch64 and RISC-V an integer or a
/// pointer after it is passed as if it were named, which is relied on here.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "named after the calls")]
pub struct PacketdrillInterface {
    pub userdata: Host,
    pub free: unsafe extern "C" fn(Host),
    pub socket: unsafe extern "C" fn(Host, c_int, c_int, c_int) -> c_int,
    pub bind: unsafe extern "C" fn(Host, c_int, *const sockaddr, socklen_t) -> c_int,
    pub listen: unsafe extern "C" fn(Host, c_int, c_int) -> c_int,
    pub accept: unsafe extern "C" fn(Host, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    pub connect: unsafe extern "C" fn(Host, c_int, *const sockaddr, socklen_t) -> c_int,
    pub read: unsafe extern "C" fn(Host, c_int, *mut c_void, usize) -> ssize_t,
    pub readv: unsafe extern "C" fn(Host, c_int, *const iovec, c_int) -> ssize_t,
    pub recv: unsafe extern "C" fn(Host, c_int, *mut c_void, usize, c_int) -> ssize_t,
    pub recvfrom:
        unsafe extern "C" fn(Host, c_int, *mut c_void, usize, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t,
    pub recvmsg: unsafe extern "C" fn(Host, c_int, *mut msghdr, c_int) -> ssize_t,
    pub write: unsafe extern "C" fn(Host, c_int, *const c_void, usize) -> ssize_t,
    pub writev: unsafe extern "C" fn(Host, c_int, *const iovec, c_int) -> ssize_t,
    pub send: unsafe extern "C" fn(Host, c_int, *const c_void, usize, c_int) -> ssize_t,
    pub sendto: unsafe extern "C" fn(Host, c_int, *const c_void, usize, c_int, *const sockaddr, socklen_t) -> ssize_t,
    pub sendmsg: unsafe extern "C" fn(Host, c_int, *const msghdr, c_int) -> ssize_t,
    pub fcntl: unsafe extern "C" fn(Host, c_int, c_int, c_long) -> c_int,
    pub ioctl: unsafe extern "C" fn(Host, c_int, c_ulong, *mut c_void) -> c_int,
    pub close: unsafe extern "C" fn(Host, c_int) -> c_int,
    pub shutdown: unsafe extern "C" fn(Host, c_int, c_int) -> c_int,
    pub getsockopt: unsafe extern "C" fn(Host, c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int,
    pub setsockopt: unsafe extern "C" fn(Host, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    pub poll: unsafe extern "C" fn(Host, *mut pollfd, nfds_t, c_int) -> c_int,
    pub netdev_send: unsafe extern "C" fn(Host, *const c_void, usize) -> c_int,
    pub netdev_receive: unsafe extern "C" fn(Host, *mut c_void, *mut usize, *mut i64) -> c_int,
    pub usleep: unsafe extern "C" fn(Host, u32) -> c_int,
    pub gettimeofday: unsafe extern "C" fn(Host, *mut timeval, *mut c_void) -> c_int,
    pub epoll_create: unsafe extern "C" fn(Host, c_int) -> c_int,
    pub epoll_ctl: unsafe extern "C" fn(Host, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    pub epoll_wait: unsafe extern "C" fn(Host, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pub pipe: unsafe extern "C" fn(Host, *mut c_int) -> c_int,
    pub splice: unsafe extern "C" fn(Host, c_int, *mut loff_t, c_int, *mut loff_t, usize, u32) -> ssize_t,
}

/// Makes a host of what `flags` say, and fills the table. With flags that say nothing known, `userdata` is null, and every
/// call of the table fails with `EINVAL`.
///
/// # Safety
/// `flags` is null or a C string; `interface` has room for the struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(flags: *const c_char, interface: *mut PacketdrillInterface) {
    // SAFETY: the caller promises a string.
    let userdata = unsafe { bowline_new(flags) };
    let table = PacketdrillInterface {
        userdata,
        free: bowline_free,
        socket: bowline_socket,
        bind: bowline_bind,
        listen: bowline_listen,
        accept: bowline_accept,
        connect: bowline_connect,
        read: bowline_read,
        readv: bowline_readv,
        recv: bowline_recv,
        recvfrom: bowline_recvfrom,
        recvmsg: bowline_recvmsg,
        write: bowline_write,
        writev: bowline_writev,
        send: bowline_send,
        sendto: bowline_sendto,
        sendmsg: bowline_sendmsg,
        fcntl: bowline_fcntl,
        ioctl: bowline_ioctl,
        close: bowline_close,
        shutdown: bowline_shutdown,
        getsockopt: bowline_getsockopt,
        setsockopt: bowline_setsockopt,
        poll: bowline_poll,
        netdev_send: bowline_netdev_send,
        netdev_receive: bowline_netdev_receive,
        usleep: bowline_usleep,
        gettimeofday: bowline_gettimeofday,
        epoll_create: bowline_epoll_create,
        epoll_ctl: bowline_epoll_ctl,
        epoll_wait: bowline_epoll_wait,
        pipe: bowline_pipe,
        splice: bowline_splice,
    };
    // SAFETY: the caller promises the room.
    unsafe { crate::memory::write(interface, table) };
}
