//! The `svidex` command as a shell sees it, against the emulator.

mod bridge;
mod common;
mod doctor;
mod help;
mod inspect;
mod network;
mod process;
mod running;
mod secrets;
mod shell;
mod tokens;
mod trouble;
mod whole_files;
