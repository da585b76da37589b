//! `svidex exec`: a program with a token in its environment, for jobs that are shorter
//! than a token lives.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use svidex::{Provider, TokenKind, binding};

use crate::commands::wait;
use crate::failure::Failure;
use crate::options::Options;
use crate::process::{Signals, signals};

/// What a program may be sent beside what ends one.
const PASSED_ON: [libc::c_int; 4] = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH, libc::SIGALRM];

#[derive(Args)]
pub(crate) struct Exec {
    /// The variable that holds the token
    #[arg(long, value_name = "NAME", default_value = "OPENAI_API_KEY")]
    env: String,
    #[command(flatten)]
    options: Options,
    /// The program and its arguments, behind --
    #[arg(value_name = "CMD", required = true, last = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(exec: Exec) -> Result<ExitCode, Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if exec.env.is_empty()
        || exec.env.starts_with(|c: char| c.is_ascii_digit())
        || !exec.env.chars().all(is_name)
    {
        return Err(Failure::Usage(
            "--env takes the name of a variable: letters, digits and underscores".to_owned(),
        ));
    }
    let provider = Provider::from_env(exec.options.into())?;
    let token = wait(&provider, TokenKind::Access)?;
    let ends_at = token.expires_at_unix_ms();
    let signals = signals(&PASSED_ON).map_err(Failure::Input)?;
    let [program, arguments @ ..] = &exec.command[..] else {
        return Err(Failure::Usage("there is no command to run".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(&exec.env, token.expose_secret());
    let mut started = match command.spawn() {
        Ok(started) => started,
        Err(error) => {
            let name = program.to_string_lossy();
            let name = binding::without_tokens(&name);
            let _ = writeln!(io::stderr(), "svidex: exec: {name} cannot be run: {error}");
            // As a shell has it.
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            return Ok(ExitCode::from(if is_missing { 127 } else { 126 }));
        }
    };
    // It is in the environment of the program, and needed here no more.
    drop(command);
    drop(token);
    provider.close();
    let pid = i32::try_from(started.id()).ok().and_then(Pid::from_raw);
    pass_on(signals, pid);
    tell_of_the_end(&exec.env, ends_at);
    let status = started.wait().map_err(Failure::Input)?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(1)))
}

/// What this process is sent, the program gets. What a terminal sends, it has already.
fn pass_on(mut signals: Signals, pid: Option<Pid>) {
    let pass = move || {
        loop {
            let (signal, by_terminal) = signals.wait();
            if !by_terminal
                && let Some(pid) = pid
                && let Some(signal) = Signal::from_named_raw(signal)
            {
                let _ = kill_process(pid, signal);
            }
        }
    };
    let _ = std::thread::Builder::new()
        .name("svidex-signals".to_owned())
        .spawn(pass);
}

/// A program that goes on after its token has ended is told why it is refused.
fn tell_of_the_end(variable: &str, ends_at_unix_ms: i64) {
    let variable = variable.to_owned();
    let tell = move || {
        // Looked at again and again: the machine may sleep meanwhile.
        loop {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
            let left = ends_at_unix_ms - now;
            if left <= 0 {
                break;
            }
            let left = Duration::from_millis(left.unsigned_abs());
            std::thread::sleep(left.min(Duration::from_secs(10)));
        }
        let end = binding::rfc3339(ends_at_unix_ms);
        let _ = writeln!(
            io::stderr(),
            "svidex: exec: the token in {variable} ended at {end}, and the command goes on: it \
             is refused from now on. A program that runs for longer wants the library, or svidex \
             bridge"
        );
    };
    let _ = std::thread::Builder::new()
        .name("svidex-end".to_owned())
        .spawn(tell);
}
