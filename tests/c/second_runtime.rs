//! Another static library written in Rust, which brings its own copy of Rust's
//! runtime: the test is that it links beside libsvidex.a, and that a panic in
//! each finds its own way.

use std::ffi::c_int;

/// 1 if a panic in here was caught in here.
#[unsafe(no_mangle)]
pub extern "C" fn second_catches_its_panic() -> c_int {
    std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(7)))
        .is_err()
        .into()
}
