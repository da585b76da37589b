//! Blocking work whose result soon goes stale.

use std::time::{Duration, Instant};

use super::fault::Fault;
use crate::threads::{Lane, NoResult};

/// One job at a time, on a thread of its own, its result dated.
pub(super) struct Job<T>(Lane<(Instant, T)>);

impl<T> Default for Job<T> {
    fn default() -> Self {
        Self(Lane::default())
    }
}

impl<T: Send + 'static, E: Send + 'static> Job<Result<T, E>> {
    /// What `work` finds. Where somebody has given up on a job, its success counts
    /// for `keeps` after it has ended; a failure of that time is none of now.
    pub(super) async fn run(
        &self,
        name: &str,
        keeps: Duration,
        work: impl Fn() -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<Result<T, E>, Fault> {
        let asked = Instant::now();
        loop {
            let work = work.clone();
            let dated = move || {
                let result = work();
                (Instant::now(), result)
            };
            let (ended, result) = match self.0.run(name, dated).await {
                Ok(ended) => ended,
                Err(NoResult::NoThread(error)) => return Err(Fault::NoThread(error)),
                Err(NoResult::Panicked) => return Err(Fault::Panicked),
            };
            let counts = ended >= asked || result.is_ok() && ended.elapsed() < keeps;
            if counts {
                return Ok(result);
            }
        }
    }
}
