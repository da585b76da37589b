//! `svidex bridge`.

mod files;
mod once;
mod outages;
mod refusals;
mod told;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use svidex_emulator::Emulator;

use crate::running::{Running, command};

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

/// Ends within a second, and says so.
fn end(bridge: Running) {
    let begun = Instant::now();
    bridge.signal(Signal::TERM);
    let status = bridge.wait();
    assert_eq!(status.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

fn run_bridge(emulator: &Emulator, args: &[&str]) -> (Option<i32>, String) {
    let output = command(emulator, args).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}
