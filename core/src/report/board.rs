//! Where the processes of a family keep what has been said.

use std::sync::atomic::Ordering;

use super::{Felt, Ledger, Told};
use crate::shared_memory::SharedNumbers;

const CLAIM: usize = 0;
const BUDGET: usize = 1;
const LEGS: usize = 2;
const LEG: usize = 7;
const NUMBERS: usize = LEGS + 2 * LEG;

/// Writing takes microseconds. A claim that is this old is of a process that was
/// killed or stopped in the midst of it: at worst a record is said twice, or waits.
const CLAIM_ENDS_MS: i64 = 1_000;
/// How often one looks whether another process is done.
const PATIENCE: usize = 100;

/// The ledger of a provider and of the children that were forked since it was made.
pub(crate) struct Board(SharedNumbers<NUMBERS>);

impl Board {
    pub(crate) fn new() -> Self {
        Self(SharedNumbers::new())
    }

    /// Nobody else writes meanwhile. `None`: somebody else is at it.
    pub(super) fn with<T>(&self, now_ms: i64, write: impl FnOnce(&mut Ledger) -> T) -> Option<T> {
        // Never 0, which means that nobody claims it.
        let mine = now_ms.max(1);
        self.claim(mine)?;
        let mut ledger = self.load();
        let result = write(&mut ledger);
        self.store(&ledger);
        // Not one that somebody else has taken over.
        let (ok, err) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.0[CLAIM].compare_exchange(mine, 0, ok, err);
        Some(result)
    }

    fn claim(&self, mine: i64) -> Option<()> {
        let claim = &self.0[CLAIM];
        for _ in 0..PATIENCE {
            let theirs = claim.load(Ordering::Relaxed);
            let is_free = theirs == 0 || mine.abs_diff(theirs) > CLAIM_ENDS_MS.unsigned_abs();
            let (ok, err) = (Ordering::Acquire, Ordering::Relaxed);
            if is_free && claim.compare_exchange(theirs, mine, ok, err).is_ok() {
                return Some(());
            }
            std::thread::yield_now();
        }
        None
    }

    fn load(&self) -> Ledger {
        let number = |at: usize| self.0[at].load(Ordering::Relaxed);
        let leg = |at: usize| Told {
            failing: decode(number(at)),
            since_ms: number(at + 1),
            failures: number(at + 2),
            failed_at_ms: number(at + 3),
            remind_at_ms: number(at + 4),
            interval_ms: number(at + 5),
            unsaid: number(at + 6),
        };
        Ledger {
            spent_until_ms: number(BUDGET),
            legs: [leg(LEGS), leg(LEGS + LEG)],
        }
    }

    fn store(&self, ledger: &Ledger) {
        let store = |at: usize, number: i64| self.0[at].store(number, Ordering::Relaxed);
        store(BUDGET, ledger.spent_until_ms);
        for (index, leg) in ledger.legs.iter().enumerate() {
            let at = LEGS + index * LEG;
            let numbers: [i64; LEG] = [
                encode(leg.failing),
                leg.since_ms,
                leg.failures,
                leg.failed_at_ms,
                leg.remind_at_ms,
                leg.interval_ms,
                leg.unsaid,
            ];
            for (offset, number) in numbers.into_iter().enumerate() {
                store(at + offset, number);
            }
        }
    }
}

const FELT: [Felt; 4] = [Felt::NotYet, Felt::Waiting, Felt::Refused, Felt::Withdrawn];

fn encode(failing: Option<(u32, Felt)>) -> i64 {
    failing.map_or(0, |(cause, felt)| i64::from(cause) << 8 | (1 + felt as i64))
}

fn decode(number: i64) -> Option<(u32, Felt)> {
    let felt = usize::try_from((number & 0xff) - 1).ok()?;
    let cause = u32::try_from(number >> 8).ok()?;
    Some((cause, *FELT.get(felt)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Ledger {
        let told = |first: i64, failing| Told {
            failing,
            since_ms: first,
            failures: first + 1,
            failed_at_ms: first + 2,
            remind_at_ms: first + 3,
            interval_ms: first + 4,
            unsaid: first + 5,
        };
        Ledger {
            spent_until_ms: 7,
            legs: [
                told(10, Some((u32::MAX, Felt::Withdrawn))),
                told(20, Some((0, Felt::NotYet))),
            ],
        }
    }

    #[test]
    fn what_is_kept_is_what_was_written() {
        let board = Board::new();
        assert_eq!(board.with(5, |ledger| *ledger), Some(Ledger::default()));
        board.with(5, |ledger| *ledger = example());
        assert_eq!(board.with(5, |ledger| *ledger), Some(example()));
    }

    #[test]
    fn a_claim_holds_for_a_second_and_no_longer() {
        let board = Board::new();
        board.0[CLAIM].store(5_000, Ordering::Relaxed);
        assert_eq!(board.with(6_000, |_| ()), None);
        assert_eq!(board.with(6_001, |_| ()), Some(()));
        assert_eq!(board.with(1, |_| ()), Some(()), "released");
        // Whoever was stopped meanwhile takes nothing from the one after it.
        board.with(1, |_| board.0[CLAIM].store(9, Ordering::Relaxed));
        assert_eq!(board.0[CLAIM].load(Ordering::Relaxed), 9);
    }

    #[test]
    fn nonsense_is_no_failure() {
        for number in [0, 5, 0xff, -1, i64::MAX, i64::MIN] {
            assert_eq!(decode(number), None, "{number}");
        }
    }
}
