//! One row tried out.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use svidex::{Error, EventKind, Level, Provider, Token, TokenKind};
use svidex_emulator::{Emulator, Leg};

use crate::rows::{CANARY, Cold, Expected, Row, Trouble, When};
use crate::support::log::Log;
use crate::support::readers::Readers;
use crate::support::secrets::assert_no_piece_of;
use crate::support::{config, emulator, eventually, get, short_or_long};

/// The deadline of a call whose attempts fail in such a way that it is worth waiting on.
const SHORT_CALL: Duration = Duration::from_secs(1);
/// Of every other call.
const LONG_CALL: Duration = Duration::from_secs(20);

/// One leg: who asks for what, and what is reported of it.
pub(crate) struct Side {
    pub(crate) leg: Leg,
    pub(crate) kind: TokenKind,
    pub(crate) succeeded: EventKind,
    pub(crate) failed: EventKind,
    /// Tokens of a few seconds on the leg in question.
    pub(crate) settings: Value,
}

pub(crate) fn try_row(side: &Side, row: &Row) {
    let case = Case {
        what: format!("{} / {}", side.leg.name(), row.name),
        emulator: emulator(&side.settings),
        side,
        row,
    };
    case.without_a_token();
    case.with_a_token();
}

struct Case<'a> {
    what: String,
    emulator: Emulator,
    side: &'a Side,
    row: &'a Row,
}

/// A provider and everything it has said.
struct Subject {
    provider: Provider,
    log: Arc<Log>,
}

impl Case<'_> {
    fn provider(&self) -> Subject {
        let call_timeout = match &self.row.cold {
            Cold::Error(expected) if expected.when == When::AtDeadline => SHORT_CALL,
            _ => LONG_CALL,
        };
        let provider = Provider::new(
            config(self.emulator.info())
                .request_timeout_seconds(self.row.request_timeout)
                .call_timeout_seconds(call_timeout.as_secs_f64()),
        )
        .expect("a good configuration");
        let log = Log::of(&provider);
        Subject { provider, log }
    }

    fn strike(&self) {
        match &self.row.trouble {
            Trouble::Fault(fault) => {
                let fault = serde_json::from_value(fault.clone()).expect("a fault");
                self.emulator.fault(self.side.leg, fault);
            }
            Trouble::Settings(settings) => drop(self.emulator.settings(settings.clone())),
        }
    }

    fn heal(&self) {
        self.emulator.clear_faults();
        self.emulator.reset_settings();
    }

    fn without_a_token(&self) {
        let what = &self.what;
        let Subject { provider, log } = self.provider();
        self.strike();
        let began = Instant::now();
        let result = get(&provider, self.side.kind);
        let took = began.elapsed();
        match (&self.row.cold, result) {
            (Cold::Token(life), Ok(token)) => {
                let left = seconds_left(&token);
                assert!(life.contains(&left), "{what}: {left} s left");
            }
            (Cold::Error(expected), Err(error)) => {
                expected.check(what, &error, took, self.failures(&provider));
                let (_, event, _) = log.wait_for(0, &[self.side.failed]);
                expected.check_pause(what, &error, &event.message);
            }
            (_, result) => panic!("{what}: {result:?}"),
        }
        self.heal();
        if self.row.cold.pause() <= short_or_long(Duration::from_secs(4), Duration::from_secs(33)) {
            eventually(what, || get(&provider, self.side.kind).is_ok());
        }
        self.assert_no_token_text(&provider, &log);
    }

    fn with_a_token(&self) {
        let (what, side) = (&self.what, self.side);
        if matches!(&self.row.cold, Cold::Token(life) if *life.end() > 10.0) {
            // Nothing is due before the test is over.
            return;
        }
        let Subject { provider, log } = self.provider();
        get(&provider, side.kind).unwrap_or_else(|error| panic!("{what}: {error}"));
        let readers = Readers::start(&provider, &[side.kind], 2);
        let from = log.end();
        self.strike();
        let was_harmless = matches!(self.row.cold, Cold::Token(_));
        let ended = match was_harmless {
            true => side.succeeded,
            false => side.failed,
        };
        let (_, _, next) = log.wait_for(from, &[ended]);
        self.heal();
        // A longer pause outlives the token.
        if self.row.cold.pause() <= Duration::from_secs(4) {
            log.wait_for(next, &[side.succeeded]);
        }
        readers.finish(what);
        for event in log.all() {
            let felt = event.kind == side.failed && event.level != Level::Warning;
            assert!(!felt, "{what}: nobody felt it: {event:?}");
        }
        self.assert_no_token_text(&provider, &log);
    }

    fn failures(&self, provider: &Provider) -> u64 {
        let status = provider.status();
        match self.side.kind {
            TokenKind::Subject => status.fetch_failures,
            TokenKind::Access => status.exchange_failures,
        }
    }

    fn assert_no_token_text(&self, provider: &Provider, log: &Log) {
        let status = provider.status();
        let mut shown = format!("{provider:?} {status:?} {}", json!(status));
        for event in log.all() {
            shown.push_str(&format!("{event:?}"));
            if let Some(error) = event.error {
                shown.push_str(&format!("{error} {error:?}"));
            }
        }
        let held = [TokenKind::Subject, TokenKind::Access].map(|kind| provider.cached(kind));
        for token in held.into_iter().flatten() {
            shown.push_str(&format!("{token:?}"));
            assert_no_piece_of(token.expose_secret(), &shown, &self.what);
        }
        assert_no_piece_of(CANARY, &shown, &self.what);
        for beginning in ["eyJ", "emulator-access-"] {
            assert!(!shown.contains(beginning), "{}: {shown}", self.what);
        }
    }
}

impl Expected {
    fn check(&self, what: &str, error: &Error, took: Duration, failures: u64) {
        assert_eq!(error.kind(), self.kind, "{what}: {error}");
        assert_eq!(error.http_status(), self.http_status, "{what}: {error}");
        assert_eq!(error.oauth_code(), self.oauth_code, "{what}: {error}");
        assert!(error.message().contains(self.says), "{what}: {error}");
        match self.when {
            When::AtOnce => assert_eq!(failures, 1, "{what}: at once"),
            When::AfterThree => assert_eq!(failures, 3, "{what}: after three"),
            When::AtDeadline => assert!(took >= SHORT_CALL, "{what}: {took:?} is early"),
        }
        let limit = match self.when {
            When::AtOnce | When::AfterThree => LONG_CALL,
            When::AtDeadline => 10 * SHORT_CALL,
        };
        assert!(took < limit, "{what}: {took:?} is late");
    }

    fn check_pause(&self, what: &str, error: &Error, message: &str) {
        let said = error.retry_after().map(|delay| delay.as_secs());
        let Some(left_alone) = &self.left_alone else {
            let none = said.is_none_or(|seconds| seconds == 0);
            return assert!(none, "{what}: Retry-After {said:?}");
        };
        let bound = (110..=300).contains(&said.unwrap_or_default());
        assert!(bound, "{what}: Retry-After {said:?}");
        let pause = pause_ms(message) / 1_000;
        assert!(left_alone.contains(&pause), "{what}: {message}");
    }
}

/// `next attempt in N ms`, as an operator reads it in the log.
fn pause_ms(message: &str) -> u64 {
    let digits = message
        .split_once("next attempt in ")
        .and_then(|(_, rest)| rest.split_once(" ms"))
        .map(|(digits, _)| digits);
    let parsed = digits.and_then(|digits| digits.parse().ok());
    parsed.unwrap_or_else(|| panic!("no next attempt in {message}"))
}

fn seconds_left(token: &Token) -> f64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    let end = token.expires_at_unix_ms() as f64 / 1_000.0;
    end - now.as_secs_f64()
}
