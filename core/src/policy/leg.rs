//! A token as the policy sees it, and the attempts to get it: how long it serves,
//! when it is due, and how long a failure keeps from the next attempt.

#[cfg(test)]
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::error::FailureClass;

/// A token's last stretch, kept free for the request that will carry it.
pub(super) const MAX_MARGIN: i64 = 10_000;
/// Between two looks at a source that repeats a token which can still be used.
const REPEAT_INTERVAL: i64 = 1_000;
/// After a success: no answer, however odd, makes two attempts run into each other.
pub(super) const MIN_INTERVAL: i64 = 100;

/// A token, as the policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
pub(crate) struct Held {
    /// When its life began: an SVID's on receipt, an access token's when the
    /// request for it was sent.
    pub(crate) received: Now,
    pub(crate) life_ms: i64,
    /// Renewal is due once no more than this is left.
    pub(crate) refresh_at_ms: i64,
    /// `exp` of the SVID: this one, or the one behind the access token.
    pub(crate) subject_exp_ms: i64,
    /// An access token that ends with its SVID: the same SVID cannot renew it.
    #[cfg_attr(test, serde(default))]
    pub(crate) capped: bool,
}

impl Held {
    /// What is left by the clock that says less.
    pub(crate) fn left(&self, now: Now) -> i64 {
        let by_wall = now.wall - self.received.wall;
        let by_boot = now.boot - self.received.boot;
        self.life_ms - by_wall.max(by_boot)
    }

    /// Whether it may be handed out.
    pub(crate) fn is_usable(&self, now: Now) -> bool {
        self.left(now) >= margin(self.life_ms).max(1)
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.left(now) <= self.refresh_at_ms
    }

    /// Whether somebody else who renews by the same rules should have done so: one
    /// look after it was due came too early at most.
    pub(super) fn is_overdue(&self, now: Now) -> bool {
        self.left(now) <= i64::midpoint(self.refresh_at_ms, margin(self.life_ms))
    }

    /// What is left until it may no longer be handed out.
    pub(crate) fn use_left(&self, now: Now) -> i64 {
        self.left(now) - margin(self.life_ms)
    }
}

pub(super) fn margin(life: i64) -> i64 {
    (life / 10).min(MAX_MARGIN)
}

/// Min(buffer, life/2) before the end, ±10 % so that a fleet does not march in
/// step; and early enough that a retry fits in before the margin begins.
pub(super) fn refresh_at(life: i64, buffer: i64, random: f64) -> i64 {
    scale(
        buffer.min(life / 2).max(2 * margin(life)),
        0.9 + 0.2 * random,
    )
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "milliseconds"
)]
pub(super) fn scale(duration: i64, factor: f64) -> i64 {
    (duration as f64 * factor) as i64
}

/// One of the two tokens and the attempts to get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[cfg_attr(test, serde(default))]
pub(crate) struct Leg {
    pub(crate) held: Option<Held>,
    /// The held token has been read since it came.
    pub(crate) read: bool,
    /// When (boot time) somebody last went without.
    pub(crate) asked_at_ms: Option<i64>,
    pub(crate) in_flight: bool,
    /// Failures in a row, all of `class`.
    pub(crate) failures: u32,
    pub(crate) class: Option<FailureClass>,
    /// No attempt before this boot time.
    pub(crate) not_before_ms: i64,
    /// The source repeated the held token: while it can be used, the source is
    /// not asked again before no more than this is left. What is left counts, and
    /// not a time to wait for, since clocks that are set take from it.
    pub(crate) again_at_ms: Option<i64>,
}

impl Leg {
    pub(super) fn usable(&self, now: Now) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.is_usable(now))
    }

    pub(super) fn is_wanted(&self, now: Now) -> bool {
        match self.usable(now) {
            Some(_) => self.read && self.is_due(now),
            None => self.asked_at_ms.is_some() || self.read,
        }
    }

    /// The held token is on its way out, or out, and nothing is known of its source
    /// that makes asking useless.
    pub(super) fn is_due(&self, now: Now) -> bool {
        self.usable(now)
            .is_none_or(|held| held.is_due(now) && self.may_be_news(now))
    }

    /// Whether the source may have another token than the held one by now.
    pub(super) fn may_be_news(&self, now: Now) -> bool {
        let usable = self.usable(now).zip(self.again_at_ms);
        usable.is_none_or(|(held, again_at)| held.left(now) <= again_at)
    }

    pub(super) fn may_start(&self, now: Now) -> bool {
        !self.in_flight && now.boot >= self.not_before_ms
    }

    pub(super) fn succeed(&mut self, now: Now, interval: i64) {
        self.in_flight = false;
        self.failures = 0;
        self.class = None;
        self.asked_at_ms = None;
        self.not_before_ms = now.boot + interval;
        self.again_at_ms = None;
    }

    /// The source gave the held token again, which can still be used.
    pub(super) fn repeated(&mut self, held: Held, now: Now) {
        // Not an error: ask again when half of its use has gone. Nearer to the last
        // use the looks come closer, so that a token which comes late is in time.
        let pause = (held.use_left(now) / 2).max(REPEAT_INTERVAL);
        self.succeed(now, MIN_INTERVAL);
        self.again_at_ms = Some(held.left(now) - pause);
    }

    /// The token is gone before its end, or at it.
    pub(super) fn drop_held(&mut self) -> Option<Held> {
        self.again_at_ms = None;
        self.held.take()
    }

    pub(super) fn fail(
        &mut self,
        now: Now,
        class: FailureClass,
        retry_after: Option<i64>,
        random: f64,
    ) {
        self.in_flight = false;
        if self.class != Some(class) {
            self.class = Some(class);
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let (first, longest) = match class {
            FailureClass::Local | FailureClass::Stale | FailureClass::Lapsed => (100, 1_000),
            FailureClass::Transient => (500, 60_000),
            FailureClass::Denied => (500, 5_000),
            FailureClass::Permanent => (30_000, 30_000),
        };
        let base = i64::min(first << (self.failures - 1).min(20), longest);
        let mut delay = match class {
            // Somebody has to change something: no sooner, but not in step either.
            FailureClass::Permanent => scale(base, 1.0 + 0.1 * random),
            _ => scale(base, 0.5 + 0.5 * random),
        };
        if let Some(retry_after) = retry_after {
            delay = delay.max(scale(retry_after, 1.0 + 0.1 * random));
        }
        if class != FailureClass::Permanent
            && let Some(held) = self.usable(now)
        {
            // Nearer to the last use the attempts come closer, so that a peer that
            // is back a second before it is back in time.
            delay = delay.min((held.use_left(now) / 2).max(500));
        }
        self.not_before_ms = now.boot + delay;
    }

    /// How many failures in a row a caller is asked to wait through.
    pub(super) fn patience(&self) -> Option<u32> {
        match self.class? {
            FailureClass::Permanent => Some(1),
            FailureClass::Transient | FailureClass::Stale | FailureClass::Lapsed => Some(3),
            FailureClass::Local | FailureClass::Denied => None,
        }
    }
}
