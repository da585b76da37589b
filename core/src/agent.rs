//! The connection to an agent: kept between fetches, and by several providers of one
//! process together if they ask the same agent for different things.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use spiffe::transport::Endpoint;
use spiffe::{WorkloadApiClient, WorkloadApiError};

use crate::process::{self, OfProcess, User};

/// Where the connection is, if there is one.
#[derive(Default)]
pub(crate) struct Agent(ArcSwapOption<OfProcess<Kept>>);

/// A connection belongs to the process that made it, and to whom that ran as.
struct Kept {
    user: User,
    /// Those who come together make one connection.
    connecting: tokio::sync::Mutex<()>,
    client: Mutex<Option<(u64, WorkloadApiClient)>>,
}

impl Kept {
    fn client(&self) -> MutexGuard<'_, Option<(u64, WorkloadApiClient)>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The use of the connection for one fetch. Unless that went well, nobody uses the
/// connection any more: an agent that was replaced, or one that tied the connection to
/// a process that has gone, is then met with a new one.
pub(crate) struct Lease {
    kept: Arc<OfProcess<Kept>>,
    number: u64,
    pub(crate) client: WorkloadApiClient,
    went_well: bool,
}

impl Agent {
    pub(crate) async fn lease(&self, endpoint: &Endpoint) -> Result<Lease, WorkloadApiError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let kept = self.kept();
        if let Some(lease) = Lease::of(&kept) {
            return Ok(lease);
        }
        let connecting = kept.get().map(|it| it.connecting.lock());
        let _connecting = match connecting {
            Some(lock) => Some(lock.await),
            None => None,
        };
        if let Some(lease) = Lease::of(&kept) {
            return Ok(lease);
        }
        let client = WorkloadApiClient::connect(endpoint.clone()).await?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        if let Some(it) = kept.get() {
            *it.client() = Some((number, client.clone()));
        }
        Ok(Lease {
            number,
            client,
            went_well: false,
            kept: Arc::clone(&kept),
        })
    }

    /// Of this process and its user.
    fn kept(&self) -> Arc<OfProcess<Kept>> {
        loop {
            let user = process::user();
            let current = self.0.load_full();
            if let Some(kept) = &current
                && kept.get().is_some_and(|it| it.user == user)
            {
                return Arc::clone(kept);
            }
            let fresh = Arc::new(OfProcess::new(Kept {
                user,
                connecting: tokio::sync::Mutex::default(),
                client: Mutex::default(),
            }));
            self.0.compare_and_swap(&current, Some(fresh));
        }
    }
}

impl Lease {
    fn of(kept: &Arc<OfProcess<Kept>>) -> Option<Self> {
        let (number, client) = kept.get()?.client().clone()?;
        Some(Self {
            kept: Arc::clone(kept),
            number,
            client,
            went_well: false,
        })
    }

    /// The connection is good for the next one.
    pub(crate) fn went_well(mut self) {
        self.went_well = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.went_well {
            return;
        }
        if let Some(kept) = self.kept.get() {
            let mut client = kept.client();
            // Only this one: another fetch may have met it with a new one by now.
            if client.as_ref().is_some_and(|it| it.0 == self.number) {
                *client = None;
            }
        }
    }
}
