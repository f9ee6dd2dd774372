//! Links Bowline's core beside a panic handler and an allocator of its own.
//!
//! Two panic handlers or two allocators cannot be linked, so this builds only while nothing below needs std. That the
//! library asks the linker for nothing but memory copies is checked by `cargo xtask nostd`.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use bowline_base::Instant;
use bowline_stack::{Cidr, Config, Interface, Stack};
use bowline_tcp::Listen;
use bowline_wire::{Capabilities, RxPacket};
use bytes::Bytes;

/// The smallest allocator there is: it hands out an arena once and takes nothing back.
struct Arena;

const ARENA_LEN: usize = 1 << 20;

#[repr(align(64))]
struct Memory(core::cell::UnsafeCell<[u8; ARENA_LEN]>);

// SAFETY: `Arena` hands out each byte at most once, so no two threads ever share one.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(core::cell::UnsafeCell::new([0; ARENA_LEN]));
static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: `alloc` returns null or a block of the layout's size and alignment that nobody else has.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = MEMORY.0.get() as usize;
        let claim = USED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            start.checked_add(layout.size()).filter(|end| *end <= ARENA_LEN)
        });
        match claim {
            Ok(used) => ((base + used).next_multiple_of(layout.align())) as *mut u8,
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Arena = Arena;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// A host that takes a packet, sends what it has to, and says when to come back: everything that the core does, reachable
/// for a linker. It returns the bytes sent.
///
/// # Safety
/// `packet` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_nostd(nanoseconds: u64, packet: *const u8, len: usize) -> usize {
    // SAFETY: the caller promises it.
    let packet = unsafe { core::slice::from_raw_parts(packet, len) };
    let now = Instant::from_nanos(nanoseconds);
    let mut stack = Stack::new(Config::default(), [7; 32], now);
    let addresses = "192.0.2.1/24".parse::<Cidr>().ok();
    let Some(interface) = stack.add_interface(Interface::new(Capabilities::plain(1500), addresses)) else { return 0 };
    if stack.tcp_mut().listen(Listen::on_port(80)).is_err() {
        return 0;
    }
    let data = Bytes::copy_from_slice(packet);
    stack.handle_packet(now, interface, RxPacket { pinned: data.len(), data, ..RxPacket::default() });
    if stack.poll_timeout().is_some_and(|due| due <= now) {
        stack.handle_timeout(now);
    }
    let mut sent = 0;
    while stack.poll_transmit(now, &mut |_, packet| sent += packet.len()) {}
    while stack.poll_event().is_some() {}
    sent
}
