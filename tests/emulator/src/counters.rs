//! What has happened so far, for tests to assert on. Numbers and host names only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A snapshot of the counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// FetchJWTSVID calls received.
    pub fetch_jwt_svid: u64,
    /// SVIDs signed for them: fewer where one is repeated, more where a call
    /// gets several identities. The token file's are not among them.
    pub svids_minted: u64,
    /// FetchJWTBundles streams opened.
    pub fetch_jwt_bundles: u64,
    /// ValidateJWTSVID calls.
    pub validate_jwt_svid: u64,
    /// Requests received at the token endpoint.
    pub exchanges: u64,
    /// Of those, the ones that were given an access token.
    pub exchanges_ok: u64,
    /// Requests for the discovery document.
    pub discovery: u64,
    /// Requests for the JWKS.
    pub jwks: u64,
    /// Requests under `/v1`.
    pub api_requests: u64,
    /// Of those, the ones refused for their token.
    pub api_unauthorized: u64,
    /// Requests to the organization's endpoints, refused ones included.
    pub admin_requests: u64,
    /// Of those, the ones that brought spans and were let in.
    pub traces: u64,
    /// WebSockets that were opened.
    pub sockets: u64,
    /// CONNECT requests at the proxy, by host.
    pub proxy_connects: BTreeMap<String, u64>,
    /// Requests that followed a redirect to where none should.
    pub redirect_target_hits: u64,
    /// Of those, the ones that brought an `Authorization` header along.
    pub redirect_target_authorized: u64,
    /// Times that the token file was written.
    pub token_file_writes: u64,
    /// Most FetchJWTSVID calls open at one time.
    pub max_concurrent_fetches: u64,
    /// Most token endpoint requests open at one time.
    pub max_concurrent_exchanges: u64,
}

/// The counters while they count.
#[derive(Default)]
pub(crate) struct Counting(Mutex<State>);

#[derive(Default)]
struct State {
    counters: Counters,
    open_fetches: u64,
    open_exchanges: u64,
}

/// What is counted as open from its start to the drop of its guard.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    Fetch,
    Exchange,
}

impl Counting {
    pub(crate) fn add(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.lock().counters);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        self.lock().counters.clone()
    }

    /// Sets all to zero; what is open now counts towards the new maxima.
    pub(crate) fn reset(&self) {
        let mut state = self.lock();
        state.counters = Counters {
            max_concurrent_fetches: state.open_fetches,
            max_concurrent_exchanges: state.open_exchanges,
            ..Counters::default()
        };
    }

    pub(crate) fn open(&self, what: Open) -> OpenGuard<'_> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let (open, most) = state.parts(what);
        *open += 1;
        *most = (*most).max(*open);
        OpenGuard {
            counting: self,
            what,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn parts(&mut self, what: Open) -> (&mut u64, &mut u64) {
        let counters = &mut self.counters;
        match what {
            Open::Fetch => (&mut self.open_fetches, &mut counters.max_concurrent_fetches),
            Open::Exchange => (
                &mut self.open_exchanges,
                &mut counters.max_concurrent_exchanges,
            ),
        }
    }
}

/// Ends an [`Open`] when dropped, also when the caller hung up.
pub(crate) struct OpenGuard<'a> {
    counting: &'a Counting,
    what: Open,
}

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        *self.counting.lock().parts(self.what).0 -= 1;
    }
}
