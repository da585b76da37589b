//! Futures of the host's: a panic in one is a result, and ends nothing of ours.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a trait with an `async` method gives that can be made into an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host's code panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs code of the host's.
pub(crate) fn run<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|_| Panicked)
}

/// The future that `make` gives; a panic in `make`, in the future or in its
/// destructor stays in here.
pub(crate) fn contained<'a, T>(make: impl FnOnce() -> BoxFuture<'a, T>) -> Contained<'a, T> {
    Contained(run(make).ok())
}

/// See [`contained`].
pub(crate) struct Contained<'a, T>(Option<BoxFuture<'a, T>>);

impl<T> Future for Contained<'_, T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(Err(Panicked));
        };
        match run(|| future.as_mut().poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(Panicked) => Poll::Ready(Err(Panicked)),
        }
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = run(move || drop(future));
    }
}
