//! `svidex-emulator run`: a command with a running emulator around it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::emulator::Emulator;

/// Runs `command` with the emulator's environment; gives its exit status, or 128
/// and the signal that ended it, as a shell does.
pub(crate) fn run(emulator: &Emulator, command: &[OsString]) -> Result<ExitCode, String> {
    let (program, arguments) = command.split_first().ok_or("no command given")?;
    let status = emulator.block_on(async {
        let child = Command::new(program)
            .args(arguments)
            .envs(emulator.info().environment())
            .env_remove("OPENAI_API_KEY")
            .kill_on_drop(true)
            .spawn()?;
        wait(child).await
    });
    let status = status.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(ExitCode::from(code(status)))
}

/// Waits for the command. Signals that ask us to end are its to answer: an
/// interrupt has reached it from the terminal already, the others are passed on.
async fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let passed_on = tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => continue,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
        };
        // The ID is the child's until it has been waited for.
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            kill_process(pid, passed_on)?;
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code & 0xff).unwrap_or(1)
}
