//! `svidex._svidex`, the native half of the Python package.
//!
//! It converts types, maps errors and adapts waiting; everything that decides
//! anything is in the `svidex` crate. Python sees it through `svidex/__init__.py`.
//!
//! Two rules hold throughout. A thread of ours never attaches to the
//! interpreter: it would wait for the GIL of a process that may be forking or
//! exiting. And every call into the core runs inside [`guard::guarded`].

mod doctor;
mod event_log;
mod failure;
mod guard;
mod mailbox;
mod modules;
mod options;
mod provider;
mod text;
mod wait;

// `gil_used`: see `text`.
#[pyo3::pymodule(gil_used = true)]
mod _svidex {
    #[pymodule_export]
    use crate::doctor::Examination;
    #[pymodule_export]
    use crate::event_log::{Event, EventLog};
    #[pymodule_export]
    use crate::guard::_panic;
    #[pymodule_export]
    use crate::mailbox::{Mailbox, Operation};
    #[pymodule_export]
    use crate::modules::_not_read;
    #[pymodule_export]
    use crate::provider::{Provider, TokenKind};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", svidex::VERSION)
    }
}
