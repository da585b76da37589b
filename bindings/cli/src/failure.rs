//! Why a command ended without what it was asked for.

use std::io::{self, Write as _};
use std::process::ExitCode;

use svidex::{Error, ErrorKind};

pub(crate) enum Failure {
    /// Of the library, which names its kind.
    Library(Error),
    /// The arguments make no sense.
    Usage(String),
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
    /// A file could not be written.
    File(String),
    /// Whoever was asked does not answer.
    NoAnswer(String),
}

impl Failure {
    /// Tells standard error; gives the exit status that the help documents.
    pub(crate) fn report(self) -> ExitCode {
        let (status, line) = match self {
            Self::Library(error) => (
                status(error.kind()),
                Some(format!("{}: {error}", error.kind())),
            ),
            Self::Usage(problem) => (2, Some(format!("{}: {problem}", ErrorKind::InvalidConfig))),
            Self::File(problem) => (6, Some(format!("file: {problem}"))),
            Self::NoAnswer(problem) => (1, Some(format!("no answer: {problem}"))),
            Self::Input(error) => (1, Some(format!("input: cannot be read: {error}"))),
            // Whoever closed the pipe (`| head`) has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => (1, None),
            Self::Output(error) => (1, Some(format!("output: cannot be written: {error}"))),
        };
        if let Some(line) = line {
            // Nothing is left to do if standard error is closed.
            let _ = writeln!(io::stderr(), "svidex: {line}");
        }
        ExitCode::from(status)
    }
}

fn status(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidConfig => 2,
        ErrorKind::SourceUnavailable
        | ErrorKind::PermissionDenied
        | ErrorKind::InvalidSubjectToken => 3,
        ErrorKind::ExchangeRejected | ErrorKind::ExchangeUnavailable => 4,
        ErrorKind::Timeout => 5,
        // Cancelled, closed, a defect of svidex.
        _ => 1,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}
