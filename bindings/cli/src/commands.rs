//! What each command does.

use std::future::Future;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use svidex::doctor;
use svidex::{Config, Error, Provider, Token, TokenKind};

use crate::failure::Failure;
use crate::options::Options;
use crate::process::output;

/// No token is larger; the library says so to whoever sends more.
const MAX_INPUT_BYTES: u64 = 64 * 1024 + 1;

#[derive(Args)]
pub(crate) struct Inspect {
    /// A file with a token, or `-` for standard input [default: the configured source]
    #[arg(
        value_name = "FILE|-",
        conflicts_with_all = ["endpoint_socket", "identity_token_file", "hint"]
    )]
    input: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

/// Waits as long as the configuration says. Somebody who sits before it is told
/// what it is waiting for.
pub(crate) fn wait(provider: &Provider, kind: TokenKind) -> Result<Arc<Token>, Error> {
    wait_for(provider, kind, None)
}

/// ... or for as long as `limit`.
pub(crate) fn wait_for(
    provider: &Provider,
    kind: TokenKind,
    limit: Option<Duration>,
) -> Result<Arc<Token>, Error> {
    const SLICE: Duration = Duration::from_secs(2);
    let waiter = provider.wait(kind, limit);
    let mut told = None;
    loop {
        if let Some(result) = waiter.wait_for(SLICE) {
            return result;
        }
        let failed = provider.status().last_error.map(|error| error.message);
        if failed.is_some() && failed != told && io::stderr().is_terminal() {
            let words = failed.as_deref().unwrap_or_default();
            let _ = writeln!(io::stderr(), "svidex: still trying: {words}");
            told = failed;
        }
    }
}

pub(crate) fn inspect(inspect: Inspect) -> Result<ExitCode, Failure> {
    let mut config = Config::from(inspect.options);
    let inspection = if inspect.input.as_deref() == Some("-") {
        let input = read_input().map_err(Failure::Input)?;
        doctor::Doctor::from_env(config).inspect(&String::from_utf8_lossy(&input))?
    } else {
        if let Some(file) = inspect.input {
            if svidex::binding::is_no_path(&file) {
                return Err(Failure::Usage(
                    "the argument of inspect looks like a token (it is not repeated here), not \
                     like a file: pipe a token instead (svidex svid | svidex inspect -), for \
                     arguments can be seen by every process of this host"
                        .to_owned(),
                ));
            }
            config.identity_token_file = Some(file);
        }
        block_on(doctor::Doctor::from_env(config).inspect_source())?
    };
    show(&inspection, inspect.json)
}

fn read_input() -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut input)?;
    Ok(input)
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The JWKS that is, or is to be, uploaded to the Workload Identity Provider
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<String>,
    /// The environment variable with an admin key, to look at the OpenAI Platform, too
    #[arg(long, value_name = "NAME")]
    admin_key_env: Option<String>,
    #[command(flatten)]
    options: Options,
}

pub(crate) fn doctor(command: Doctor) -> Result<ExitCode, Failure> {
    let mut examination = doctor::Doctor::from_env(command.options.into());
    if let Some(path) = command.jwks_file {
        examination = examination.jwks_file(path);
    }
    if let Some(name) = command.admin_key_env {
        examination = examination.admin_key_env(name);
    }
    let report = block_on(examination.examine())?;
    show(&report, command.json)?;
    Ok(ExitCode::from(u8::from(!report.healthy)))
}

pub(crate) fn show(what: &(impl Serialize + ToString), json: bool) -> Result<ExitCode, Failure> {
    let text = match json {
        true => {
            serde_json::to_string_pretty(what).map_err(|error| Failure::Output(error.into()))?
        }
        false => what.to_string(),
    };
    print(&text)
}

pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    let line = format!("{text}\n");
    output()
        .and_then(|mut output| output.write_all(line.as_bytes()))
        .map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// The library's futures need no particular executor: this thread sleeps until
/// one is done.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
