//! The provider and its worker with scripted peers and a clock that the tests
//! own: nothing here waits for time to pass.

mod bench;
mod callers;
mod renewal;
mod reports;
