//! The native half of the npm package `svidex`.
//!
//! It converts types and adapts waiting; the JavaScript half (`lib/`) gives it
//! its public face. Nothing here is public API of the npm package.
//!
//! Conventions towards the JavaScript half:
//! - an expected failure is *returned*, as a `Failure`;
//! - what is thrown is a defect (a panic, or Node refusing something), and
//!   becomes a `SvidexError` with the code `internal`.

mod command;
mod completion;
mod doctor;
mod failure;
mod fault;
mod observation;
mod provider;
mod settings;
mod status;
mod text;

use napi_derive::napi;

/// Version of the native library.
#[napi(catch_unwind)]
#[must_use]
pub fn version() -> &'static str {
    fault::point("version");
    svidex::VERSION
}
