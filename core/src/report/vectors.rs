//! Runs `tests/vectors/log.json`.

use serde::Deserialize;

use super::family::{Family, Happening};
use super::{Felt, What};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::snapshot::TokenKind;
use crate::test_vectors::{Vector, Words, load};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    history: Vec<Step>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: i64,
    #[serde(default)]
    every_ms: i64,
    #[serde(default = "once")]
    times: i64,
    #[serde(default)]
    process: usize,
    #[serde(default = "fetch")]
    attempt: String,
    fails: Option<String>,
    felt: Option<String>,
    #[serde(default)]
    unheard: bool,
}

fn once() -> i64 {
    1
}

fn fetch() -> String {
    "fetch".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    reports: Vec<ExpectedReport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedReport {
    at_ms: i64,
    what: What,
    process: Option<usize>,
    attempt: Option<String>,
    felt: Option<String>,
    failures: Option<i64>,
    lasted_ms: Option<i64>,
    unsaid: Option<i64>,
    #[serde(default)]
    message_contains: Vec<String>,
    #[serde(default)]
    message_lacks: Vec<String>,
}

fn kind(attempt: &str) -> TokenKind {
    match attempt {
        "fetch" => TokenKind::Subject,
        "exchange" => TokenKind::Access,
        other => panic!("no attempt is called {other}"),
    }
}

fn felt(name: &str) -> Felt {
    match name {
        "not_yet" => Felt::NotYet,
        "waiting" => Felt::Waiting,
        "refused" => Felt::Refused,
        "withdrawn" => Felt::Withdrawn,
        other => panic!("nothing that callers feel is called {other}"),
    }
}

fn happening(step: &Step) -> Happening {
    match (&step.fails, &step.felt) {
        (Some(cause), Some(name)) => Happening::Failed(number(cause), felt(name)),
        (None, Some(name)) => Happening::Looked(felt(name)),
        (None, None) => Happening::Succeeded,
        (Some(_), None) => panic!("what do callers feel at {}?", step.at_ms),
    }
}

/// Of a cause that a vector names.
fn number(name: &str) -> u32 {
    name.bytes().fold(0, |sum, byte| 31 * sum + u32::from(byte))
}

#[test]
fn vectors() {
    let text = include_str!("../../../tests/vectors/log.json");
    for Vector {
        id,
        given,
        expected,
    } in load::<Given, Expected>(text, 20)
    {
        let mut steps: Vec<(i64, Step)> = Vec::new();
        for step in given.history {
            let at = |number| step.at_ms + number * step.every_ms;
            steps.extend((0..step.times).map(|number| (at(number), step.clone())));
        }
        steps.sort_by_key(|(at, _)| *at);
        let size = steps.iter().map(|(_, step)| step.process + 1).max();
        let mut family = Family::new(size.unwrap_or(1), 0);
        for (at, step) in steps {
            family.advance_to(at);
            let what = happening(&step);
            family.happens_to(step.process, kind(&step.attempt), what, !step.unheard);
        }
        family.advance_to(family.now_ms + 600_000);
        let said: Vec<_> = family
            .said
            .iter()
            .map(|it| (it.at_ms, it.report.what))
            .collect();
        let wanted: Vec<_> = expected
            .reports
            .iter()
            .map(|it| (it.at_ms, it.what))
            .collect();
        assert_eq!(said, wanted, "{id}");
        for (said, wanted) in family.said.iter().zip(expected.reports) {
            let report = said.report;
            let id = format!("{id}, at {} ms", said.at_ms);
            assert_eq!(said.process, wanted.process.unwrap_or(0), "{id}: process");
            let attempt = wanted.attempt.as_deref().unwrap_or("fetch");
            assert_eq!(said.kind, kind(attempt), "{id}: attempt");
            if let Some(name) = &wanted.felt {
                assert_eq!(report.felt, Some(felt(name)), "{id}: felt");
            }
            for (what, wanted, got) in [
                ("failures", wanted.failures, report.failures),
                ("lasted_ms", wanted.lasted_ms, report.lasted_ms),
                ("unsaid", wanted.unsaid, report.unsaid),
            ] {
                assert_eq!(wanted.unwrap_or(got), got, "{id}: {what}");
            }
            let words = Words {
                message_contains: wanted.message_contains,
                message_lacks: wanted.message_lacks,
            };
            words.check(&id, &message(said.report));
        }
    }
}

fn message(report: super::Report) -> String {
    let error = Error::new(
        ErrorKind::SourceUnavailable,
        FailureClass::Local,
        "the socket is dead",
    );
    match report.felt {
        Some(_) => report.failure(&error, 750, 90_500),
        None => report.recovery(),
    }
}
