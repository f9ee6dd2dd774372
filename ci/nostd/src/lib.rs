//! Links Bowline's core beside a panic handler and an allocator of its own.
//!
//! Two panic handlers or two allocators cannot be linked, so this builds only while nothing below needs std. That the
//! library asks the linker for nothing but memory copies is checked by `cargo xtask nostd`.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

pub use {bowline_base, bowline_stack, bowline_tcp, bowline_wire};

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

/// Something for a linker to start from, which also uses the allocator.
#[unsafe(no_mangle)]
pub extern "C" fn bowline_nostd(nanoseconds: u64) -> u64 {
    let now = Box::new(bowline_base::Instant::from_nanos(nanoseconds));
    now.as_nanos()
}
