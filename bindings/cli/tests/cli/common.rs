//! Runs the command as a shell would, against an emulator of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use svidex_emulator::{Emulator, Options};

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {}{}", self.stdout, self.stderr))
    }

    /// Neither of the emulator's two kinds of token, nor a part of one.
    pub(crate) fn assert_no_token(&self) {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains("eyJ"), "{text}");
            assert!(!text.contains("emulator-access-"), "{text}");
        }
    }

    /// The one line that an error is.
    pub(crate) fn assert_error(&self, status: i32, kind: &str) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout, "", "an error prints nothing to stdout");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        self.assert_no_token();
        let message = self.stderr.strip_prefix(&format!("svidex: {kind}: "));
        message.unwrap_or_else(|| panic!("not {kind}: {}", self.stderr))
    }
}

pub(crate) fn emulator() -> Emulator {
    Emulator::start(Options::default())
}

/// Where the command is: this crate's program, or the one that a package installed.
pub(crate) fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        let program = std::env::var("SVIDEX_CLI");
        program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_svidex").to_owned())
    });
    &PROGRAM
}

/// The command with this environment and no other.
pub(crate) fn run(environment: &[(&str, &str)], args: &[&str]) -> Run {
    run_with_input(environment, args, b"")
}

pub(crate) fn run_with_input(environment: &[(&str, &str)], args: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(program())
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // It may well end without reading.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    Run {
        status: output.status.code().expect("no signal ended it"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The command with the environment that the emulator names.
pub(crate) fn against(emulator: &Emulator, args: &[&str]) -> Run {
    let environment = emulator.info().environment();
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    run(&environment, args)
}

/// The same, with the token file in place of the Workload API.
pub(crate) fn against_file(emulator: &Emulator, args: &[&str]) -> Run {
    let file = emulator.info().token_file.clone();
    let file = ["--identity-token-file", &file];
    against(emulator, &[args, &file[..]].concat())
}

/// A figure for the log of the suite (`--nocapture` shows it).
#[allow(clippy::print_stdout, reason = "libtest keeps it until it is wanted")]
pub(crate) fn report(figure: &str) {
    println!("{figure}");
}
