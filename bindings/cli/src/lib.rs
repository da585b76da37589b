//! The `svidex` command: the shell's binding. It parses and prints; everything
//! that decides anything is in the `svidex` crate.

mod commands;
mod failure;
mod options;
mod process;
mod usage;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::Inspect;
use crate::failure::Failure;
use crate::options::Options;

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

Errors go to standard error as `svidex: KIND: MESSAGE`. An option beats its
environment variable. To see what is wrong: svidex doctor";

#[derive(Subcommand)]
enum Command {
    /// Print an OpenAI access token and a newline
    ///
    /// For an Authorization header:
    ///
    ///   curl -H "Authorization: Bearer $(svidex token)" https://api.openai.com/v1/models
    ///
    /// Waits for the source and the token endpoint until --call-timeout-seconds
    /// have passed.
    #[command(verbatim_doc_comment)]
    Token(Options),
    /// Print a JWT-SVID and a newline
    ///
    /// Waits for the source until --call-timeout-seconds have passed. Needs no
    /// IDs of OpenAI's.
    Svid(Options),
    /// Print what a JWT-SVID says: header, claims, and what OpenAI would miss
    ///
    /// Prints neither the token nor its signature, and verifies neither. The
    /// exit status is 0 for whatever can be decoded.
    Inspect(Inspect),
    /// Try every step from configuration to access token, and say what to do
    ///
    /// Fetches one SVID, looks its issuer's keys up, exchanges it once if the
    /// IDs are configured, and compares the clocks. Prints no token.
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: Options,
    },
}

/// Runs the command with the arguments of a process, its own name first, and gives
/// its exit status: for the program of that name, and for the packages that bring the
/// command along inside a library.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::end_when_asked_to();
    // A panic is a defect of svidex, which has a status in the help.
    std::panic::catch_unwind(AssertUnwindSafe(|| {
        let outcome = match Cli::try_parse_from(arguments).map(|cli| cli.command) {
            Ok(Command::Token(options)) => commands::token(options),
            Ok(Command::Svid(options)) => commands::svid(options),
            Ok(Command::Inspect(inspect)) => commands::inspect(inspect),
            Ok(Command::Doctor { json, options }) => commands::doctor(options, json),
            Err(usage) => usage::tell(&usage),
        };
        outcome.unwrap_or_else(|failure: Failure| failure.report())
    }))
    .unwrap_or(ExitCode::FAILURE)
}

/// The same inside a process that is another program's, an interpreter's, and whose
/// only work this is: with the signals of a program, and the status as a number.
pub fn run_in_host(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    process::take_signals_from_host();
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
