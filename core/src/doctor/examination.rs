//! An examination that is under way elsewhere than in the caller's executor.

use std::future::pending;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Doctor, Report, on_runtime};
use crate::call::{Completion, Operation};
use crate::error::Error;
use crate::process::OfProcess;
use crate::{host, runtime};

impl Doctor {
    /// Like [`Doctor::examine`], for callers without an executor. `on_done` is run once,
    /// on a thread for the program's callbacks, unless this returns an error.
    ///
    /// Cancelling ends it with `cancelled`; dropping the [`Operation`] cancels nothing.
    ///
    /// # Errors
    /// `source_unavailable` if the system has no thread for it.
    pub fn start(
        self,
        on_done: impl FnOnce(Result<Report, Error>) + Send + 'static,
    ) -> Result<Operation, Error> {
        let runtime = runtime::get()?;
        let completion = Completion::new(host::reserve()?, on_done);
        let (cancel, cancelled) = oneshot::channel();
        runtime.spawn(async move {
            let cancelled = async {
                // Nobody can cancel it any more.
                if cancelled.await.is_err() {
                    pending::<()>().await;
                }
            };
            // On a task of its own: one that panics has an end, too.
            let ended = tokio::select! {
                biased;
                () = cancelled => Err(Error::cancelled()),
                report = on_runtime(async move { Ok(self.run().await) }) => report,
            };
            completion.end(ended);
        });
        Ok(Operation::new(cancel))
    }

    /// Like [`Doctor::start`], for callers who block: they ask the [`Examination`].
    ///
    /// # Errors
    /// As for [`Doctor::start`].
    pub fn begin(self) -> Result<Examination, Error> {
        let (tell, ended) = mpsc::channel();
        let operation = self.start(move |report| drop(tell.send(report)))?;
        Ok(Examination {
            operation,
            ended: OfProcess::new(ended),
        })
    }
}

/// An examination under way. Dropping it cancels it.
pub struct Examination {
    operation: Operation,
    ended: OfProcess<Receiver<Result<Report, Error>>>,
}

impl Examination {
    /// Waits for at most `slice`. `None`: not done yet, call again. The report is
    /// delivered once. In a forked child there is no end of what its parent began, and
    /// this says so.
    #[must_use]
    pub fn wait_for(&self, slice: Duration) -> Option<Result<Report, Error>> {
        // How long a thread sleeps before it looks whether it is in another process.
        const LOOK: Duration = Duration::from_millis(100);
        let begun = Instant::now();
        loop {
            let Some(ended) = self.ended.get() else {
                let words =
                    "this process was forked in the middle of an examination: begin another";
                return Some(Err(Error::timeout(words)));
            };
            let left = slice.saturating_sub(begun.elapsed());
            match ended.recv_timeout(left.min(LOOK)) {
                Ok(report) => return Some(report),
                Err(RecvTimeoutError::Disconnected) => {
                    let words = "the examination had already been delivered";
                    return Some(Err(Error::internal(words)));
                }
                Err(RecvTimeoutError::Timeout) if left <= LOOK => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Examination {
    fn drop(&mut self) {
        self.operation.cancel();
    }
}
