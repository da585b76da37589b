//! What the parser of the arguments has to say, without the arguments that nobody
//! should see.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Error;

use crate::commands::print;
use crate::failure::Failure;

/// Help and version go to standard output, errors to standard error. A token that
/// stands where an option, a number or a command belongs is not repeated.
pub(crate) fn tell(usage: &Error) -> Result<ExitCode, Failure> {
    let text = usage.render();
    if !usage.use_stderr() {
        // Colours are for terminals; the parser's own printer knows when.
        let colours = io::IsTerminal::is_terminal(&io::stdout());
        let text = if colours {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        return print(text.trim_end_matches('\n'));
    }
    let plain = text.to_string();
    let shown = svidex::binding::without_tokens(&plain);
    if shown == plain {
        // Nothing is left to do if standard error is closed.
        let _ = usage.print();
    } else {
        let _ = write!(
            io::stderr(),
            "{shown}\nOne of the arguments looks like a token or an API key. It is not repeated \
             here, and no\nargument takes one: every process of this host can see arguments. \
             Pipe a token instead:\nsvidex svid | svidex inspect -\n"
        );
    }
    Ok(ExitCode::from(2))
}
