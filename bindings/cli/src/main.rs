//! The program: the command and the arguments of its process.

use std::process::ExitCode;

fn main() -> ExitCode {
    svidex_cli::run(std::env::args_os())
}
