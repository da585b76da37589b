//! **svidex**: the credential provider for workloads that hold a SPIFFE
//! identity and call the OpenAI API.
//!
//! A [`Provider`] fetches JWT-SVIDs from the SPIFFE Workload API or from a
//! file, exchanges them for OpenAI access tokens (RFC 8693), and keeps both
//! fresh in the background. The C library and the Python, Node and Go packages
//! are thin layers over this crate. A program may bring parts of its own: see
//! [`extend`].
//!
//! ```no_run
//! # async fn example() -> Result<(), svidex::Error> {
//! let provider = svidex::Provider::from_env(svidex::Config::default())?;
//! let access_token = provider.access_token().await?;
//! println!("Authorization: Bearer {}", access_token.expose_secret());
//! # Ok(())
//! # }
//! ```

// Each module imports only from those above it.
mod secret;
mod jwt;
mod stray;
mod cause;
mod error;
mod future;
mod foreign;
#[cfg_attr(all(test, feature = "shuttle"), path = "model/sync.rs")]
mod sync;
mod clock;
mod random;
mod limits;
mod process;
#[cfg_attr(all(test, feature = "shuttle"), path = "model/bell.rs")]
mod bell;
mod threads;
#[cfg_attr(all(test, feature = "shuttle"), path = "model/host.rs")]
mod host;
mod lent;
mod shared_memory;
mod origin;
mod agent;
mod config;
mod event;
#[cfg_attr(all(test, feature = "shuttle"), path = "model/runtime.rs")]
mod runtime;
mod skew;
mod http;
mod policy;
mod snapshot;
mod source;
mod exchange;
mod mailbox;
mod status;
mod report;
mod worker;
mod supervisor;
mod call;
mod provider;
mod builder;
mod reader;
pub mod extend;
#[doc(hidden)]
pub mod binding;
pub mod doctor;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(test, feature = "shuttle"))]
mod model;
#[cfg(any(test, feature = "fuzzing"))]
mod test_tokens;
#[cfg(test)]
mod test_vectors;
#[cfg(all(test, not(feature = "shuttle")))]
mod tests;

pub use builder::Builder;
pub use call::{Operation, Waiter};
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use event::{Event, EventKind, Level, Observation};
pub use jwt::{Jwt, JwtError};
pub use provider::{Provider, WorkloadIdentity};
pub use snapshot::{Token, TokenKind};
pub use status::{LastError, Status, TokenStatus};

/// The version of this library.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
