//! The other side of the host: packets, and the clock.
#![allow(unsafe_code, reason = "C passes pointers")]
#![allow(clippy::missing_safety_doc, reason = "the C library's contract of the same name")]

use core::ffi::{c_int, c_void};
use std::time::Duration;

use bowline_posix::Errno;
use libc::timeval;

use super::give_int;
use crate::engine::Engine;
use crate::handle::engine;
use crate::memory;

/// A raw IP packet arrives from the network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_netdev_send(host: *mut c_void, packet: *const c_void, len: usize) -> c_int {
    // SAFETY: the handle is one of ours, and there are `len` bytes.
    let (engine, packet) = unsafe { (engine(host), memory::bytes(packet, len)) };
    give_int(engine.and_then(|engine| {
        engine.packet_in(&packet?);
        Ok(0)
    }))
}

/// Waits in virtual time for the next raw IP packet to leave for the network. `count` holds the room, and then the length; 0
/// where no packet will leave by itself. `micros` is when it left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_netdev_receive(
    host: *mut c_void,
    to: *mut c_void,
    count: *mut usize,
    micros: *mut i64,
) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    // SAFETY: the caller's places, as of `bowline_netdev_poll`.
    give_int(engine.and_then(|engine| unsafe { give_packet(engine.packet_out(), engine, to, count, micros) }))
}

/// The next raw IP packet that has left already: as [`bowline_netdev_receive`], without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_netdev_poll(
    host: *mut c_void,
    to: *mut c_void,
    count: *mut usize,
    micros: *mut i64,
) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    // SAFETY: `count` and `micros` are places, and `to` has as much room as `count` says.
    give_int(engine.and_then(|engine| unsafe { give_packet(engine.packet_ready(), engine, to, count, micros) }))
}

/// # Safety
/// `count` and `micros` are null or places, and `to` has as much room as `count` says.
unsafe fn give_packet(
    packet: Option<(u64, Vec<u8>)>,
    engine: &Engine,
    to: *mut c_void,
    count: *mut usize,
    micros: *mut i64,
) -> Result<i64, Errno> {
    let (at, packet) = packet.unwrap_or_else(|| (engine.now(), Vec::new()));
    // SAFETY: the caller promises it.
    unsafe {
        let room = memory::read(count).ok_or(Errno::EFAULT)?;
        memory::write(count, memory::fill(to, room, &packet));
        memory::write(micros, at as i64);
    }
    if packet.is_empty() || !to.is_null() { Ok(0) } else { Err(Errno::EFAULT) }
}

/// Lets virtual time pass.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_usleep(host: *mut c_void, micros: u32) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.map(|engine| {
        engine.sleep(Duration::from_micros(micros.into()));
        0
    }))
}

/// `gettimeofday`, of the virtual clock. It creeps by a microsecond a call. The time zone is not touched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_gettimeofday(host: *mut c_void, to: *mut timeval, _zone: *mut c_void) -> c_int {
    // SAFETY: the handle is one of ours.
    let engine = unsafe { engine(host) };
    give_int(engine.and_then(|engine| {
        let micros = engine.time();
        let time = timeval { tv_sec: (micros / 1_000_000) as _, tv_usec: (micros % 1_000_000) as _ };
        // SAFETY: it is null, or a place for a time.
        if unsafe { memory::write(to, time) } { Ok(0) } else { Err(Errno::EFAULT) }
    }))
}
