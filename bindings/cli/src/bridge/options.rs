//! The options of `svidex bridge`.

use clap::{Args, ValueEnum};

use crate::options::ProviderOptions;

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Args)]
pub(crate) struct Bridge {
    /// Keep a JWT-SVID in this file
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(super) svid_file: Option<String>,
    /// Keep an OpenAI access token in this file
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(super) access_token_file: Option<String>,
    /// Keep the files that this TOML file names: several, with other audiences too
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Files",
        conflicts_with_all = ["svid_file", "access_token_file"]
    )]
    pub(super) config: Option<String>,
    /// The mode of the files, in octal [default: 0600]
    #[arg(long, value_name = "MODE", help_heading = "Files")]
    pub(super) mode: Option<String>,
    /// Whom the files are given to, by name or number [default: whoever runs this]
    #[arg(long, value_name = "USER[:GROUP]", help_heading = "Files")]
    pub(super) owner: Option<String>,
    /// Make the directory of a file if it is not there (0755; its parent has to be)
    #[arg(long, help_heading = "Files")]
    pub(super) make_directory: bool,
    /// Leave the files when the identity is withdrawn, until their tokens end
    #[arg(long, help_heading = "Files")]
    pub(super) keep_on_denial: bool,
    /// Take the files away at the end [default: they stay, and are good until they end]
    #[arg(long, help_heading = "Files")]
    pub(super) remove_on_exit: bool,

    /// Run this after a change: a program, or a line for sh
    #[arg(long, value_name = "CMD", help_heading = "Who is told")]
    pub(super) exec: Option<String>,
    /// Send a signal after a change to the process whose ID is in this file
    #[arg(long, value_name = "PID-FILE", help_heading = "Who is told")]
    pub(super) signal: Option<String>,
    /// The signal to send [default: HUP]
    #[arg(
        long,
        value_name = "NAME",
        requires = "signal",
        help_heading = "Who is told"
    )]
    pub(super) signal_name: Option<String>,
    /// A file that is there once all files were written
    #[arg(long, value_name = "FILE", help_heading = "Who is told")]
    pub(super) ready_file: Option<String>,
    /// Where --status asks [default: svidex-bridge.sock in $RUNTIME_DIRECTORY or $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "SOCKET", help_heading = "Who is told")]
    pub(super) status_socket: Option<String>,
    /// How the log looks
    #[arg(long, value_name = "FORMAT", help_heading = "Who is told")]
    pub(super) log_format: Option<LogFormat>,

    /// Write the files once and end
    #[arg(long)]
    pub(super) once: bool,
    /// Say what would be done, and write nothing
    #[arg(long, conflicts_with = "once")]
    pub(super) check_config: bool,
    /// Ask a running bridge how it is, and print its answer (JSON)
    #[arg(
        long,
        conflicts_with_all = ["once", "check_config", "svid_file", "access_token_file"]
    )]
    pub(super) status: bool,

    #[command(flatten)]
    pub(super) options: ProviderOptions,
}
