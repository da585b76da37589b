//! The C ABI of svidex: `libsvidex.so`, `libsvidex.a` and `svidex.h`.
//!
//! Nothing here decides anything: each export checks its pointers, converts its
//! arguments, calls the core crate and converts the answer, all of it inside
//! one panic guard (`guard.rs`). The comments on exports are what the header
//! shows, so they speak to C programmers; the conventions that hold for all of
//! them stand once, in `cbindgen.toml`, and open the header.
#![allow(
    non_camel_case_types,
    reason = "types carry the names that they have in the header"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "what a pointer must be is said once for all exports, at the top of the header"
)]

mod config;
mod doctor;
mod error;
mod event;
mod guard;
mod handle;
mod identity;
#[cfg(feature = "inject-panics")]
mod inject;
mod operation;
mod provider;
mod result;
mod status;
mod text;
mod token;
mod version;

pub use config::*;
pub use doctor::*;
pub use error::*;
pub use event::*;
pub use identity::*;
#[cfg(feature = "inject-panics")]
pub use inject::*;
pub use operation::*;
pub use provider::*;
pub use result::*;
pub use status::*;
pub use token::*;
pub use version::*;
