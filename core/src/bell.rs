//! What threads wait on that must not depend on anything else in the process: no
//! lock, no runtime, no thread-local storage (it works in destructors of that).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Rings for everybody who waits.
#[derive(Default)]
pub(crate) struct Bell {
    /// How many times it has rung.
    rings: AtomicU32,
    waiting: AtomicU32,
}

impl Bell {
    /// To be asked for before looking at what a ring announces.
    pub(crate) fn rings(&self) -> u32 {
        self.rings.load(Ordering::SeqCst)
    }

    pub(crate) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        // Who is not counted yet looks at the number again before it sleeps.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            wake_all(&self.rings);
        }
    }

    /// Until it has rung more often than that, at most for this long, or less: a
    /// signal ends it too.
    pub(crate) fn wait(&self, rings: u32, at_most: Duration) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        sleep_while(&self.rings, rings, at_most);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(target_os = "linux")]
fn sleep_while(word: &AtomicU32, value: u32, at_most: Duration) {
    use rustix::thread::futex;

    let timeout = futex::Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // However it ends, the caller looks again.
    let _ = futex::wait(word, futex::Flags::PRIVATE, value, Some(&timeout));
}

#[cfg(target_os = "linux")]
fn wake_all(word: &AtomicU32) {
    use rustix::thread::futex;

    let _ = futex::wake(word, futex::Flags::PRIVATE, i32::MAX.unsigned_abs());
}

/// Looks now and then: a caller who waits for a network does not feel the difference.
#[cfg(not(target_os = "linux"))]
fn sleep_while(word: &AtomicU32, value: u32, at_most: Duration) {
    const STEP: Duration = Duration::from_millis(2);
    let begun = std::time::Instant::now();
    while word.load(Ordering::SeqCst) == value && begun.elapsed() < at_most {
        std::thread::sleep(STEP.min(at_most));
    }
}

#[cfg(not(target_os = "linux"))]
fn wake_all(_: &AtomicU32) {}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_ring_wakes_who_waits_and_who_was_about_to() {
        let bell = Bell::default();
        let long = Duration::from_secs(60);
        let begun = Instant::now();
        let rings = bell.rings();
        bell.ring();
        bell.wait(rings, long);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while bell.rings() < 2 {
                        bell.wait(1, long);
                    }
                });
            }
            while bell.waiting.load(Ordering::SeqCst) < 4 {
                std::thread::yield_now();
            }
            bell.ring();
        });
        bell.wait(bell.rings(), Duration::from_millis(1));
        assert!(begun.elapsed() < long);
    }
}
