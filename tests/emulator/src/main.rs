//! The `svidex-emulator` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    svidex_emulator::main()
}
