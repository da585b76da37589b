//! The primitives through which callers and their worker share a provider, by
//! one name: under the model checker each of their steps is one that it may put
//! between any others (`model/sync.rs`; tests with the feature `shuttle` alone).

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};

pub(crate) use arc_swap::ArcSwapOption;
pub(crate) use tokio::sync::Notify;
