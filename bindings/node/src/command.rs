//! The `svidex` command, for the program that the npm package installs.

use std::ffi::OsString;

use napi_derive::napi;

use crate::fault;

/// Runs the command with these arguments, its name first, and gives its exit status.
/// The process has to be its own: signals are handled as a program's from now on.
#[napi(catch_unwind)]
#[must_use]
pub(crate) fn run_command(arguments: Vec<String>) -> u8 {
    fault::point("run_command");
    svidex_cli::run_in_host(arguments.into_iter().map(OsString::from))
}
