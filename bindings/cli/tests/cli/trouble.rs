//! The command while files and names hang (tests/hangs), and at the limit of threads.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "a test that says why it is skipped")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Run, against, emulator, program};

const INSIDE: &str = "SVIDEX_TEST_TROUBLE";
const HANGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hangs/hangs.py");
const SKIPPED: i32 = 77;

#[test]
fn while_files_and_names_hang() {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new(HANGS)
        .arg(this)
        .args(["--exact", "trouble::inside", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("Python");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(SKIPPED) {
        println!("{why}");
        return;
    }
    assert!(output.status.success(), "{said}{why}");
}

/// The program for that. Run as an ordinary test, it has nothing to do.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let emulator = emulator();
    let files = std::env::var("SVIDEX_HUNG_FILES").expect("files");
    let file = files.split(':').next().expect("a file");
    let name = std::env::var("SVIDEX_HUNG_NAME").expect("a name");
    let endpoint = format!("https://{name}/token");
    let from_file = ["svid", "--identity-token-file", file];
    let to_name = ["token", "--token-endpoint", &endpoint];
    let trusting = ["token", "--ca-file", file];
    let deadline = Duration::from_secs(1);
    let slack = match std::env::var("SVIDEX_LONG") {
        Ok(long) if long == "1" => Duration::from_millis(200),
        // Starting a process is part of it, on a machine with other things to do.
        _ => Duration::from_secs(10),
    };
    // To be told of what the CA file is, one waits a moment more.
    let look = Duration::from_millis(200);
    for (arguments, more, words) in [
        (from_file, Duration::ZERO, "file system"),
        (to_name, Duration::ZERO, "looking up"),
        (trusting, look, "file system"),
    ] {
        let timeouts = [
            "--request-timeout-seconds",
            "0.5",
            "--call-timeout-seconds",
            "1",
        ];
        let begun = Instant::now();
        let Run { status, stderr, .. } = against(&emulator, &[&arguments[..], &timeouts].concat());
        let took = begun.elapsed();
        assert!(took < deadline + slack + more, "{took:?}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
        // Of the source, or of the exchange.
        assert!([3, 4].contains(&status), "{status}: {stderr}");
    }
    let begun = Instant::now();
    let doctor = ["doctor", "--request-timeout-seconds", "0.5"];
    let run = against(&emulator, &[&doctor[..], &from_file[1..]].concat());
    assert_eq!(run.status, 1, "{run:?}");
    assert!(begun.elapsed() < 10 * deadline, "{:?}", begun.elapsed());
    assert!(run.stdout.contains("file system"), "{run:?}");
}

/// Nobody else's, so that its threads are ours.
const STRANGER: u32 = 54_321;

#[test]
fn at_the_limit_of_threads() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: root alone can become a user without threads");
        return;
    }
    // The command, where the stranger finds it.
    let dir = tempfile::tempdir_in("/tmp").expect("a directory");
    let command = dir.path().join("svidex");
    // By another process: a child of this one that another test starts meanwhile would
    // have the copy open, and who is open to be written cannot be run.
    let copied = Command::new("cp").arg(program()).arg(&command).status();
    assert!(copied.expect("cp").success());
    for path in [dir.path(), &command] {
        open_to_all(path);
    }
    let emulator = emulator();
    let ca_file = Path::new(&emulator.info().ca_file);
    let socket = Path::new(
        emulator
            .info()
            .endpoint_socket
            .trim_start_matches("unix://"),
    );
    for path in [ca_file, socket, ca_file.parent().expect("a directory")] {
        open_to_all(path);
    }
    let run = |limit: &str| {
        let output = Command::new("prlimit")
            .arg(format!("--nproc={limit}"))
            .arg(&command)
            .args(["token", "--call-timeout-seconds", "5"])
            .env_clear()
            .envs(emulator.info().environment())
            .current_dir("/")
            .uid(STRANGER)
            .output()
            .expect("util-linux");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    // The command itself is one.
    let (status, stderr) = run("1");
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("limit of threads"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(run("100"), (Some(0), String::new()));
}

fn open_to_all(path: &Path) {
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(path, mode).expect("a file of ours");
}
