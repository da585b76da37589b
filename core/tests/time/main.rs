//! What time does to tokens, with real sockets and lives of seconds: outages that
//! end just before or after a token's last use, rotation, clocks that are off,
//! registrations that come late or go.

mod clocks;
mod denial;
mod outage;
mod rotation;
#[path = "../support/mod.rs"]
mod support;
