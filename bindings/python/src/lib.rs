//! `svidex._svidex`, the native half of the Python package.
//!
//! It converts types, maps errors and adapts waiting; everything that decides
//! anything is in the `svidex` crate. Python sees it through `svidex/__init__.py`.
//!
//! Three rules hold throughout. A thread of ours never attaches to the
//! interpreter: it would wait for the GIL of a process that may be forking or
//! exiting. Every call into the core runs inside [`guard::guarded`]. And nothing
//! but `text::with_gil` relies on the GIL, which free-threaded interpreters lack:
//! what threads share is changed in one atomic step, and no lock is held while
//! Python code runs, or a child that is forked then would inherit it locked.

mod command;
mod doctor;
mod event_log;
mod failure;
mod guard;
mod interpreter;
mod mailbox;
mod modules;
mod options;
mod provider;
mod text;
mod wait;

use pyo3::prelude::*;

use crate::command::_command;
use crate::doctor::Examination;
use crate::event_log::{Event, EventLog};
use crate::guard::_panic;
use crate::mailbox::{Mailbox, Operation};
use crate::modules::_not_read;
use crate::provider::{Provider, TokenKind};

// A function, for classes that are listed in a module would be made before anything could
// be refused.
#[pyo3::pymodule(gil_used = false)]
fn _svidex(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::refuse_all_but_main()?;
    module.add("__version__", svidex::VERSION)?;
    module.add_class::<Event>()?;
    module.add_class::<EventLog>()?;
    module.add_class::<Examination>()?;
    module.add_class::<Mailbox>()?;
    module.add_class::<Operation>()?;
    module.add_class::<Provider>()?;
    module.add_class::<TokenKind>()?;
    module.add_function(wrap_pyfunction!(_command, module)?)?;
    module.add_function(wrap_pyfunction!(_not_read, module)?)?;
    module.add_function(wrap_pyfunction!(_panic, module)?)
}
