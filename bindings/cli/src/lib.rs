//! The `svidex` command: the shell's binding. It parses and prints; everything
//! that decides anything is in the `svidex` crate.

mod bridge;
mod cache;
mod commands;
mod exec;
mod failure;
mod options;
mod process;
mod setup;
mod token;
mod usage;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::bridge::Bridge;
use crate::commands::{Doctor, Inspect};
use crate::exec::Exec;
use crate::failure::Failure;
use crate::setup::Setup;

/// JWT-SVIDs and OpenAI access tokens for the shell, and what is wrong when
/// there are none.
///
/// A workload with a SPIFFE identity gets a JWT-SVID from the SPIFFE Workload
/// API, or from a file that a sidecar keeps fresh, and exchanges it for a
/// short-lived OpenAI access token.
#[derive(Parser)]
#[command(name = "svidex", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done; doctor: no check failed
  1  doctor: a check failed; else a defect in svidex, or nowhere to write to
  2  usage or configuration (invalid_config)
  3  no SVID (source_unavailable, permission_denied, invalid_subject_token)
  4  no exchange (exchange_rejected, exchange_unavailable)
  5  the deadline passed first (timeout)
  6  a file cannot be written (bridge)

Errors go to standard error as `svidex: KIND: MESSAGE`. An option beats its
environment variable. To see what is wrong: svidex doctor";

#[derive(Subcommand)]
enum Command {
    /// Print an OpenAI access token and a newline
    ///
    /// For an Authorization header, which does not show in a list of processes:
    ///
    ///   svidex token --header | curl -H @- https://api.openai.com/v1/models
    ///
    /// Waits for the source and the token endpoint until --call-timeout-seconds
    /// have passed.
    #[command(verbatim_doc_comment)]
    Token(token::AccessToken),
    /// Print a JWT-SVID and a newline
    ///
    /// Waits for the source until --call-timeout-seconds have passed. Needs no
    /// IDs of OpenAI's.
    Svid(token::Svid),
    /// Keep files fresh for programs that read files
    ///
    /// Writes a JWT-SVID, an OpenAI access token, or several of them (--config)
    /// into files, each replaced whole before its token is due, until it is
    /// asked to end:
    ///
    ///   svidex bridge --svid-file /run/openai/svid --access-token-file /run/openai/token
    ///
    /// Another program of svidex takes the access token from such a file with
    /// SVIDEX_ACCESS_TOKEN_FILE, without an exchange of its own.
    #[command(verbatim_doc_comment)]
    Bridge(Bridge),
    /// Run a program with an access token in its environment
    ///
    /// For jobs that are shorter than a token lives (an hour at most). Passes
    /// signals on, and ends as the program does (128 and the number if a signal
    /// ended it).
    #[command(verbatim_doc_comment)]
    Exec(Exec),
    /// Print what to type into OpenAI's forms for this identity
    ///
    /// Fetches one SVID, and exchanges nothing.
    Setup(Setup),
    /// Print what a JWT-SVID says: header, claims, and what OpenAI would miss
    ///
    /// Prints neither the token nor its signature, and verifies neither. The
    /// exit status is 0 for whatever can be decoded.
    Inspect(Inspect),
    /// Try every step from configuration to access token, and say what to do
    ///
    /// Fetches one SVID, looks its issuer's keys up, exchanges it once if the
    /// IDs are configured, and compares the clocks. Prints no token.
    Doctor(Doctor),
}

/// Runs the command with the arguments of a process, its own name first, and gives
/// its exit status: for the program of that name, and for the packages that bring the
/// command along inside a library.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::end_when_asked_to();
    // A panic is a defect of svidex, which has a status in the help.
    std::panic::catch_unwind(AssertUnwindSafe(|| {
        let outcome = match Cli::try_parse_from(arguments).map(|cli| cli.command) {
            Ok(Command::Token(command)) => token::access_token(command),
            Ok(Command::Svid(command)) => token::svid(command),
            Ok(Command::Bridge(bridge)) => bridge::run(bridge),
            Ok(Command::Exec(exec)) => exec::run(exec),
            Ok(Command::Setup(setup)) => setup::run(setup),
            Ok(Command::Inspect(inspect)) => commands::inspect(inspect),
            Ok(Command::Doctor(doctor)) => commands::doctor(doctor),
            Err(usage) => usage::tell(&usage),
        };
        outcome.unwrap_or_else(|failure: Failure| failure.report())
    }))
    .unwrap_or(ExitCode::FAILURE)
}

/// The same inside a process that is another program's, an interpreter's, and whose
/// only work this is: with the signals of a program, and the status as a number.
pub fn run_in_host(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    process::take_over_from_host();
    let code = run(arguments);
    // The standard library has no other way to look into one.
    (0..=u8::MAX)
        .find(|status| ExitCode::from(*status) == code)
        .unwrap_or(1)
}

/// What the command takes: for completions and man pages (`pages/`).
#[doc(hidden)]
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}
