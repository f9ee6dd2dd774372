//! `cargo bench -p bowline-bench --bench memory [-- --quick] [-- --json] [-- --only TEXT]`: speed in memory,
//! beside smoltcp. TEXT is part of the name of a measure or of a contender.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use bowline_bench::{Result, memory};

fn main() -> Result<()> {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let mut plan = if has("--quick") { memory::Plan::quick() } else { memory::Plan::default() };
    plan.only = std::env::args().skip_while(|arg| arg != "--only").nth(1).unwrap_or_default();
    let report = memory::speed(&mut memory::contenders(), &plan);
    let text = if has("--json") { report.to_json()? } else { report.to_string() };
    println!("{text}");
    Ok(())
}
