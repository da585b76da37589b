//! Sees that each process that wants tokens has one worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::Error;
use crate::event::{Event, EventKind, Level};
use crate::mailbox::Mailbox;
use crate::worker::{self, Shared};
use crate::{process, runtime};

/// The mailbox of this process's worker, which is started if there is none.
///
/// # Errors
/// `closed`, or the system has no room for a runtime. Then nothing has been left
/// behind, and the next call tries again.
pub(crate) fn mailbox(shared: &Arc<Shared>) -> Result<Arc<Mailbox>, Error> {
    // Asked for by who wants more than to read what is held: the time to see that
    // this process has become somebody else.
    shared.snapshot.keep_only(process::user());
    loop {
        let generation = process::look();
        if shared.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        let current = shared.mailbox.load_full();
        let inherited = current
            .as_ref()
            .is_some_and(|it| it.fork_generation() != generation);
        if let Some(mailbox) = current
            .as_ref()
            .filter(|it| !inherited && !it.worker_ended())
        {
            return Ok(Arc::clone(mailbox));
        }
        // Before there is a mailbox: without a worker nobody would ever answer there.
        let runtime = match runtime::get() {
            Ok(runtime) => runtime,
            Err(error) => {
                if inherited {
                    std::mem::forget(current);
                }
                return Err(error);
            }
        };
        let fresh = Arc::new(Mailbox::new(generation));
        let was = shared
            .mailbox
            .compare_and_swap(&current, Some(Arc::clone(&fresh)));
        let won = match (&*was, &current) {
            (None, None) => true,
            (Some(was), Some(current)) => Arc::ptr_eq(was, current),
            _ => false,
        };
        if inherited {
            // Its locks may be held by threads that did not survive the fork,
            // and what it owns is the parent's: leaked, never dropped.
            std::mem::forget(current);
            if won {
                std::mem::forget(arc_swap::Guard::into_inner(was));
            }
        }
        if won {
            let work = worker::run(Arc::clone(shared), Arc::clone(&fresh));
            let worker = runtime.spawn(work);
            let (shared, mailbox) = (Arc::clone(shared), Arc::clone(&fresh));
            drop(runtime.spawn(async move {
                if worker.await.is_err() {
                    mourn(&shared, &mailbox);
                }
            }));
            return Ok(fresh);
        }
    }
}

/// The mailbox of this process, if there is one. A parent's is leaked, never dropped.
pub(crate) fn present(shared: &Shared) -> Option<Arc<Mailbox>> {
    let mailbox = shared.mailbox.load_full()?;
    if mailbox.fork_generation() == process::look() {
        Some(mailbox)
    } else {
        std::mem::forget(mailbox);
        None
    }
}

/// The worker panicked.
fn mourn(shared: &Shared, mailbox: &Mailbox) {
    let error = Error::internal(
        "the background worker panicked, which is a defect in svidex; a new one starts with the \
         next call",
    );
    let now = shared.clock.now();
    shared.record.error(&error, now);
    shared.events.emit(|| Event {
        level: Level::Error,
        kind: EventKind::WorkerFailed,
        message: error.message().to_owned(),
        at_unix_ms: now.wall,
        error: Some(Arc::new(error.clone())),
        dropped_before: 0,
    });
    mailbox.end(error);
}
