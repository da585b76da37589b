//! Real sockets, TLS and files: where the provider connects, whom it trusts,
//! and what it takes from whoever answers. What can go wrong with an answer is
//! in `faults`.

mod addresses;
mod answers;
mod bodies;
mod callers;
mod certificates;
mod child;
mod dead_sockets;
mod environment;
mod identities;
mod logs;
mod names;
mod parts;
mod proxies;
mod redirects;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod token_file;
