//! Linux has coarse clocks, and none that is coarse and runs on in suspend.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{ClockId, Now, milliseconds};

#[inline]
pub(super) fn now() -> Now {
    // The coarse clocks are a few milliseconds late and several times
    // cheaper; usability margins are seconds wide (design: Reading).
    let wall = milliseconds(ClockId::RealtimeCoarse);
    let monotonic = milliseconds(ClockId::MonotonicCoarse);
    let boot = monotonic + SUSPENDED.total(wall - monotonic);
    Now { wall, boot }
}

/// How long this machine has been suspended since it booted, in milliseconds:
/// what the boot-time clock is ahead of the monotonic one.
///
/// There is no coarse boot-time clock, and the exact one would be most of what a
/// warm read costs. But waking up moves the wall clock and the boot-time clock
/// by the same time and leaves the monotonic one alone: while the wall clock
/// keeps its distance to the monotonic one, the last look is still true.
/// (Setting the wall clock moves it too, and costs one more look.)
///
/// Atomics alone, and good in a forked child.
struct Suspended {
    total: AtomicI64,
    /// The distance when `total` was looked at, or one of the two below, which
    /// are not near any.
    wall_ahead: AtomicI64,
}

static SUSPENDED: Suspended = Suspended {
    total: AtomicI64::new(0),
    wall_ahead: AtomicI64::new(UNKNOWN),
};

const UNKNOWN: i64 = i64::MIN;
/// A child forked right then looks each time, which is slow but right.
const WRITING: i64 = UNKNOWN + 1;

/// More than two looks a tick apart differ by, and than a token's margins feel.
const TOLERANCE: u64 = 100;

impl Suspended {
    #[inline]
    fn total(&self, wall_ahead: i64) -> i64 {
        let known = self.wall_ahead.load(Ordering::Acquire);
        let total = self.total.load(Ordering::Acquire);
        // Read again: `total` may have been that of the next look.
        if known.abs_diff(wall_ahead) <= TOLERANCE
            && self.wall_ahead.load(Ordering::Relaxed) == known
        {
            total
        } else {
            self.look(known, wall_ahead)
        }
    }

    #[cold]
    fn look(&self, known: i64, wall_ahead: i64) -> i64 {
        let before = milliseconds(ClockId::Monotonic);
        let total = milliseconds(ClockId::Boottime) - before;
        // A thread that was stopped between the two has seen no such distance:
        // it is good for this once (it errs towards late), and not kept.
        let at_once = milliseconds(ClockId::Monotonic) - before <= 1;
        // One writer at a time; nobody waits for it.
        let claim = || {
            let (ok, err) = (Ordering::AcqRel, Ordering::Relaxed);
            let claimed = self.wall_ahead.compare_exchange(known, WRITING, ok, err);
            claimed.is_ok()
        };
        if at_once && known != WRITING && claim() {
            self.total.store(total, Ordering::Release);
            self.wall_ahead.store(wall_ahead, Ordering::Release);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn the_boot_time_clock_without_looking_at_it() {
        for _ in 0..1_000 {
            let earliest = milliseconds(ClockId::Boottime);
            let boot = SystemClock.now().boot;
            let latest = milliseconds(ClockId::Boottime);
            // A coarse clock's tick is at most 10 ms.
            assert!((earliest - 12..=latest + 1).contains(&boot), "{boot}");
        }
    }

    #[test]
    fn what_moves_the_wall_clock_makes_us_look_again() {
        let suspended = Suspended {
            total: AtomicI64::new(7_000_000),
            wall_ahead: AtomicI64::new(1_000_000),
        };
        assert_eq!(suspended.total(1_000_050), 7_000_000);
        // A suspend, or a clock that was set: both clocks are asked.
        let really = milliseconds(ClockId::Boottime) - milliseconds(ClockId::Monotonic);
        for wall_ahead in [1_030_000, -5_000_000, 1_000_000] {
            assert!(suspended.total(wall_ahead).abs_diff(really) <= 1_000);
        }
    }
}
