//! The emulator against clients that are not ours: the `spiffe` crate, reqwest,
//! plain gRPC, and processes of its own.

mod anthropic;
mod api;
mod bench;
mod control;
mod exchange;
mod faults;
mod proxy;
mod raw_grpc;
mod roles;
mod token_file;
mod workload_api;
