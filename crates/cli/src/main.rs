//! The `bowline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bowline_cli::cli::main()
}
