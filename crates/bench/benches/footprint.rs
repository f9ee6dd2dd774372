//! `cargo bench -p bowline-bench --bench footprint [-- --quick] [-- --json]`: bytes for an idle connection and for a
//! half-open one, by a counting allocator. A program of its own, because counting slows every allocation down.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use bowline_bench::{Result, memory};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated now.
fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    let grown = isize::try_from(stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated));
    grown.unwrap_or_default().unsigned_abs()
}

fn main() -> Result<()> {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let plan = if has("--quick") { memory::Plan::quick() } else { memory::Plan::default() };
    let report = memory::footprint(&mut memory::contenders(), &plan, allocated);
    let text = if has("--json") { report.to_json()? } else { report.to_string() };
    println!("{text}");
    Ok(())
}
