//! A program of its own that uses svidex: the environment and the memory of a
//! process belong to all of its tests, so these are looked at from outside.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use svidex::{Config, Error, Provider, TokenKind};

use crate::logs::capture;
use crate::support::get_at_last;

const TASK: &str = "SVIDEX_TEST_TASK";
const RESULT: &str = "svidex-test-result ";

/// What the program is to do.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Get an access token, the configuration coming from the environment.
    Token,
    /// The same thrice, and tell how much memory the last took over the others.
    Memory,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The kind of the error; none: a token.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
    /// Everything that may be seen of a provider: errors, events, status.
    pub(crate) shown: String,
    /// Everything that was logged by anything, down to trace level.
    pub(crate) log: String,
    pub(crate) grown_kib: u64,
}

/// Runs the program with exactly these variables.
pub(crate) fn run(task: Task, environment: &[(&str, &str)]) -> Outcome {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::program", "--nocapture"])
        .env_clear()
        .env(TASK, serde_json::to_string(&task).unwrap())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Behind what the test harness writes on the same line.
    let result = stdout.lines().find_map(|line| line.split_once(RESULT));
    let Some((_, result)) = result else {
        panic!("{}: {stdout}{stderr}", output.status)
    };
    assert!(output.status.success(), "{stdout}{stderr}");
    serde_json::from_str(result).unwrap()
}

/// The program. Run as an ordinary test, it runs itself, with nothing set.
#[test]
#[allow(clippy::print_stdout, reason = "to those who run it")]
fn program() {
    let Ok(task) = std::env::var(TASK) else {
        let outcome = run(Task::Token, &[]);
        assert_eq!(outcome.kind.as_deref(), Some("invalid_config"));
        assert!(outcome.message.contains("no source"), "{outcome:?}");
        return;
    };
    let outcome = match serde_json::from_str(&task).unwrap() {
        Task::Token => {
            let log = capture();
            let mut outcome = token();
            outcome.log = log.text();
            outcome
        }
        Task::Memory => {
            token();
            token();
            let before = memory_kib("VmRSS");
            // Forgets the peak so far (proc(5), clear_refs).
            fs::write("/proc/self/clear_refs", "5").unwrap();
            let mut outcome = token();
            outcome.grown_kib = memory_kib("VmHWM").saturating_sub(before);
            outcome
        }
    };
    println!("{RESULT}{}", serde_json::to_string(&outcome).unwrap());
}

/// One provider's life, cold.
fn token() -> Outcome {
    let number = |name| {
        let value = std::env::var(name).ok()?;
        Some(value.parse().unwrap())
    };
    let mut config = Config::new();
    config.ca_file = std::env::var("TEST_CA_FILE").ok();
    config.request_timeout_seconds = number("TEST_REQUEST_TIMEOUT");
    config.call_timeout_seconds = number("TEST_CALL_TIMEOUT");
    let provider = match Provider::from_env(config) {
        Ok(provider) => provider,
        Err(error) => return failed(&error),
    };
    let events = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&events);
    provider.observe(move |event| {
        let mut seen = seen.lock().unwrap();
        seen.push_str(&format!("{event:?}\n"));
    });
    let kind = match std::env::var_os("TEST_TOKEN") {
        Some(_) => TokenKind::Subject,
        None => TokenKind::Access,
    };
    let result = get_at_last(&provider, kind);
    let mut outcome = match &result {
        Ok(_) => Outcome::default(),
        Err(error) => failed(error),
    };
    let status = provider.status();
    outcome.shown.push_str(&format!(
        "{result:?} {provider:?} {status:?} {} {}",
        serde_json::to_string(&status).unwrap(),
        events.lock().unwrap()
    ));
    outcome
}

fn failed(error: &Error) -> Outcome {
    Outcome {
        kind: Some(error.kind().to_string()),
        message: error.message().to_owned(),
        shown: format!("{error} {error:?}"),
        ..Outcome::default()
    }
}

fn memory_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
