//! Sockets: TLS under a CA of its own, connections that can be reset, and a
//! small client for discovery.

mod authority;
mod fetch;
mod serve;
mod tls;

pub(crate) use fetch::{FetchError, Fetcher};
pub(crate) use serve::{Connection, duplicate, serve_connection, serve_tcp, serve_unix};
pub use tls::TlsError;
pub(crate) use tls::{CA_FILE, CertificateAuthority};
