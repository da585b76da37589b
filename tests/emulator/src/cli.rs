//! The command line.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::emulator::{Emulator, Options, Role};
use crate::run;
use crate::settings::Settings;

/// Plays a SPIFFE authority and OpenAI's side of workload identity federation.
///
/// Once ready, `serve`, `agent` and `openai` print one line of JSON with all
/// addresses, and nothing else.
#[derive(Parser)]
#[command(name = "svidex-emulator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays everything in one process.
    Serve(Serve),
    /// Plays the SPIFFE authority alone: Workload API, discovery, token file.
    Agent(Serve),
    /// Plays OpenAI alone, trusting an outside issuer by discovery.
    Openai {
        #[command(flatten)]
        serve: Serve,
        /// The issuer whose tokens are taken.
        #[arg(long, value_name = "URL")]
        trust_issuer: String,
        /// The CA behind its certificate [default: the emulator's own]
        #[arg(long, value_name = "FILE")]
        trust_ca: Option<PathBuf>,
    },
    /// Plays everything while a command runs, with the environment set for it.
    Run {
        /// Where state is kept [default: a new temporary directory]
        #[arg(long)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
        /// The command and its arguments, after `--`.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
struct Serve {
    /// Where state is kept; made where missing.
    #[arg(long)]
    dir: PathBuf,
    /// Ends when standard input does, so that nothing outlives its starter.
    #[arg(long)]
    until_stdin_closes: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// Life of a JWT-SVID.
    #[arg(long, value_name = "N", default_value_t = 300.0)]
    svid_ttl_seconds: f64,
    /// Longest life of an access token.
    #[arg(long, value_name = "N", default_value_t = 3600.0)]
    access_token_ttl_seconds: f64,
    /// A subject that is mapped to the service account, exact or with one `*` at
    /// its end; may be repeated [default: the emulator's trust domain, or every
    /// SPIFFE ID of an outside issuer]
    #[arg(long = "allow-subject", value_name = "PATTERN")]
    allow_subjects: Vec<String>,
}

impl Common {
    fn options(self, dir: Option<PathBuf>, role: Role) -> Result<Options, String> {
        let mut patch = serde_json::json!({
            "svid_ttl_seconds": self.svid_ttl_seconds,
            "access_token_ttl_seconds": self.access_token_ttl_seconds,
        });
        if !self.allow_subjects.is_empty() {
            patch["allowed_subjects"] = self.allow_subjects.into();
        } else if matches!(role, Role::OpenAi { .. }) {
            patch["allowed_subjects"] = vec!["spiffe://*"].into();
        }
        let settings = Settings::default().patched(&patch)?;
        Ok(Options {
            dir,
            role,
            settings,
        })
    }
}

/// Runs the program; gives its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve(options, Role::All),
        Command::Agent(options) => serve(options, Role::Agent),
        Command::Openai {
            serve: options,
            trust_issuer,
            trust_ca,
        } => serve(
            options,
            Role::OpenAi {
                trust_issuer,
                trust_ca,
            },
        ),
        Command::Run {
            dir,
            common,
            command,
        } => common
            .options(dir, Role::All)
            .and_then(|options| Emulator::try_start(options).map_err(|error| error.to_string()))
            .and_then(|emulator| run::run(&emulator, &command)),
    };
    outcome.unwrap_or_else(|error| {
        // Nothing is left to do if standard error is closed.
        let _ = writeln!(io::stderr(), "svidex-emulator: {error}");
        ExitCode::FAILURE
    })
}

fn serve(options: Serve, role: Role) -> Result<ExitCode, String> {
    let Serve {
        dir,
        until_stdin_closes,
        common,
    } = options;
    let options = common.options(Some(dir), role)?;
    raise_descriptor_limit();
    let emulator = Emulator::try_start(options).map_err(|error| error.to_string())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", emulator.info().to_json())
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("standard output: {error}"))?;
    if until_stdin_closes {
        io::copy(&mut io::stdin(), &mut io::sink())
            .map_err(|error| format!("standard input: {error}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::park();
    }
}

/// To what the system allows at most: tests open connections by the thousand, and
/// the usual 1024 descriptors would be the emulator's fault, not the product's.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where it fails, fewer connections have to do.
    let _ = setrlimit(Resource::Nofile, raised);
}
