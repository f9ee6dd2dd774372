//! `cargo bench -p bowline-bench --bench tun [-- --quick] [-- --json] [-- --only TEXT]`: a sink and a source on
//! a TUN, beside smoltcp.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use bowline_bench::process::Program;
use bowline_bench::{Result, job, tun};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, job)) = args.split_first().filter(|(first, _)| *first == "peer") {
        println!("{}", job::main(job)?);
        return Ok(());
    }
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let mut plan = if has("--quick") { tun::Plan::quick() } else { tun::Plan::default() };
    plan.only = args.iter().skip_while(|arg| *arg != "--only").nth(1).cloned().unwrap_or_default();
    let report = tun::run(&plan, &Program::current(["peer"])?)?;
    let text = if has("--json") { report.to_json()? } else { report.to_string() };
    println!("{text}");
    Ok(())
}
