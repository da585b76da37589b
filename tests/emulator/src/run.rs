//! `svidex-emulator run`: a command with a running emulator around it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use crate::emulator::Emulator;

/// Runs `command` with the emulator's environment; gives its exit status, or 128
/// and the signal that ended it, as a shell does.
pub(crate) fn run(emulator: &Emulator, command: &[OsString]) -> Result<ExitCode, String> {
    let (program, arguments) = command.split_first().ok_or("no command given")?;
    let status = Command::new(program)
        .args(arguments)
        .envs(emulator.info().environment())
        .env_remove("OPENAI_API_KEY")
        .status()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(ExitCode::from(code(status)))
}

fn code(status: ExitStatus) -> u8 {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code & 0xff).unwrap_or(1)
}
