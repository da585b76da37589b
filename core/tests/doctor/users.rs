//! What another user may not do. A program of its own: to be another user is of a
//! whole process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use svidex::doctor::Doctor;
use svidex::{Config, Provider, TokenKind};

use crate::row::block_on;
use crate::support::get_at_last;

const NOBODY: u32 = 65_534;
const SOURCE: &str = "SVIDEX_TEST_SOURCE";

/// The program: run as an ordinary test it has nothing to do.
#[test]
fn program() {
    let Ok(source) = std::env::var(SOURCE) else {
        return;
    };
    // SAFETY: calls that take a number, before there is any other thread of svidex.
    unsafe {
        assert_eq!(libc::setegid(NOBODY), 0);
        assert_eq!(libc::seteuid(NOBODY), 0);
    }
    let config = Config::new()
        .request_timeout_seconds(5.0)
        .call_timeout_seconds(1.0);
    let config = match source.starts_with("unix:") {
        true => config.endpoint_socket(source),
        false => config.identity_token_file(source),
    };
    let report = block_on(Doctor::new(config.clone()).examine()).expect("a report");
    let check = &report.checks[2];
    crate::support::report(&format!(
        "found {} {} {}",
        check.id.as_str(),
        check.seen,
        check.advice.join(" ")
    ));
    let provider = Provider::new(config).expect("a good configuration");
    let error = get_at_last(&provider, TokenKind::Subject).expect_err("no token");
    crate::support::report(&format!("error {error}"));
}

/// What the program found, and what its error said.
fn run(source: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "users::program", "--nocapture"])
        .env(SOURCE, source)
        .output()
        .expect("a program");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}");
    let told = |line: &&str| line.contains("found source") || line.contains("error ");
    stdout.lines().filter(told).map(str::to_owned).collect()
}

fn assert_says(source: &str, words: &[&str], lacks: &[&str]) {
    let lines = run(source);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        for word in words {
            assert!(line.contains(word), "no {word:?} in {line}");
        }
        for word in lacks {
            assert!(!line.contains(word), "{word:?} in {line}");
        }
    }
}

#[test]
fn what_may_not_be_opened_is_told_from_what_may_not_be_entered() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can become somebody else.
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("allowed");
    };
    mode(dir.path(), 0o755);
    let run = dir.path().join("run");
    std::fs::create_dir(&run).expect("a directory");
    let socket = run.join("agent.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let token = run.join("token");
    std::fs::write(&token, "").expect("written");
    let (uri, file) = (
        format!("unix://{}", socket.display()),
        token.display().to_string(),
    );
    let entered = run.display().to_string();
    let innocent = [
        "start the agent",
        "restart",
        "is the agent running",
        "sidecar",
    ];

    mode(&run, 0o755);
    mode(&socket, 0o600);
    mode(&token, 0o600);
    assert_says(
        &uri,
        &["may not open the socket", "mode is 0600", "uid 65534"],
        &innocent,
    );
    assert_says(
        &file,
        &["may not read it", "mode is 0600", "uid 65534", "fsGroup"],
        &innocent,
    );

    mode(&run, 0o700);
    let words = ["may not enter the directory", entered.as_str(), "uid 65534"];
    assert_says(&uri, &words, &innocent);
    assert_says(&file, &words, &innocent);
}
