//! What is said of failures, so that a log stays readable: a failure is reported
//! when it begins, when its cause or what callers feel of it changes, and then ever
//! more rarely with a count; and when it is over. One budget for a provider and the
//! children forked from it bounds the rest.
//!
//! Pure but for [`Board`], where the processes of a family keep what has been said:
//! each rule is a vector (`tests/vectors/log.json`). All times are milliseconds of
//! the boot-time clock, which is one for all processes and is never set.

mod board;
#[cfg(test)]
mod family;
#[cfg(test)]
mod hours;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::clock::Now;
use crate::error::Error;
use crate::policy::{State, Verdict};
use crate::snapshot::TokenKind;

pub(crate) use board::Board;

/// A run of failures of which nothing was heard for so long is over, and the next
/// failure is news: as long as a provider goes on that nobody asks.
const SILENCE: i64 = 600_000;
/// From one record to the next of a failure that goes on: doubled each time.
const FIRST_INTERVAL: i64 = 60_000;
const LAST_INTERVAL: i64 = 3_600_000;

/// What one record takes of the budget, which time gives back: 30 an hour.
const COST: i64 = 120_000;
/// How many at once. Reminders leave room for what is new; that an identity was
/// withdrawn is said even if there is none.
const REMINDERS: i64 = 3;
const CHANGES: i64 = 6;
const WITHDRAWALS: i64 = 9;

/// If the family's other processes keep the board busy all the time.
const BUSY: i64 = 1_000;

/// What callers feel of a failure, from nothing to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Felt {
    /// A usable token is held.
    NotYet,
    /// There is none: callers wait.
    Waiting,
    /// There is none, and callers get the error at once.
    Refused,
    /// Both tokens were dropped.
    Withdrawn,
}

impl Felt {
    pub(crate) fn of(state: &State, kind: TokenKind, now: Now) -> Self {
        let (held, refused) = match kind {
            TokenKind::Subject => (
                &state.subject.held,
                state.subject_verdict(now) == Verdict::RefuseAsFetch,
            ),
            TokenKind::Access => (
                &state.access.held,
                state.access_verdict(now) == Verdict::RefuseAsExchange,
            ),
        };
        match held {
            Some(held) if held.is_usable(now) => Self::NotYet,
            _ if refused => Self::Refused,
            _ => Self::Waiting,
        }
    }
}

/// How it stands with one of the two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Works,
    Fails { cause: u32, felt: Felt },
}

/// A cause by what a program sees of it: in words there are counters and times. The
/// same number in every process of a family.
pub(crate) fn cause(error: &Error) -> u32 {
    let mut hasher = DefaultHasher::new();
    let class = error.class() as u8;
    (error.kind(), class, error.http_status(), error.oauth_code()).hash(&mut hasher);
    #[allow(clippy::cast_possible_truncation, reason = "half of it tells as much")]
    {
        hasher.finish() as u32
    }
}

/// What has been said of one of the two tokens, and what has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// The cause, and the worst that was said of what callers feel; `None` if the
    /// last word was that it works.
    failing: Option<(u32, Felt)>,
    /// Since it last worked and that was said, or since there was silence: when the
    /// first attempt failed, how many did, when the last one did.
    since_ms: i64,
    failures: i64,
    failed_at_ms: i64,
    /// When to say again that it goes on, and after how much longer then.
    remind_at_ms: i64,
    interval_ms: i64,
    /// Changes for which there was no room.
    unsaid: i64,
}

impl Told {
    /// Whether nothing is left to say of this.
    fn covers(&self, condition: Condition) -> bool {
        match (condition, self.failing) {
            (Condition::Works, told) => told.is_none(),
            (Condition::Fails { .. }, None) => false,
            // Another process of the family may have fared worse: that was said.
            (Condition::Fails { cause, felt }, Some(told)) => {
                !self.is_old() && cause == told.0 && felt <= told.1
            }
        }
    }

    /// Whether the last word was of failures before those that are counted now. It
    /// is still the last word: a recovery has to be said.
    fn is_old(&self) -> bool {
        self.remind_at_ms.saturating_sub(self.interval_ms) < self.since_ms
    }

    fn count(&mut self, failed: i64, now_ms: i64) {
        if self.failures == 0 {
            self.since_ms = now_ms;
        }
        self.failures = self.failures.saturating_add(failed);
        self.failed_at_ms = now_ms;
    }
}

/// What a family of processes has said, of both tokens, and its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ledger {
    /// What was said is paid for at this time.
    spent_until_ms: i64,
    legs: [Told; 2],
}

impl Ledger {
    /// How long it takes until there is room.
    fn spend(&mut self, at_once: i64, now_ms: i64) -> Result<(), i64> {
        // Never more than was lent: clocks of machines and containers differ.
        let debt = (self.spent_until_ms.saturating_sub(now_ms)).clamp(0, WITHDRAWALS * COST);
        match debt + COST - at_once * COST {
            wait if wait > 0 => Err(wait),
            _ => {
                self.spent_until_ms = now_ms.saturating_add(debt + COST);
                Ok(())
            }
        }
    }

    fn decide(
        &mut self,
        kind: TokenKind,
        voice: &mut Voice,
        now_ms: i64,
        is_heard: bool,
    ) -> Option<Report> {
        let told = &mut self.legs[kind as usize];
        let condition = voice.condition?;
        let failed = std::mem::take(&mut voice.failed);
        if failed > 0 {
            if now_ms.saturating_sub(told.failed_at_ms) > SILENCE {
                told.failures = 0;
                voice.unsaid = true;
            }
            told.count(failed, now_ms);
        }
        let lost = std::mem::take(&mut voice.lost);
        told.unsaid = told.unsaid.saturating_add(lost);
        if voice.unsaid && told.covers(condition) {
            // Back to what was said last, if there was anything in between.
            told.unsaid = told.unsaid.saturating_add(i64::from(lost > 0));
            voice.unsaid = false;
        }
        let (what, at_once) = match condition {
            _ if !is_heard => return None,
            Condition::Works if voice.unsaid => (What::Recovered, CHANGES),
            Condition::Fails { felt, .. } if voice.unsaid => {
                let what = match told.failing {
                    Some(_) if !told.is_old() => What::Changed,
                    _ => What::Began,
                };
                match felt {
                    Felt::Withdrawn => (what, WITHDRAWALS),
                    _ => (what, CHANGES),
                }
            }
            Condition::Fails { .. } if failed > 0 && now_ms >= told.remind_at_ms => {
                (What::GoesOn, REMINDERS)
            }
            _ => return None,
        };
        // The ledger lends to both legs.
        let mut told = *told;
        match self.spend(at_once, now_ms) {
            Ok(()) => voice.unsaid = false,
            Err(wait) => {
                voice.wait_until_ms = Some(now_ms.saturating_add(wait));
                return None;
            }
        }
        let report = Report {
            what,
            felt: condition.felt(),
            failures: told.failures,
            lasted_ms: now_ms.saturating_sub(told.since_ms),
            unsaid: std::mem::take(&mut told.unsaid),
        };
        let was_old = told.is_old();
        told.interval_ms = match what {
            What::GoesOn => (2 * told.interval_ms).clamp(FIRST_INTERVAL, LAST_INTERVAL),
            _ => FIRST_INTERVAL,
        };
        told.remind_at_ms = now_ms.saturating_add(told.interval_ms);
        told.failing = match condition {
            Condition::Works => {
                // Another process that fails still has that to say in a minute.
                told.failures = 0;
                None
            }
            Condition::Fails { cause, felt } => {
                let known = told.failing.filter(|_| !was_old);
                let worst = known.filter(|(known, _)| *known == cause);
                Some((cause, worst.map_or(felt, |(_, worst)| worst.max(felt))))
            }
        };
        self.legs[kind as usize] = told;
        Some(report)
    }
}

impl Condition {
    fn felt(self) -> Option<Felt> {
        match self {
            Self::Works => None,
            Self::Fails { felt, .. } => Some(felt),
        }
    }
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) what: What,
    /// `None` after a recovery.
    pub(crate) felt: Option<Felt>,
    /// Attempts that failed since it last worked, in all processes of the family.
    pub(crate) failures: i64,
    /// Since the first of them.
    pub(crate) lasted_ms: i64,
    /// Changes right before this for which there was no room.
    pub(crate) unsaid: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Began,
    Changed,
    GoesOn,
    Recovered,
}

impl Report {
    /// Of a failure, with what is left of the held token.
    pub(crate) fn failure(&self, error: &Error, next_attempt_ms: i64, left_ms: i64) -> String {
        let Self {
            what,
            failures,
            lasted_ms,
            ..
        } = *self;
        let lasted = duration(lasted_ms);
        let (before, behind) = match what {
            What::GoesOn => (
                format!("still failing: {failures} attempts in {lasted}; "),
                String::new(),
            ),
            _ if failures > 1 => (
                String::new(),
                format!("{failures} attempts failed in {lasted}, "),
            ),
            _ => (String::new(), "failure 1 in a row, ".to_owned()),
        };
        let outlook = match self.felt {
            Some(Felt::NotYet) => format!("the held token ends in {} s", left_ms / 1_000),
            Some(Felt::Refused) => {
                "no usable token is held, and callers get this error at once".to_owned()
            }
            Some(Felt::Withdrawn) => {
                "both tokens were dropped, so no usable token is held".to_owned()
            }
            Some(Felt::Waiting) | None => "no usable token is held".to_owned(),
        };
        let unsaid = self.unsaid_changes();
        format!("{before}{error} ({behind}next attempt in {next_attempt_ms} ms; {outlook}{unsaid})")
    }

    /// What stands behind the words for a success.
    pub(crate) fn recovery(&self) -> String {
        let attempts = match self.failures {
            1 => "1 attempt".to_owned(),
            failures => format!("{failures} attempts"),
        };
        let lasted = duration(self.lasted_ms);
        let unsaid = self.unsaid_changes();
        format!("{attempts} failed in {lasted}{unsaid}")
    }

    fn unsaid_changes(&self) -> String {
        match self.unsaid {
            0 => String::new(),
            1 => "; 1 change before this was not reported".to_owned(),
            unsaid => format!("; {unsaid} changes before this were not reported"),
        }
    }
}

/// To two figures or so.
fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

/// One process's side of one token: what it has to say, and has not yet.
#[derive(Debug, Default)]
struct Voice {
    /// `None` before the first attempt has ended.
    condition: Option<Condition>,
    /// That was said by nobody yet.
    unsaid: bool,
    /// Until there is room for it.
    wait_until_ms: Option<i64>,
    /// Attempts that failed and changes that came to nothing since the ledger was
    /// last at hand.
    failed: i64,
    lost: i64,
}

impl Voice {
    fn turn(&mut self, condition: Condition) {
        if self.condition.replace(condition) != Some(condition) {
            self.lost += i64::from(std::mem::replace(&mut self.unsaid, true));
            self.wait_until_ms = None;
        }
    }
}

/// What a worker has to say of its two tokens.
#[derive(Debug, Default)]
pub(crate) struct Reporter([Voice; 2]);

impl Reporter {
    pub(crate) fn is_failing(&self, kind: TokenKind) -> bool {
        matches!(
            self.0[kind as usize].condition,
            Some(Condition::Fails { .. })
        )
    }

    pub(crate) fn failed(&mut self, kind: TokenKind, cause: u32, felt: Felt) {
        let voice = &mut self.0[kind as usize];
        voice.failed += 1;
        voice.turn(Condition::Fails { cause, felt });
    }

    pub(crate) fn succeeded(&mut self, kind: TokenKind) {
        self.0[kind as usize].turn(Condition::Works);
    }

    /// Time alone takes tokens and patience away.
    pub(crate) fn felt(&mut self, kind: TokenKind, felt: Felt) {
        let voice = &mut self.0[kind as usize];
        if let Some(Condition::Fails { cause, .. }) = voice.condition {
            voice.turn(Condition::Fails { cause, felt });
        }
    }

    /// What there is to say now. If nobody listens it waits for somebody who does.
    pub(crate) fn report(
        &mut self,
        board: &Board,
        kind: TokenKind,
        now_ms: i64,
        is_heard: bool,
    ) -> Option<Report> {
        let voice = &mut self.0[kind as usize];
        let must_wait = voice.wait_until_ms.is_some_and(|until| now_ms < until);
        if voice.failed == 0 && (!voice.unsaid || must_wait || !is_heard) {
            return None;
        }
        voice.wait_until_ms = None;
        let decided = board.with(now_ms, |ledger| {
            ledger.decide(kind, voice, now_ms, is_heard)
        });
        if decided.is_none() {
            voice.wait_until_ms = Some(now_ms.saturating_add(BUSY));
        }
        decided.flatten()
    }

    /// How long until there is room for what is left to say.
    pub(crate) fn wait(&self, now_ms: i64) -> Option<i64> {
        let waiting = self.0.iter().filter(|voice| voice.unsaid);
        let until = waiting.filter_map(|voice| voice.wait_until_ms).min()?;
        Some((until - now_ms).max(1))
    }
}
