//! `cargo bench -p bowline-bench --bench gateway [-- --quick] [-- --json] [-- --only TEXT] [-- --bowline PATH]`: iperf3,
//! wrk, round trips and short connections through slirp4netns, pasta, no gateway, and `bowline run` where its executable
//! is given.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use bowline_bench::process::Program;
use bowline_bench::{Result, gateway, job};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, job)) = args.split_first().filter(|(first, _)| *first == "peer") {
        println!("{}", job::main(job)?);
        return Ok(());
    }
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let bowline = args.iter().skip_while(|arg| *arg != "--bowline").nth(1).map(Into::into);
    let plan = gateway::Plan::new(Program::current(["peer"])?, bowline);
    let mut plan = if has("--quick") { plan.quick() } else { plan };
    plan.only = args.iter().skip_while(|arg| *arg != "--only").nth(1).cloned().unwrap_or_default();
    let report = gateway::run(&plan)?;
    let text = if has("--json") { report.to_json()? } else { report.to_string() };
    println!("{text}");
    Ok(())
}
