//! What `runtime` is under the model checker: its executor, in a process that
//! never forks and that may run out of threads when a model says so.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::{Error, ErrorKind, FailureClass};

thread_local! {
    /// How many times the runtime cannot be had. An execution of a model stays
    /// on one thread.
    static REFUSALS: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn refuse(times: usize) {
    REFUSALS.set(times);
}

pub(crate) struct Runtime;

pub(crate) fn get() -> Result<&'static Runtime, Error> {
    match REFUSALS.get() {
        0 => Ok(&Runtime),
        left => {
            REFUSALS.set(left - 1);
            let class = FailureClass::Local;
            let kind = ErrorKind::SourceUnavailable;
            Err(Error::new(kind, class, "injected: no more threads"))
        }
    }
}

impl Runtime {
    /// As tokio does it: a panic ends the task and is its result.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Box<dyn Any + Send>>> + Send {
        let task = shuttle::future::spawn(async move {
            let mut work = pin!(work);
            std::future::poll_fn(|context| {
                match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
                    Err(panic) => Poll::Ready(Err(panic)),
                }
            })
            .await
        });
        async move {
            task.await
                .unwrap_or_else(|cancelled| Err(Box::new(cancelled)))
        }
    }
}
