//! Hours of trouble in virtual time, under the policy itself: callers ask all the
//! time, and the attempts come when it says so.

use super::family::{Family, Happening};
use super::{Felt, Report, What, cause};
use crate::clock::Now;
use crate::error::{Error, ErrorKind, FailureClass};
use crate::policy::{Demand, Outcome, Rules, State, Step};
use crate::snapshot::TokenKind;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 5_000_000;
const LATENCY: i64 = 20;

/// What an attempt meets at some time after the start.
type Weather = Box<dyn Fn(TokenKind, i64) -> Option<Error>>;

struct Host {
    state: State,
    family: Family,
    weather: Weather,
    /// Of access tokens.
    life: i64,
}

impl Host {
    fn new(weather: impl Fn(TokenKind, i64) -> Option<Error> + 'static) -> Self {
        Self {
            state: State::new(Rules {
                refresh_buffer_ms: 20 * MINUTE,
                access_from_file: false,
            }),
            family: Family::new(1, START),
            weather: Box::new(weather),
            life: 10_000,
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: 1_700_000_000_000 + self.family.now_ms,
            boot: self.family.now_ms,
        }
    }

    fn elapsed(&self) -> i64 {
        self.family.now_ms - START
    }

    fn run_until(&mut self, elapsed: i64) {
        let demand = Demand {
            subject_asked: true,
            access_asked: true,
            subject_read: true,
            access_read: true,
        };
        while self.elapsed() < elapsed {
            let now = self.now();
            self.state.note(demand, now);
            for kind in [TokenKind::Subject, TokenKind::Access] {
                let felt = Felt::of(&self.state, kind, now);
                self.family.happens(0, kind, Happening::Looked(felt));
            }
            let step = self.state.next(now);
            self.state.started(step);
            match step {
                Step::FetchSubject => self.attempt(TokenKind::Subject),
                Step::Exchange => self.attempt(TokenKind::Access),
                Step::SleepMs(wait) => {
                    let wait = self.family.wait().map_or(wait, |other| wait.min(other));
                    self.family.advance_to(self.family.now_ms + wait);
                }
                Step::Idle => panic!("callers ask"),
            }
        }
    }

    fn attempt(&mut self, kind: TokenKind) {
        let sent = self.now();
        let met = (self.weather)(kind, self.elapsed());
        self.family.advance_to(self.family.now_ms + LATENCY);
        let now = self.now();
        let outcome = match (kind, &met) {
            (TokenKind::Subject, None) => Outcome::Fetched {
                received: now,
                life_ms: HOUR,
                exp_ms: now.wall + HOUR,
                same: false,
            },
            (TokenKind::Subject, Some(error)) => Outcome::FetchFailed {
                class: error.class(),
            },
            (TokenKind::Access, None) => Outcome::Exchanged {
                endpoint_wall_ms: None,
                sent,
                expires_in_ms: Some(self.life),
                subject: self.state.subject.held.expect("what was sent"),
            },
            (TokenKind::Access, Some(error)) => Outcome::ExchangeFailed {
                not_yet_ms: None,
                class: error.class(),
                retry_after_ms: None,
                subject_rejected: false,
            },
        };
        self.state.apply(now, &outcome, 0.5);
        let what = match met {
            None => Happening::Succeeded,
            Some(error) => Happening::Failed(cause(&error), Felt::of(&self.state, kind, now)),
        };
        self.family.happens(0, kind, what);
    }

    fn reports(&self, what: What) -> Vec<(i64, Report)> {
        let said = self.family.said.iter();
        said.filter(|it| it.report.what == what)
            .map(|it| (it.at_ms - START, it.report))
            .collect()
    }

    /// The promises that hold in any hour.
    fn check(&self, what: &str) {
        let said = &self.family.said;
        let (first, last) = (said[0], said[said.len() - 1]);
        assert_eq!(first.report.what, What::Began, "{what}: {said:?}");
        assert_eq!(first.report.failures, 1, "{what}: the very first");
        assert_eq!(last.report.what, What::Recovered, "{what}: {said:?}");
        let most = self.family.most_within(HOUR);
        assert!(most <= 40, "{what}: {most} records in an hour: {said:?}");
        let most = self.family.most_within(10 * MINUTE);
        assert!(
            most <= 12,
            "{what}: {most} records in ten minutes: {said:?}"
        );
        assert_eq!(self.family.wait(), None, "{what}: something is left to say");
    }
}

fn dead_socket() -> Error {
    Error::new(ErrorKind::SourceUnavailable, FailureClass::Local, "dead")
}

fn answer(status: u16, class: FailureClass) -> Error {
    let kind = match class {
        FailureClass::Permanent => ErrorKind::ExchangeRejected,
        _ => ErrorKind::ExchangeUnavailable,
    };
    Error::new(kind, class, "scripted").with_http_status(status)
}

#[test]
fn an_hour_at_a_dead_socket() {
    let mut host =
        Host::new(|kind, at| (kind == TokenKind::Subject && at < HOUR).then(dead_socket));
    host.run_until(HOUR + 5 * MINUTE);
    host.check("dead socket");
    assert_eq!(host.reports(What::Began)[0].0, LATENCY);
    let still: Vec<i64> = host
        .reports(What::GoesOn)
        .iter()
        .map(|it| it.0 / MINUTE)
        .collect();
    assert_eq!(still, [1, 3, 7, 15, 31]);
    let (at, recovery) = host.reports(What::Recovered)[0];
    assert!(at < HOUR + 2_000, "{at}");
    assert!(recovery.failures > 3_000, "{recovery:?}");
    assert!(recovery.lasted_ms.abs_diff(HOUR) < 2_000, "{recovery:?}");
    assert_eq!(recovery.unsaid, 0);
    assert_eq!(host.family.said.len(), 7);
}

/// The source dies under a provider that has tokens, which end in the midst of it.
#[test]
fn a_token_that_ends_while_its_renewal_fails() {
    let mut host = Host::new(|kind, at| {
        (kind == TokenKind::Subject && (MINUTE..2 * HOUR).contains(&at)).then(dead_socket)
    });
    host.run_until(2 * HOUR + 5 * MINUTE);
    host.check("an SVID that ends");
    let (began, report) = host.reports(What::Began)[0];
    assert_eq!(report.felt, Some(Felt::NotYet));
    let (changed, report) = host.reports(What::Changed)[0];
    assert_eq!(report.felt, Some(Felt::Waiting));
    // Usable until ten seconds before its end.
    assert!(changed.abs_diff(HOUR - 10_000) < 1_000, "{changed}");
    assert!(began < 45 * MINUTE, "{began}");
}

#[test]
fn an_hour_at_a_refusing_endpoint() {
    for error in [
        answer(403, FailureClass::Permanent),
        answer(503, FailureClass::Transient),
    ] {
        let mut host = Host::new(move |kind, at| {
            (kind == TokenKind::Access && at < HOUR).then(|| error.clone())
        });
        host.run_until(HOUR + 5 * MINUTE);
        host.check("refusing endpoint");
        assert!(host.family.said.len() <= 9, "{:?}", host.family.said);
        // By the third failure in a row callers get it at once, and that is said.
        let mut said = host.reports(What::Began);
        said.extend(host.reports(What::Changed));
        let refused = |it: &&(i64, Report)| it.1.felt == Some(Felt::Refused);
        let (at, _) = said.iter().find(refused).expect("callers are refused");
        assert!(*at < 3_000, "{at}");
    }
}

#[test]
fn an_hour_at_a_flapping_endpoint() {
    // Up and down for as long each.
    for (what, period) in [
        ("1 s", 1_000),
        ("10 s", 10_000),
        ("1 min", MINUTE),
        ("5 min", 5 * MINUTE),
    ] {
        let mut host = Host::new(move |kind, at| {
            let is_down = kind == TokenKind::Access && at < HOUR && (at / period) % 2 == 0;
            is_down.then(|| answer(503, FailureClass::Transient))
        });
        host.run_until(HOUR + 5 * MINUTE);
        host.check(what);
        let told: i64 = host.family.said.iter().map(|it| 1 + it.report.unsaid).sum();
        assert!(told >= 12, "{what}: what is not said is counted: {told}");
        if what == "5 min" {
            assert_eq!(host.reports(What::Began).len(), 6, "{:?}", host.family.said);
            assert_eq!(host.reports(What::Recovered).len(), 6);
        }
    }
}

/// A load balancer that gives another reason each time.
#[test]
fn an_hour_of_ever_new_causes() {
    let mut host = Host::new(|kind, at| {
        let status = 500 + u16::try_from(at / 700 % 5).expect("small");
        (kind == TokenKind::Access && at < HOUR).then(|| answer(status, FailureClass::Transient))
    });
    host.run_until(HOUR + 5 * MINUTE);
    host.check("ever new causes");
    assert!(host.reports(What::Changed).iter().any(|it| it.1.unsaid > 0));
}

#[test]
fn both_legs_in_trouble_share_one_budget() {
    let mut host = Host::new(|kind, at| {
        let down = at < HOUR && (at / 1_000) % 2 == 0;
        down.then(|| match kind {
            TokenKind::Subject => dead_socket(),
            TokenKind::Access => answer(503, FailureClass::Transient),
        })
    });
    host.run_until(HOUR + 5 * MINUTE);
    host.check("both legs");
}
