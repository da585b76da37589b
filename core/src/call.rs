//! One caller's wait, and the ends of it that callers hold.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::snapshot::{Read, Token, TokenKind};
use crate::worker::Shared;
use crate::{runtime, source};

/// One caller's wait. It owns nothing of the refresh: a caller that gives up
/// cancels only its own waiting.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kind: TokenKind,
    pub(crate) timeout: Option<Duration>,
}

impl Call {
    /// Until there is a token, a refusal, or the deadline.
    pub(crate) async fn wait(self, mailbox: Arc<Mailbox>) -> Result<Arc<Token>, Error> {
        let Self {
            shared,
            kind,
            timeout,
        } = self;
        let timeout = timeout.unwrap_or(shared.settings.call_timeout);
        let mut deadline = shared.clock.sleep(timeout);
        let mut outlooks = mailbox.outlooks();
        let _waiting = mailbox.wait(kind);
        loop {
            // First of all: what changes behind this look wakes this caller again.
            let outlook = outlooks.borrow_and_update().of(kind).clone();
            if shared.closed.load(Ordering::Acquire) {
                return Err(Error::closed());
            }
            match shared.snapshot.read(kind, &*shared.clock) {
                Read::Token(token) => return Ok(token),
                Read::TokenAndDue(token) => {
                    mailbox.wake();
                    return Ok(token);
                }
                Read::Nothing => {}
            }
            if let Some(error) = outlook.refusal {
                return Err(Error::clone(&error));
            }
            tokio::select! {
                biased;
                _ = outlooks.changed() => {}
                () = &mut deadline => return Err(match outlook.last_error {
                    Some(cause) => Error::clone(&cause),
                    None => Error::timeout(format!(
                        "no answer within {} s, and no attempt has ended yet: {} or the token \
                         endpoint is slow",
                        timeout.as_secs_f64(),
                        source::describe(&shared.settings.source),
                    )),
                }),
            }
        }
    }
}

/// A call under way. Dropping it does not cancel the call. In a forked child a
/// call of the parent's is the parent's: it can be cancelled there only.
pub struct Operation {
    fork_generation: u64,
    cancel: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

impl Operation {
    pub(crate) fn new(cancel: oneshot::Sender<()>) -> Self {
        Self {
            fork_generation: runtime::fork_generation(),
            cancel: std::sync::Mutex::new(Some(cancel)),
        }
    }

    /// Ends the wait with `cancelled`, unless it has ended already. The refresh
    /// itself goes on for others.
    pub fn cancel(&self) {
        if self.is_inherited() {
            return;
        }
        let mut cancel = self
            .cancel
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(cancel) = cancel.take() {
            let _ = cancel.send(());
        }
    }

    fn is_inherited(&self) -> bool {
        self.fork_generation != runtime::fork_generation()
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.is_inherited() {
            // It would wake a task of the parent's runtime, by the locks of that.
            std::mem::forget(std::mem::take(&mut self.cancel));
        }
    }
}

/// For a caller that cancels by letting go.
pub(crate) struct CancelOnDrop(pub(crate) Operation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A blocking caller's side of a call. Dropping it cancels the call.
pub struct Waiter {
    pub(crate) operation: Operation,
    pub(crate) result: mpsc::Receiver<Result<Arc<Token>, Error>>,
}

impl Waiter {
    /// Waits for at most `slice`. `None`: not settled yet, call again. The
    /// result is delivered once; later calls say `internal`.
    #[must_use]
    pub fn wait_for(&self, slice: Duration) -> Option<Result<Arc<Token>, Error>> {
        match self.result.recv_timeout(slice) {
            Ok(result) => Some(result),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => Some(Err(settled())),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.operation.cancel();
    }
}

pub(crate) fn settled() -> Error {
    Error::internal("the call had already been settled")
}
