//! `cargo bench -p bowline-bench --bench memory [-- --quick] [-- --json]`: speed in memory, beside smoltcp.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use bowline_bench::{Result, memory};

fn main() -> Result<()> {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let plan = if has("--quick") { memory::Plan::quick() } else { memory::Plan::default() };
    let report = memory::speed(&mut memory::contenders(), &plan);
    let text = if has("--json") { report.to_json()? } else { report.to_string() };
    println!("{text}");
    Ok(())
}
