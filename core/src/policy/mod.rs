//! The refresh policy: when to fetch, when to exchange, when to wait, when to
//! let go. Pure: no clock, no I/O, no randomness of its own, so that every rule
//! can be written down as a vector (`tests/vectors/policy.json`).
//!
//! All durations are milliseconds. Tokens are judged by both clocks; attempts
//! are scheduled by the boot-time clock alone, which nobody sets.

#[cfg(test)]
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::error::FailureClass;

mod leg;

pub(crate) use leg::{Held, Leg};
use leg::{MIN_INTERVAL, margin, refresh_at, scale};

/// Two ends closer than this are one end: the server rounds to seconds.
const SAME_END: i64 = 2_000;
/// The longest time without a look at both clocks.
const MAX_SLEEP: i64 = 60_000;
/// What `expires_in` counts as if the server leaves it out.
const DEFAULT_ACCESS_LIFE: i64 = 3_600_000;
/// Between two exchanges that `invalidate` forces.
const FORCED_EXCHANGE_INTERVAL: i64 = 30_000;
/// A denial this long after the first of its run means that the identity is gone.
const DENIAL_GRACE: i64 = 30_000;
/// Nobody has asked for this long: an abandoned provider stops knocking.
const DEMAND_WINDOW: i64 = 600_000;
/// Exchanges in a row of an SVID that has not begun by the endpoint's clock. One
/// would do, if there were not several servers, each with a clock of its own.
const MAX_EARLY: u32 = 3;

/// What the policy needs to know of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
pub(crate) struct Rules {
    pub(crate) refresh_buffer_ms: i64,
    /// Access tokens come from a file: getting one needs no SVID and costs nothing.
    #[cfg_attr(test, serde(default))]
    pub(crate) access_from_file: bool,
}

/// Whether the SVID was refused, and what was done about it: it is fetched once
/// more, and exchanged at once if it is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
pub(crate) enum Rejection {
    #[default]
    None,
    Refetching,
    Retried,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
pub(crate) struct State {
    pub(crate) rules: Rules,
    #[cfg_attr(test, serde(default))]
    pub(crate) subject: Leg,
    #[cfg_attr(test, serde(default))]
    pub(crate) access: Leg,
    #[cfg_attr(test, serde(default))]
    pub(crate) rejection: Rejection,
    /// An SVID has been fetched before: a denial is then no matter of start-up.
    #[cfg_attr(test, serde(default))]
    pub(crate) was_admitted: bool,
    /// When (boot time) the current run of denials began.
    #[cfg_attr(test, serde(default))]
    pub(crate) denied_since_ms: Option<i64>,
    /// When (boot time) `invalidate` last forced an exchange.
    #[cfg_attr(test, serde(default))]
    pub(crate) forced_at_ms: Option<i64>,
    /// Exchanges in a row that came before their SVID had begun.
    #[cfg_attr(test, serde(default))]
    pub(crate) early: u32,
}

/// What callers did since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(default))]
pub(crate) struct Demand {
    /// Somebody went without, or waits.
    pub(crate) subject_asked: bool,
    pub(crate) access_asked: bool,
    /// Somebody read the held token.
    pub(crate) subject_read: bool,
    pub(crate) access_read: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
pub(crate) enum Outcome {
    Fetched {
        received: Now,
        life_ms: i64,
        exp_ms: i64,
        /// The same SVID as the held one: agents repeat it until half its life.
        same: bool,
    },
    FetchFailed {
        class: FailureClass,
    },
    Exchanged {
        /// When the request was sent.
        sent: Now,
        expires_in_ms: Option<i64>,
        /// The SVID that was sent.
        subject: Held,
        /// What the token endpoint's clock says now, if this host's is slow.
        #[cfg_attr(test, serde(default))]
        endpoint_wall_ms: Option<i64>,
    },
    /// An access token was read from its file.
    AccessRead {
        received: Now,
        life_ms: i64,
        end_ms: i64,
        /// The same token as the held one.
        same: bool,
    },
    /// An exchange failed, or the reading of an access token.
    ExchangeFailed {
        class: FailureClass,
        #[cfg_attr(test, serde(default))]
        retry_after_ms: Option<i64>,
        /// The SVID itself was refused.
        #[cfg_attr(test, serde(default))]
        subject_rejected: bool,
        /// It begins that much later by the endpoint's clock.
        #[cfg_attr(test, serde(default))]
        not_yet_ms: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
pub(crate) enum Step {
    FetchSubject,
    /// Or read an access token, where those come from a file.
    Exchange,
    /// Look again after this long, or when somebody asks.
    SleepMs(i64),
    /// Nothing to do until somebody asks.
    Idle,
}

/// What a caller without a usable token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
pub(crate) enum Verdict {
    Wait,
    /// It gets the last error of the fetches at once.
    RefuseAsFetch,
    /// It gets the last error of the exchanges at once.
    RefuseAsExchange,
}

impl State {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            subject: Leg::default(),
            access: Leg::default(),
            rejection: Rejection::None,
            was_admitted: false,
            denied_since_ms: None,
            forced_at_ms: None,
            early: 0,
        }
    }

    /// Takes note of what callers did, and forgets what time has taken.
    pub(crate) fn note(&mut self, demand: Demand, now: Now) {
        for (leg, asked, read) in [
            (&mut self.subject, demand.subject_asked, demand.subject_read),
            (&mut self.access, demand.access_asked, demand.access_read),
        ] {
            leg.read |= read && leg.held.is_some();
            if asked {
                leg.asked_at_ms = Some(now.boot);
            }
            if leg.held.is_some_and(|held| held.left(now) <= 0) {
                leg.drop_held();
                // It was in use to its end: whoever used it will be back.
                if std::mem::take(&mut leg.read) {
                    leg.asked_at_ms = Some(now.boot);
                }
            }
            let abandoned = leg
                .asked_at_ms
                .is_some_and(|at| now.boot - at > DEMAND_WINDOW);
            if abandoned && leg.held.is_none() && !leg.in_flight {
                leg.asked_at_ms = None;
                leg.failures = 0;
                leg.class = None;
            }
        }
    }

    /// A token was taken away by `invalidate`.
    pub(crate) fn invalidated_subject(&mut self) {
        self.subject.drop_held();
        self.subject.read = false;
    }

    /// A token was taken away by `invalidate`.
    pub(crate) fn invalidated_access(&mut self, now: Now) {
        self.access.drop_held();
        self.access.read = false;
        match self.forced_at_ms {
            Some(at) if now.boot - at < FORCED_EXCHANGE_INTERVAL => {
                let next = at + FORCED_EXCHANGE_INTERVAL;
                self.access.not_before_ms = self.access.not_before_ms.max(next);
            }
            _ => self.forced_at_ms = Some(now.boot),
        }
    }

    /// Whether an exchange would yield a token that ends later than the held one.
    fn gains(&self, now: Now) -> bool {
        if self.rules.access_from_file {
            return true;
        }
        match (self.subject.usable(now), &self.access.held) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(subject), Some(access)) => {
                !access.capped || subject.subject_exp_ms > access.subject_exp_ms
            }
        }
    }

    /// Somebody wants an access token, and nothing that is held gives one.
    fn goes_without(&self, now: Now) -> bool {
        self.access.usable(now).is_none() && self.access.is_wanted(now) && !self.gains(now)
    }

    /// What to do now. Starting it is reported with [`State::started`].
    pub(crate) fn next(&self, now: Now) -> Step {
        match self.plan(now) {
            Step::SleepMs(wait) => Step::SleepMs(wait.min(MAX_SLEEP)),
            step => step,
        }
    }

    /// The same if no clock is ever set and no machine ever sleeps.
    fn plan(&self, now: Now) -> Step {
        let access_wanted = self.access.is_wanted(now);
        let can_exchange = access_wanted && self.gains(now);
        // Better to have the next SVID first if this one is on its way out.
        let subject_wanted = self.subject.is_wanted(now)
            || self.rejection == Rejection::Refetching
            || self.goes_without(now)
            || (access_wanted
                && !self.rules.access_from_file
                && (!can_exchange || self.subject.is_due(now))
                && self.subject.may_be_news(now));

        // In the background there is time to renew the SVID first, so that one
        // exchange serves for as long as possible. A waiting caller, or a
        // source in trouble, is reason enough to take what is there.
        let fetch_first = !self.rules.access_from_file
            && self.access.usable(now).is_some()
            && self.subject.is_due(now)
            && self.subject.failures == 0
            && (self.subject.in_flight || self.subject.may_start(now));
        if can_exchange && self.access.may_start(now) && !fetch_first {
            return Step::Exchange;
        }
        if subject_wanted && self.subject.may_start(now) {
            return Step::FetchSubject;
        }

        let mut until = [None; 4];
        if subject_wanted && !self.subject.in_flight {
            until[0] = Some(self.subject.not_before_ms - now.boot);
        }
        if can_exchange && !self.access.in_flight {
            until[1] = Some(self.access.not_before_ms - now.boot);
        }
        for (leg, until) in [&self.subject, &self.access]
            .into_iter()
            .zip(&mut until[2..])
        {
            *until = leg.held.map(|held| {
                let left = held.left(now);
                // The next change: it becomes due, its source may have another one,
                // it stops being usable, ends.
                let again_at = leg.again_at_ms.unwrap_or_default();
                let margin = margin(held.life_ms).max(1) - 1;
                [held.refresh_at_ms, again_at, margin, 0]
                    .into_iter()
                    .map(|at| left - at)
                    .filter(|wait| *wait > 0)
                    .min()
                    .unwrap_or(MAX_SLEEP)
            });
        }
        match until.into_iter().flatten().filter(|wait| *wait > 0).min() {
            Some(wait) => Step::SleepMs(wait),
            None => Step::Idle,
        }
    }

    pub(crate) fn started(&mut self, step: Step) {
        match step {
            Step::FetchSubject => self.subject.in_flight = true,
            Step::Exchange => self.access.in_flight = true,
            Step::SleepMs(_) | Step::Idle => {}
        }
    }

    /// Takes in how an attempt ended. `random` is in [0, 1).
    pub(crate) fn apply(&mut self, now: Now, outcome: &Outcome, random: f64) {
        match *outcome {
            Outcome::Fetched {
                received,
                life_ms,
                exp_ms,
                same,
            } => {
                self.fetched(now, received, life_ms, exp_ms, same, random);
            }
            Outcome::FetchFailed { class } => self.fetch_failed(now, class, random),
            Outcome::Exchanged {
                sent,
                expires_in_ms,
                subject,
                endpoint_wall_ms,
            } => {
                let judged = |held| self.judged_anew(held, endpoint_wall_ms, now, random);
                let (subject, held) = (judged(subject), self.subject.held.map(judged));
                self.subject.held = held;
                self.early = 0;
                let life = expires_in_ms
                    .unwrap_or(DEFAULT_ACCESS_LIFE)
                    .min(subject.left(sent));
                self.access.succeed(now, MIN_INTERVAL);
                self.access.read = false;
                self.access.held = Some(Held {
                    received: sent,
                    life_ms: life,
                    refresh_at_ms: refresh_at(life, self.rules.refresh_buffer_ms, random),
                    subject_exp_ms: subject.subject_exp_ms,
                    capped: life + SAME_END >= subject.left(sent),
                });
                self.rejection = Rejection::None;
            }
            Outcome::AccessRead {
                received,
                life_ms,
                end_ms,
                same,
            } => {
                let kept = self.access.held.filter(|_| same);
                match kept {
                    Some(held) if held.is_overdue(now) => {
                        self.access.fail(now, FailureClass::Stale, None, random);
                    }
                    Some(held) => self.access.repeated(held, now),
                    None => {
                        self.access.succeed(now, MIN_INTERVAL);
                        self.access.read = false;
                        self.access.held = Some(Held {
                            received,
                            life_ms,
                            refresh_at_ms: refresh_at(
                                life_ms,
                                self.rules.refresh_buffer_ms,
                                random,
                            ),
                            subject_exp_ms: end_ms,
                            capped: false,
                        });
                    }
                }
            }
            Outcome::ExchangeFailed {
                class,
                retry_after_ms,
                subject_rejected,
                not_yet_ms,
            } => {
                self.early = not_yet_ms.map_or(0, |_| self.early.saturating_add(1));
                if let Some(not_yet) = not_yet_ms.filter(|_| self.early <= MAX_EARLY) {
                    // It is good, and soon: neither a refusal nor worth another SVID.
                    self.access.fail(now, class, retry_after_ms, random);
                    // Dates are whole seconds, and so are waits from one to another.
                    let begins = not_yet + scale(200, 0.5 + 0.5 * random);
                    let wait = begins.max(retry_after_ms.unwrap_or_default());
                    self.access.not_before_ms = now.boot + wait;
                    return;
                }
                // Said once too often, it is a refusal like any other.
                let class = not_yet_ms.map_or(class, |_| FailureClass::Permanent);
                self.access.fail(now, class, retry_after_ms, random);
                self.rejection = match self.rejection {
                    Rejection::None if subject_rejected => {
                        self.subject.not_before_ms = now.boot;
                        Rejection::Refetching
                    }
                    _ => Rejection::None,
                };
            }
        }
    }

    /// An SVID once more is known of the clocks: where this host's is slow, it ends
    /// when the token endpoint says so.
    fn judged_anew(&self, held: Held, endpoint_wall: Option<i64>, now: Now, random: f64) -> Held {
        let too_much =
            endpoint_wall.map_or(0, |wall| held.left(now) - (held.subject_exp_ms - wall));
        if too_much <= 0 {
            return held;
        }
        let life_ms = held.life_ms - too_much;
        Held {
            life_ms,
            refresh_at_ms: refresh_at(life_ms, self.rules.refresh_buffer_ms, random),
            ..held
        }
    }

    fn fetched(&mut self, now: Now, received: Now, life: i64, exp: i64, same: bool, random: f64) {
        self.was_admitted = true;
        self.denied_since_ms = None;
        let kept = self.subject.held.filter(|_| same);
        if let Some(held) = kept {
            if !held.is_usable(now) || self.goes_without(now) {
                // Of use to nobody: whoever wants one waits for the next, which
                // may be there any moment.
                self.subject.fail(now, FailureClass::Local, None, random);
            } else {
                self.subject.repeated(held, now);
            }
        } else {
            self.subject.succeed(now, MIN_INTERVAL);
            self.subject.read = false;
            self.subject.held = Some(Held {
                received,
                life_ms: life,
                refresh_at_ms: refresh_at(life, self.rules.refresh_buffer_ms, random),
                subject_exp_ms: exp,
                capped: false,
            });
        }
        if self.rejection == Rejection::Refetching {
            self.rejection = if kept.is_some() {
                Rejection::None
            } else {
                self.access.not_before_ms = now.boot;
                Rejection::Retried
            };
        }
    }

    /// Right after [`Outcome::Fetched`]: it was the held SVID, which is of use to
    /// nobody any more, and counts as a failure.
    pub(crate) fn repeats_in_vain(&self) -> bool {
        self.subject.class.is_some()
    }

    /// Right after [`Outcome::AccessRead`]: it was the held access token, which should
    /// have been replaced by now, and counts as a failure.
    pub(crate) fn is_not_replaced(&self) -> bool {
        self.access.class.is_some()
    }

    fn fetch_failed(&mut self, now: Now, class: FailureClass, random: f64) {
        self.subject.fail(now, class, None, random);
        if self.rejection == Rejection::Refetching {
            self.rejection = Rejection::None;
        }
        if class == FailureClass::Denied {
            let since = *self.denied_since_ms.get_or_insert(now.boot);
            if now.boot - since >= DENIAL_GRACE {
                for leg in [&mut self.subject, &mut self.access] {
                    if leg.drop_held().is_some() && std::mem::take(&mut leg.read) {
                        leg.asked_at_ms = Some(now.boot);
                    }
                }
            }
        }
    }

    /// What a caller does that needs an SVID and finds none usable.
    pub(crate) fn subject_verdict(&self, now: Now) -> Verdict {
        let leg = &self.subject;
        let out_of_patience = leg
            .patience()
            .is_some_and(|patience| leg.failures >= patience);
        // At start-up a registration may be on its way; later it has been taken away.
        let identity_is_gone = leg.class == Some(FailureClass::Denied)
            && self.was_admitted
            && self
                .denied_since_ms
                .is_some_and(|since| now.boot - since >= DENIAL_GRACE);
        if out_of_patience || identity_is_gone {
            Verdict::RefuseAsFetch
        } else {
            Verdict::Wait
        }
    }

    /// What a caller does that needs an access token and finds none usable.
    pub(crate) fn access_verdict(&self, now: Now) -> Verdict {
        if !self.gains(now) {
            return self.subject_verdict(now);
        }
        let leg = &self.access;
        let second_try = self.rejection != Rejection::None
            || (self.early > 0 && leg.class == Some(FailureClass::Transient));
        let out_of_patience = leg
            .patience()
            .is_some_and(|patience| leg.failures >= patience);
        if out_of_patience && !second_try {
            Verdict::RefuseAsExchange
        } else {
            Verdict::Wait
        }
    }
}

#[cfg(test)]
mod fleet;
#[cfg(test)]
mod newest;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;
