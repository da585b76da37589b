//! The `svidex` command as a shell sees it, against the emulator.

mod common;
mod doctor;
mod help;
mod inspect;
mod process;
mod secrets;
mod tokens;
mod trouble;
