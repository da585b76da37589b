//! Callers who already had a token: they read from memory and must never go
//! without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use svidex::{Provider, TokenKind};

/// Threads that read all the time until they are stopped.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    reads: AtomicU64,
    misses: AtomicU64,
}

impl Readers {
    /// Each of `threads` reads these tokens in turn, and rests a little between
    /// two rounds: the machine is shared with those who are being tested.
    pub(crate) fn start(provider: &Provider, kinds: &[TokenKind], threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..threads)
            .map(|_| {
                let (provider, shared) = (provider.clone(), Arc::clone(&shared));
                let kinds = kinds.to_vec();
                std::thread::spawn(move || {
                    while !shared.stop.load(Ordering::Relaxed) {
                        for kind in &kinds {
                            read(&provider, *kind, &shared);
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        Self { shared, threads }
    }

    /// Stops them. None may have gone without a token.
    pub(crate) fn finish(self, what: &str) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a reader");
        }
        let (reads, misses) = (
            self.shared.reads.load(Ordering::Relaxed),
            self.shared.misses.load(Ordering::Relaxed),
        );
        assert!(reads > 0, "{what}: nobody read");
        assert_eq!(misses, 0, "{what}: of {reads} reads so many found nothing");
        reads
    }
}

fn read(provider: &Provider, kind: TokenKind, shared: &Shared) {
    match provider.cached(kind) {
        Some(token) => {
            let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
            let left = i128::from(token.expires_at_unix_ms()) - now.as_millis() as i128;
            // The reading and the look at the clock are two steps.
            assert!(
                left > -1_000,
                "a {kind:?} token that ended {} ms ago",
                -left
            );
            shared.reads.fetch_add(1, Ordering::Relaxed);
        }
        None => {
            shared.misses.fetch_add(1, Ordering::Relaxed);
        }
    }
}
