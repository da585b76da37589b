//! The snapshot alone: every schedule of a few steps.

use std::sync::Arc;

use shuttle::thread;

use super::script::{HALF_A_LIFE, subject_token};
use super::{explore_all, text};
use crate::clock::{Clock as _, TestClock};
use crate::snapshot::TokenKind::Subject;
use crate::snapshot::{Read, Snapshot, Token};

/// A snapshot that holds `svid-0`.
#[derive(Clone)]
struct Bench {
    snapshot: Arc<Snapshot>,
    clock: TestClock,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            snapshot: Arc::default(),
            clock: TestClock::at(1_700_000_000_000),
        };
        bench.store(0);
        bench
    }

    fn store(&self, number: usize) {
        let token = subject_token(number, self.clock.now());
        self.snapshot.cell(Subject).store(Some(Arc::new(token)));
    }

    fn read(&self) -> Option<String> {
        let text = |token: Arc<Token>| text(&token);
        match self.snapshot.read(Subject, &self.clock) {
            Read::Token(token) | Read::TokenAndDue(token) => Some(text(token)),
            Read::Nothing => None,
        }
    }

    fn meanwhile<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let bench = self.clone();
        thread::spawn(move || act(&bench))
    }
}

#[test]
fn what_was_removed_is_never_read_again_and_what_came_meanwhile_stays() {
    explore_all(|| {
        let bench = Bench::new();
        let remover = bench.meanwhile(|bench| {
            bench.snapshot.remove("svid-0");
            assert_ne!(bench.read().as_deref(), Some("svid-0"));
        });
        bench.store(1);
        assert_eq!(bench.read().as_deref(), Some("svid-1"));
        remover.join().unwrap();
        assert_eq!(bench.read().as_deref(), Some("svid-1"));
    });
}

#[test]
fn a_token_is_removed_by_one() {
    explore_all(|| {
        let bench = Bench::new();
        let remove = |bench: &Bench| bench.snapshot.remove("svid-0").is_some();
        let others = [(), ()].map(|()| bench.meanwhile(remove));
        let mut removals = usize::from(remove(&bench));
        for other in others {
            removals += usize::from(other.join().unwrap());
        }
        assert_eq!(removals, 1);
        assert!(bench.read().is_none());
    });
}

#[test]
fn one_reader_is_told_that_a_token_is_due() {
    explore_all(|| {
        let bench = Bench::new();
        bench.clock.advance(HALF_A_LIFE);
        let is_told = |bench: &Bench| {
            let read = bench.snapshot.read(Subject, &bench.clock);
            matches!(read, Read::TokenAndDue(_))
        };
        let other = bench.meanwhile(is_told);
        let told = usize::from(is_told(&bench)) + usize::from(other.join().unwrap());
        assert_eq!(told, 1);
    });
}

#[test]
fn after_clear_what_is_there_came_later() {
    explore_all(|| {
        let bench = Bench::new();
        let reader = bench.meanwhile(|bench| {
            let (first, second) = (bench.read(), bench.read());
            let went_back =
                first.as_deref() != Some("svid-0") && second.as_deref() == Some("svid-0");
            assert!(!went_back, "a reader saw it come back");
        });
        bench.snapshot.clear();
        bench.store(1);
        assert_eq!(bench.read().as_deref(), Some("svid-1"));
        reader.join().unwrap();
    });
}
