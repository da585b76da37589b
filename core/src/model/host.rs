//! What `host` is under the model checker: callbacks run where they come up, on the
//! checker's one thread, as everything does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Error;

pub(crate) struct Ticket;

impl Ticket {
    pub(crate) fn run(self, job: impl FnOnce() + Send + 'static) {
        let _ = submit(job);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the real one")]
pub(crate) fn reserve() -> Result<Ticket, Error> {
    Ok(Ticket)
}

#[expect(clippy::unnecessary_wraps, reason = "as the real one")]
pub(crate) fn submit(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let _ = catch_unwind(AssertUnwindSafe(job));
    Ok(())
}

pub(crate) fn let_go<T: Send + 'static>(value: T) {
    drop(value);
}

/// Nobody is.
#[must_use]
pub fn in_callback() -> bool {
    false
}
