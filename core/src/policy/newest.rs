//! The newest token is found: random histories of a source that gets a new
//! token at any moment of the old one's life, of callers that come at any
//! moment, and of clocks that are set. Whoever wants a token and has none gets
//! the one that is at the source within a second, whatever came before.

use proptest::prelude::*;

use super::{Demand, Held, Outcome, Rules, State, Step};
use crate::clock::Now;
use crate::error::FailureClass;
use crate::random::Seeded;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const START: Now = Now {
    wall: 1_700_000_000_000,
    boot: 5_000_000,
};
/// How soon a token that is at the source is in the hands of who wants it,
/// beyond the time that the attempts themselves take.
const AT_ONCE: i64 = SECOND;
/// How long callers wait.
const PATIENCE: i64 = 30 * SECOND;

/// What happens to the world, one after the other.
#[derive(Clone, Debug)]
enum Event {
    Pass(i64),
    /// Time passes until so long before the end of the token at the source.
    UntilBeforeItsEnd(i64),
    /// The source gets a new token, of this life.
    Mint(i64),
    /// A caller comes: for the SVID, the access token.
    Read(bool, bool),
    /// The wall clock is set.
    Jump(i64),
    Suspend(i64),
    /// The source answers, or fails this way.
    Source(Option<FailureClass>),
    InvalidateSubject,
    InvalidateAccess,
}

/// Times by the true clock, which nobody sets.
#[derive(Clone, Copy, Debug)]
struct Minted {
    number: u32,
    iat: i64,
    exp: i64,
}

#[derive(Default)]
struct Caller {
    came: Option<i64>,
    /// Since when (boot time) there has been a token for it, all being well.
    served_late_since: Option<i64>,
}

struct History {
    now: Now,
    /// What the wall clock would say if nobody had set it.
    truth: i64,
    state: State,
    latency: i64,
    access_life: Option<i64>,
    at_source: Minted,
    source: Option<FailureClass>,
    held: u32,
    fetch_ends: Option<i64>,
    exchange_ends: Option<(i64, Now, Held)>,
    subject: Caller,
    access: Caller,
    /// No exchange is forced before that.
    forced_until: i64,
    /// Since when (boot time) a newer token has been there to be found.
    newer_since: Option<i64>,
    was_usable: bool,
    fetches: Vec<Now>,
    random: Seeded,
}

impl History {
    fn new(refresh_buffer_ms: i64, life: i64, access_life: Option<i64>, latency: i64) -> Self {
        Self {
            now: START,
            truth: START.wall,
            state: State::new(Rules {
                refresh_buffer_ms,
                access_from_file: false,
            }),
            latency,
            access_life,
            at_source: Minted {
                number: 1,
                iat: START.wall,
                exp: START.wall + life,
            },
            source: None,
            held: 0,
            fetch_ends: None,
            exchange_ends: None,
            subject: Caller::default(),
            access: Caller::default(),
            forced_until: 0,
            newer_since: None,
            was_usable: false,
            fetches: Vec::new(),
            random: Seeded::default(),
        }
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Pass(duration) => self.pass(duration),
            Event::UntilBeforeItsEnd(left) => self.pass(self.at_source.exp - left - self.truth),
            Event::Mint(life) => {
                self.at_source = Minted {
                    number: self.at_source.number + 1,
                    // SVIDs are dated in whole seconds, and down.
                    iat: self.truth / SECOND * SECOND,
                    exp: (self.truth + life) / SECOND * SECOND,
                };
            }
            Event::Read(subject, access) => {
                let now = self.now.boot;
                for (caller, comes) in [(&mut self.subject, subject), (&mut self.access, access)] {
                    if comes {
                        caller.came = Some(now);
                    }
                }
            }
            Event::Jump(offset) => {
                self.now.wall += offset;
                self.forget();
            }
            Event::Suspend(duration) => {
                self.now.wall += duration;
                self.now.boot += duration;
                self.truth += duration;
                self.forget();
            }
            Event::Source(weather) => self.source = weather,
            Event::InvalidateSubject => {
                if self.state.subject.held.is_some() {
                    self.state.invalidated_subject();
                    self.was_usable = false;
                }
            }
            Event::InvalidateAccess => {
                if self.state.access.held.is_some() {
                    self.state.invalidated_access(self.now);
                    self.forced_until = self.state.access.not_before_ms;
                }
            }
        }
    }

    /// What was there is there anew: nobody acts in no time.
    fn forget(&mut self) {
        self.subject.served_late_since = None;
        self.access.served_late_since = None;
        self.newer_since = None;
        self.was_usable = false;
    }

    fn pass(&mut self, duration: i64) {
        let end = self.now.boot + duration;
        let mut circles = 0;
        while self.now.boot < end {
            self.end_attempts();
            self.look();
            let wake = self.act();
            self.judge();
            let mut next = end;
            for at in [
                wake,
                self.fetch_ends,
                self.exchange_ends.as_ref().map(|it| it.0),
                self.subject.came.map(|came| came + PATIENCE),
                self.access.came.map(|came| came + PATIENCE),
            ] {
                next = next.min(at.unwrap_or(i64::MAX));
            }
            let passed = next.max(self.now.boot) - self.now.boot;
            circles = if passed == 0 { circles + 1 } else { 0 };
            assert!(circles < 10, "runs in circles: {:?}", self.state);
            self.now.wall += passed;
            self.now.boot += passed;
            self.truth += passed;
        }
    }

    /// What the source says now.
    fn fetched(&self) -> Outcome {
        if let Some(class) = self.source {
            return Outcome::FetchFailed { class };
        }
        match self.life_at_source() {
            ..=0 => Outcome::FetchFailed {
                class: FailureClass::Lapsed,
            },
            life_ms => Outcome::Fetched {
                received: self.now,
                life_ms,
                exp_ms: self.at_source.exp,
                same: self.state.subject.held.is_some() && self.held == self.at_source.number,
            },
        }
    }

    /// The life of the token at the source, as this host believes.
    fn life_at_source(&self) -> i64 {
        let Minted { iat, exp, .. } = self.at_source;
        (exp - self.now.wall).min(exp - iat)
    }

    fn end_attempts(&mut self) {
        let random = self.random.next();
        if self.fetch_ends.take_if(|at| *at <= self.now.boot).is_some() {
            let outcome = self.fetched();
            self.state.apply(self.now, &outcome, random);
            if let Outcome::Fetched { same: false, .. } = outcome {
                self.held = self.at_source.number;
                self.was_usable = false;
            }
        }
        if let Some((_, sent, subject)) = self.exchange_ends.take_if(|it| it.0 <= self.now.boot) {
            let outcome = Outcome::Exchanged {
                sent,
                expires_in_ms: self.access_life,
                subject,
                endpoint_wall_ms: None,
            };
            self.state.apply(self.now, &outcome, random);
        }
    }

    /// What callers do, and what they find.
    fn look(&mut self) {
        let now = self.now;
        let usable = |held: Option<Held>| held.is_some_and(|held| held.is_usable(now));
        let mut demand = Demand::default();
        for (caller, held, asked, read) in [
            (
                &mut self.subject,
                self.state.subject.held,
                &mut demand.subject_asked,
                &mut demand.subject_read,
            ),
            (
                &mut self.access,
                self.state.access.held,
                &mut demand.access_asked,
                &mut demand.access_read,
            ),
        ] {
            if let Some(came) = caller.came {
                *read = usable(held);
                *asked = !*read;
                if *read || now.boot - came >= PATIENCE {
                    *caller = Caller::default();
                }
            }
        }
        self.state.note(demand, now);
    }

    fn act(&mut self) -> Option<i64> {
        for _ in 0..4 {
            let step = self.state.next(self.now);
            match step {
                Step::FetchSubject => {
                    assert!(self.fetch_ends.is_none(), "two fetches");
                    self.fetch_ends = Some(self.now.boot + self.latency);
                    self.fetches.push(self.now);
                }
                Step::Exchange => {
                    assert!(self.exchange_ends.is_none(), "two exchanges");
                    let subject = self.state.subject.held.expect("an SVID");
                    self.exchange_ends = Some((self.now.boot + self.latency, self.now, subject));
                }
                Step::SleepMs(duration) => return Some(self.now.boot + duration),
                Step::Idle => return None,
            }
            self.state.started(step);
        }
        panic!("more than one of each: {:?}", self.state);
    }

    /// The promises.
    fn judge(&mut self) {
        let (now, state) = (self.now, &self.state);
        let subject = state.subject.held.filter(|held| held.is_usable(now));
        let access = state.access.held.filter(|held| held.is_usable(now));
        let well = self.source.is_none() && self.life_at_source() > 0;
        let is_another = state.subject.held.is_none() || self.held != self.at_source.number;
        let newer = well && is_another;

        // Who waits has it within a second of its being there.
        let exchangeable = newer || (subject.is_some() && state.gains(now));
        let attempts = 2 * self.latency;
        for (caller, is_there, from, longest) in [
            (&mut self.subject, newer, 0, AT_ONCE + attempts),
            (
                &mut self.access,
                exchangeable && access.is_none(),
                self.forced_until,
                AT_ONCE + 2 * attempts,
            ),
        ] {
            if caller.came.is_none() || !is_there {
                caller.served_late_since = None;
                continue;
            }
            let since = *caller.served_late_since.get_or_insert(now.boot);
            assert!(
                now.boot - since.max(from) <= longest,
                "it has been there for {} ms: {state:?}",
                now.boot - since
            );
        }

        // Who reads all the time never goes without if it was there a moment before.
        if !newer {
            self.newer_since = None;
        } else if self.newer_since.is_none() {
            self.newer_since = Some(now.boot);
        }
        let is_usable = subject.is_some();
        if self.was_usable && !is_usable && state.subject.read {
            let longest = AT_ONCE + attempts + 500;
            assert!(
                self.newer_since
                    .is_none_or(|since| now.boot - since <= longest),
                "there in time, and not looked for: {state:?}"
            );
        }
        self.was_usable = is_usable && state.subject.read;
    }
}

fn class() -> impl Strategy<Value = FailureClass> {
    prop_oneof![Just(FailureClass::Local), Just(FailureClass::Stale)]
}

/// Of every order of magnitude alike.
fn between(shortest: i64, longest: i64) -> impl Strategy<Value = i64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "milliseconds of a day"
    )]
    ((shortest as f64).ln()..(longest as f64).ln()).prop_map(|log| log.exp() as i64)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => between(10, 30 * HOUR).prop_map(Event::Pass),
        4 => between(100, HOUR).prop_map(Event::UntilBeforeItsEnd),
        4 => between(5 * MINUTE, DAY).prop_map(Event::Mint),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(subject, access)| Event::Read(subject, access)),
        1 => (-2 * HOUR..2 * HOUR).prop_map(Event::Jump),
        1 => between(SECOND, 12 * HOUR).prop_map(Event::Suspend),
        1 => proptest::option::of(class()).prop_map(Event::Source),
        1 => Just(Event::InvalidateSubject),
        1 => Just(Event::InvalidateAccess),
    ]
}

/// Acceptance: 10,000 histories (`SVIDEX_LONG=1`), fewer in CI.
fn cases() -> u32 {
    match std::env::var_os("SVIDEX_LONG").is_some_and(|value| value == "1") {
        true => 10_000,
        false => 300,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whoever_wants_a_token_gets_the_one_at_the_source(
        buffer in prop_oneof![Just(20 * MINUTE), between(SECOND, DAY)],
        life in between(5 * MINUTE, DAY),
        access_life in proptest::option::of(between(MINUTE, 2 * HOUR)),
        latency in 1i64..50,
        events in proptest::collection::vec(event(), 1..24),
    ) {
        let mut history = History::new(buffer, life, access_life, latency);
        for event in &events {
            history.take(event);
        }
        history.pass(PATIENCE);
    }
}

/// What that costs a source that repeats its token to the end: a few looks in
/// the hours before, and about one a second while somebody waits.
#[test]
fn a_source_that_repeats_itself_is_not_asked_all_the_time() {
    for (life, looks_while_usable) in [(DAY, 13), (HOUR, 13), (5 * MINUTE, 10)] {
        let mut history = History::new(20 * MINUTE, life, None, 20);
        history.take(&Event::Read(true, false));
        history.take(&Event::UntilBeforeItsEnd(super::leg::MAX_MARGIN));
        let looks = history.fetches.len();
        assert!(
            (3..=looks_while_usable).contains(&looks),
            "{looks} looks at a token of {life} ms: {:?}",
            history.fetches
        );
        // A caller who waits for the whole margin.
        history.take(&Event::Read(true, false));
        history.take(&Event::UntilBeforeItsEnd(0));
        let looks = history.fetches.len() - looks;
        assert!((10..=25).contains(&looks), "{looks} looks in ten seconds");
    }
}
