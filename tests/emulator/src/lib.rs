//! Plays a SPIFFE authority and OpenAI's side of workload identity federation,
//! on loopback, so that every language's tests have the whole path at hand.
//!
//! It judges the product, so it shares no code with it. See the README for the
//! command line and the control API; from Rust:
//!
//! ```
//! use svidex_emulator::{Emulator, Fault, Leg, Options};
//!
//! let emulator = Emulator::start(Options::default());
//! assert!(emulator.info().endpoint_socket.starts_with("unix:///"));
//! emulator.fault(Leg::TokenEndpoint, Fault { status: Some(503), ..Fault::default() });
//! assert_eq!(emulator.counters().exchanges, 0);
//! ```

mod agent;
mod anthropic;
mod authority;
mod cli;
mod clock;
mod control;
mod control_api;
mod counters;
mod dir;
mod emulator;
mod faults;
mod info;
mod jwt;
mod leg;
mod net;
mod openai;
mod random;
mod run;
mod settings;
mod spiffe_id;
mod start;
mod world;

pub use agent::{TokenFileMode, TokenFilePlan};
pub use authority::{Algorithm, KeyError, KeyringError};
pub use cli::main;
pub use control::{ControlError, Revocation};
pub use counters::Counters;
pub use emulator::{Emulator, Options, Role, StartError};
pub use faults::{Barrier, Fault};
pub use info::Info;
pub use leg::Leg;
pub use net::TlsError;
pub use openai::{ADMIN_KEY, AUDIENCE, IDENTITY_PROVIDER_ID, SERVICE_ACCOUNT_ID};
pub use settings::{Identity, Minting, Settings};
