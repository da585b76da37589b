//! Random histories of a provider: a source and an endpoint that fail and heal,
//! clocks that are set, readers that come and go. After every step the promises
//! must hold.

use proptest::prelude::*;

use super::{Demand, Held, Leg, Outcome, Rejection, Rules, State, Step, Verdict};
use crate::clock::Now;
use crate::error::FailureClass;
use crate::random::Seeded;

/// What happens to the world, one after the other.
#[derive(Clone, Debug)]
enum Event {
    Pass(i64),
    /// The wall clock is set.
    Jump(i64),
    /// The machine sleeps: both clocks move, nobody acts.
    Suspend(i64),
    Source(Weather),
    Endpoint(Weather),
    Readers {
        subject: bool,
        access: bool,
    },
    InvalidateSubject,
    InvalidateAccess,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fine,
    Fails(FailureClass),
    /// Answers only after the attempt's deadline.
    Hangs,
    /// The endpoint refuses the SVID itself; a source is fine.
    RejectsSubject,
}

const ATTEMPT_DEADLINE: i64 = 10_000;
const READ_EVERY: i64 = 250;

#[derive(Clone, Debug)]
struct World {
    svid_life: i64,
    access_life: Option<i64>,
    /// An agent repeats an SVID until half its life; with JTI it never does.
    repeats: bool,
    latency: i64,
}

struct History {
    world: World,
    now: Now,
    state: State,
    source: Weather,
    endpoint: Weather,
    readers: (bool, bool),
    /// The SVID that the agent would repeat: when it was made.
    minted: Option<i64>,
    fetch_ends: Option<i64>,
    exchange_ends: Option<(i64, Now, Held)>,
    attempts: Vec<i64>,
    next_read: i64,
    random: Seeded,
    /// How long (boot time) access readers have gone without, all being well.
    without_since: Option<i64>,
}

impl History {
    fn new(world: World, refresh_buffer_ms: i64) -> Self {
        Self {
            now: Now {
                wall: 1_700_000_000_000,
                boot: 50_000,
            },
            state: State::new(Rules {
                refresh_buffer_ms,
                access_from_file: false,
            }),
            source: Weather::Fine,
            endpoint: Weather::Fine,
            readers: (true, true),
            minted: None,
            fetch_ends: None,
            exchange_ends: None,
            attempts: Vec::new(),
            next_read: 50_000,
            random: Seeded::default(),
            without_since: None,
            world,
        }
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Pass(duration) => self.run_until(self.now.boot + duration),
            Event::Jump(offset) => self.now.wall += offset,
            Event::Suspend(duration) => {
                self.now.wall += duration;
                self.now.boot += duration;
            }
            Event::Source(weather) => self.source = weather,
            Event::Endpoint(weather) => self.endpoint = weather,
            Event::Readers { subject, access } => self.readers = (subject, access),
            Event::InvalidateSubject => {
                if self.state.subject.held.is_some() {
                    self.state.invalidated_subject();
                }
            }
            Event::InvalidateAccess => {
                if self.state.access.held.is_some() {
                    self.state.invalidated_access(self.now);
                }
            }
        }
        self.without_since = None;
    }

    fn run_until(&mut self, end: i64) {
        let mut steps_at_this_instant = 0;
        while self.now.boot < end {
            let before = self.now.boot;
            self.end_attempts();
            self.read();
            let wake = self.act();
            let mut next = end.min(self.next_read.max(self.now.boot + 1));
            for at in [
                wake,
                self.fetch_ends,
                self.exchange_ends.as_ref().map(|it| it.0),
            ] {
                next = next.min(at.unwrap_or(i64::MAX));
            }
            let passed = next.max(self.now.boot) - self.now.boot;
            self.now.wall += passed;
            self.now.boot += passed;
            steps_at_this_instant = if self.now.boot == before {
                steps_at_this_instant + 1
            } else {
                0
            };
            assert!(
                steps_at_this_instant < 10,
                "runs in circles: {:?}",
                self.state
            );
        }
    }

    fn act(&mut self) -> Option<i64> {
        for _ in 0..4 {
            let state = self.state.clone();
            let step = self.state.next(self.now);
            match step {
                Step::FetchSubject => {
                    assert!(
                        !state.subject.in_flight && self.fetch_ends.is_none(),
                        "two fetches"
                    );
                    assert!(self.now.boot >= state.subject.not_before_ms);
                    let hangs = self.source == Weather::Hangs;
                    let takes = if hangs {
                        ATTEMPT_DEADLINE
                    } else {
                        self.world.latency
                    };
                    self.fetch_ends = Some(self.now.boot + takes);
                }
                Step::Exchange => {
                    assert!(
                        !state.access.in_flight && self.exchange_ends.is_none(),
                        "two exchanges"
                    );
                    let subject = state.subject.held.expect("an exchange needs an SVID");
                    assert!(
                        subject.is_usable(self.now),
                        "an exchange with a used-up SVID"
                    );
                    if let Some(access) = state.access.held {
                        assert!(
                            !access.capped || subject.subject_exp_ms > access.subject_exp_ms,
                            "an exchange that gains nothing: {state:?}"
                        );
                    }
                    let hangs = self.endpoint == Weather::Hangs;
                    let takes = if hangs {
                        ATTEMPT_DEADLINE
                    } else {
                        self.world.latency
                    };
                    self.exchange_ends = Some((self.now.boot + takes, self.now, subject));
                    self.attempts.push(self.now.boot);
                }
                Step::SleepMs(duration) => {
                    assert!((1..=60_000).contains(&duration), "sleeps {duration} ms");
                    return Some(self.now.boot + duration);
                }
                Step::Idle => return None,
            }
            self.state.started(step);
        }
        panic!(
            "more than one fetch and one exchange in one look: {:?}",
            self.state
        );
    }

    fn end_attempts(&mut self) {
        let random = self.random.next();
        if self.fetch_ends.is_some_and(|at| at <= self.now.boot) {
            self.fetch_ends = None;
            let outcome = match self.source {
                Weather::Fine | Weather::RejectsSubject => self.fetched(),
                Weather::Hangs => Outcome::FetchFailed {
                    class: FailureClass::Transient,
                },
                Weather::Fails(class) => Outcome::FetchFailed { class },
            };
            self.apply(&outcome, random);
        }
        if let Some((_, sent, subject)) = self.exchange_ends.take_if(|it| it.0 <= self.now.boot) {
            let failed = |class, subject_rejected| Outcome::ExchangeFailed {
                class,
                retry_after_ms: None,
                subject_rejected,
                not_yet_ms: None,
            };
            let outcome = match self.endpoint {
                Weather::Fine => Outcome::Exchanged {
                    sent,
                    expires_in_ms: self.world.access_life,
                    subject,
                    endpoint_wall_ms: None,
                },
                Weather::Hangs => failed(FailureClass::Transient, false),
                Weather::Fails(class) => failed(class, false),
                Weather::RejectsSubject => failed(FailureClass::Permanent, true),
            };
            self.apply(&outcome, random);
            if let (Outcome::Exchanged { .. }, Some(access)) = (&outcome, self.state.access.held) {
                assert!(
                    access.received.boot + access.life_ms
                        <= subject.received.boot + subject.life_ms,
                    "an access token that outlives its SVID"
                );
            }
        }
    }

    fn fetched(&mut self) -> Outcome {
        let half = self.world.svid_life / 2;
        let fresh = self
            .minted
            .filter(|minted| self.world.repeats && self.now.boot - minted < half)
            .is_none();
        if fresh {
            self.minted = Some(self.now.boot);
        }
        let age = self.now.boot - self.minted.unwrap_or(self.now.boot);
        let life = self.world.svid_life - age;
        let exp = self.now.wall + life;
        Outcome::Fetched {
            received: self.now,
            life_ms: life,
            exp_ms: exp,
            same: !fresh && self.state.subject.held.is_some(),
        }
    }

    /// Applies, and checks that no failure took a usable token away.
    fn apply(&mut self, outcome: &Outcome, random: f64) {
        let before = self.state.clone();
        self.state.apply(self.now, outcome, random);
        let denied = matches!(
            outcome,
            Outcome::FetchFailed {
                class: FailureClass::Denied
            }
        ) && before
            .denied_since_ms
            .is_some_and(|since| self.now.boot - since >= super::DENIAL_GRACE);
        for (before, after) in [
            (&before.subject, &self.state.subject),
            (&before.access, &self.state.access),
        ] {
            if let Some(held) = before.held.filter(|held| held.is_usable(self.now)) {
                assert!(
                    denied || after.held.is_some_and(|it| it.left(self.now) >= 0),
                    "a usable token was discarded: {held:?} by {outcome:?}"
                );
            }
        }
    }

    fn read(&mut self) {
        let mut demand = Demand::default();
        if self.next_read <= self.now.boot {
            self.next_read = self.now.boot + READ_EVERY;
            let usable = |leg: &Leg| leg.held.is_some_and(|held| held.is_usable(self.now));
            if self.readers.0 {
                demand.subject_read = usable(&self.state.subject);
                demand.subject_asked = !demand.subject_read;
            }
            if self.readers.1 {
                demand.access_read = usable(&self.state.access);
                demand.access_asked = !demand.access_read;
                self.watch_recovery(demand.access_asked);
            }
        }
        self.state.note(demand, self.now);
        for (leg, reader) in [
            (&self.state.subject, self.readers.0),
            (&self.state.access, self.readers.1),
        ] {
            let Some(held) = leg.held.filter(|held| held.is_usable(self.now)) else {
                continue;
            };
            assert!(reader || !self.readers.0 || held.left(self.now) > 0);
            // Judged here a second time, from the definition.
            let age = (self.now.wall - held.received.wall).max(self.now.boot - held.received.boot);
            let margin = (held.life_ms / 10).min(10_000);
            assert!(
                held.life_ms - age >= margin && held.life_ms > age,
                "served past its margin"
            );
        }
    }

    /// With everything well and somebody waiting, a token comes. The longest
    /// wait that the rules themselves allow: 33 s after a refusal or between
    /// forced exchanges, a minute of backoff, a few attempts.
    fn watch_recovery(&mut self, without: bool) {
        let all_well = self.source == Weather::Fine && self.endpoint == Weather::Fine;
        if !without || !all_well {
            self.without_since = None;
            return;
        }
        let since = *self.without_since.get_or_insert(self.now.boot);
        let longest = 66_000 + 33_000 + 2 * ATTEMPT_DEADLINE + self.world.svid_life / 2;
        assert!(
            self.now.boot - since <= longest,
            "nobody gets a token although all is well: {:?}",
            self.state
        );
    }
}

fn class() -> impl Strategy<Value = FailureClass> {
    prop_oneof![
        Just(FailureClass::Local),
        Just(FailureClass::Transient),
        Just(FailureClass::Permanent),
        Just(FailureClass::Denied),
        Just(FailureClass::Stale),
    ]
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![
        3 => Just(Weather::Fine),
        2 => class().prop_map(Weather::Fails),
        1 => Just(Weather::Hangs),
        1 => Just(Weather::RejectsSubject),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1i64..400_000).prop_map(Event::Pass),
        1 => (-3_600_000i64..3_600_000).prop_map(Event::Jump),
        1 => (1i64..28_800_000).prop_map(Event::Suspend),
        2 => weather().prop_map(Event::Source),
        2 => weather().prop_map(Event::Endpoint),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(subject, access)| Event::Readers { subject, access }),
        1 => Just(Event::InvalidateSubject),
        1 => Just(Event::InvalidateAccess),
    ]
}

fn world() -> impl Strategy<Value = World> {
    (
        prop_oneof![
            5_000i64..60_000,
            60_000i64..600_000,
            Just(300_000),
            Just(3_600_000)
        ],
        prop_oneof![
            Just(None),
            Just(Some(3_600_000)),
            (2_000i64..20_000).prop_map(Some),
            (20_000i64..7_200_000).prop_map(Some)
        ],
        any::<bool>(),
        1i64..400,
    )
        .prop_map(|(svid_life, access_life, repeats, latency)| World {
            svid_life,
            access_life,
            repeats,
            latency,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_over_random_histories(
        world in world(),
        buffer in prop_oneof![Just(1_200_000i64), 1_000i64..3_600_000],
        events in proptest::collection::vec(event(), 1..24),
    ) {
        let mut history = History::new(world, buffer);
        for event in &events {
            history.take(event);
        }
    }
}

/// The steady state: one exchange per SVID, and after the first token no reader waits.
#[test]
fn a_hundred_rotations_with_readers_on_both() {
    let world = World {
        svid_life: 300_000,
        access_life: Some(3_600_000),
        repeats: true,
        latency: 20,
    };
    let mut history = History::new(world, 1_200_000);
    history.run_until(51_000);
    assert_eq!(history.attempts.len(), 1);
    let mut exps = vec![];
    while exps.len() < 100 {
        let at = history.now.boot;
        history.run_until(at + READ_EVERY);
        let (Some(subject), Some(access)) = (history.state.subject.held, history.state.access.held)
        else {
            panic!("a reader would wait at {at}");
        };
        assert!(subject.is_usable(history.now) && access.is_usable(history.now));
        if exps.last() != Some(&subject.subject_exp_ms) {
            exps.push(subject.subject_exp_ms);
        }
    }
    let exchanges = history.attempts.len();
    assert!(
        (99..=100).contains(&exchanges),
        "{exchanges} exchanges for 100 SVIDs"
    );
}

#[test]
fn ten_minutes_of_503_are_at_most_30_attempts() {
    let world = World {
        svid_life: 3_600_000,
        access_life: None,
        repeats: true,
        latency: 20,
    };
    let mut history = History::new(world, 1_200_000);
    history.endpoint = Weather::Fails(FailureClass::Transient);
    history.run_until(50_000 + 600_000);
    let attempts = history.attempts.len();
    assert!((10..=30).contains(&attempts), "{attempts} attempts");
    assert_eq!(
        history.state.access_verdict(history.now),
        Verdict::RefuseAsExchange
    );
}

/// Acceptance: a peer that is down until a second before a token can no longer be
/// handed out is back in time, whichever of the two it is.
#[test]
fn an_outage_until_a_second_before_the_last_use_is_not_felt() {
    for seed in 1..50 {
        for (svid_life, access_life) in [
            (300_000, 3_600_000),
            (3_600_000, 300_000),
            (3_600_000, 3_600_000),
            (3_600_000, 60_000),
            (20_000, 3_600_000),
        ] {
            let world = World {
                svid_life,
                access_life: Some(access_life),
                repeats: false,
                latency: 50,
            };
            let mut history = History::new(world, 1_200_000);
            history.random = Seeded(seed);
            history.run_until(60_000);
            let first = history.state.access.held.expect("an access token");
            let last_use = first.received.boot + first.life_ms - super::margin(first.life_ms);
            history.source = Weather::Fails(FailureClass::Transient);
            history.endpoint = Weather::Fails(FailureClass::Transient);
            history.run_until(last_use - 1_000);
            assert_eq!(history.state.access.held, Some(first), "it was not renewed");
            history.source = Weather::Fine;
            history.endpoint = Weather::Fine;
            history.run_until(last_use);
            let access = history.state.access.held;
            assert!(
                access.is_some_and(|held| held != first),
                "SVIDs of {svid_life} ms, access tokens of {access_life} ms, seed {seed}: {:?}",
                history.state
            );
        }
    }
}

#[test]
fn a_refusal_is_not_repeated_before_30_seconds() {
    let world = World {
        svid_life: 300_000,
        access_life: None,
        repeats: true,
        latency: 20,
    };
    let mut history = History::new(world, 1_200_000);
    history.endpoint = Weather::Fails(FailureClass::Permanent);
    history.run_until(50_000 + 300_000);
    for pair in history.attempts.windows(2) {
        assert!(pair[1] - pair[0] >= 30_000, "{pair:?}");
    }
    assert_eq!(history.state.rejection, Rejection::None);
}

/// Acceptance: clock jumps of an hour either way, and a suspend of eight.
#[test]
fn clocks_that_move_cost_at_most_one_extra_exchange() {
    for event in [
        Event::Jump(3_600_000),
        Event::Jump(-3_600_000),
        Event::Suspend(28_800_000),
    ] {
        let world = World {
            svid_life: 300_000,
            access_life: Some(3_600_000),
            repeats: true,
            latency: 20,
        };
        let mut history = History::new(world, 1_200_000);
        history.run_until(60_000);
        assert_eq!(history.attempts.len(), 1);
        history.take(&event);
        let at = history.now.boot;
        history.run_until(at + 1_000);
        let exchanges = history.attempts.len();
        assert!(exchanges <= 2, "{event:?}: {exchanges} exchanges");
        assert!(
            history
                .state
                .access
                .held
                .is_some_and(|held| held.is_usable(history.now))
        );
    }
}
