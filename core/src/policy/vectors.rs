//! Runs `tests/vectors/policy.json`.
//!
//! `given` is a state (what is left out has its default), what callers did
//! (`demand`), how an attempt ended (`outcome`, with `random` in [0, 1)) or what
//! was invalidated, and the time. `expected` is the next step, and what of the
//! state and the verdicts is worth saying. A bare number where a time is wanted
//! is the same time on both clocks.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Demand, Outcome, State};
use crate::clock::Now;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    given: Given,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    state: State,
    now: Now,
    #[serde(default)]
    demand: Demand,
    outcome: Option<Outcome>,
    #[serde(default = "half")]
    random: f64,
    invalidate: Option<String>,
}

fn half() -> f64 {
    0.5
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    next: Option<Value>,
    /// A part of the state.
    state: Option<Value>,
    usable: Option<Value>,
    subject_verdict: Option<Value>,
    access_verdict: Option<Value>,
}

/// `"now": 5` becomes `"now": {"wall_ms": 5, "boot_ms": 5}`.
fn spread_times(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match (name.as_str(), value.as_i64()) {
                    ("now" | "received" | "sent", Some(time)) => {
                        *value = json!({"wall_ms": time, "boot_ms": time});
                    }
                    _ => spread_times(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(spread_times),
        _ => {}
    }
}

/// Every member that `part` names is the same in `whole`.
fn assert_part(id: &str, path: &str, part: &Value, whole: &Value) {
    match part {
        Value::Object(members) => {
            for (name, value) in members {
                assert_part(id, &format!("{path}.{name}"), value, &whole[name]);
            }
        }
        _ => assert_eq!(part, whole, "{id}: {path}"),
    }
}

#[test]
fn vectors() {
    let text = include_str!("../../../tests/vectors/policy.json");
    let mut document: Value = serde_json::from_str(text).unwrap();
    spread_times(&mut document);
    let vectors: Vec<Vector> = serde_json::from_value(document).unwrap();
    assert!(vectors.len() >= 50, "{} vectors", vectors.len());
    for Vector {
        id,
        given,
        expected,
    } in vectors
    {
        let Given {
            mut state,
            now,
            demand,
            outcome,
            random,
            invalidate,
        } = given;
        if let Some(outcome) = outcome {
            state.apply(now, &outcome, random);
        }
        match invalidate.as_deref() {
            None => {}
            Some("subject") => state.invalidated_subject(),
            Some("access") => state.invalidated_access(now),
            Some(other) => panic!("{id}: cannot invalidate {other}"),
        }
        state.note(demand, now);
        let usable = |held: &Option<super::Held>| held.is_some_and(|held| held.is_usable(now));
        for (what, expected, got) in [
            ("next", expected.next, json!(state.next(now))),
            ("state", expected.state, json!(state)),
            (
                "subject_verdict",
                expected.subject_verdict,
                json!(state.subject_verdict(now)),
            ),
            (
                "access_verdict",
                expected.access_verdict,
                json!(state.access_verdict(now)),
            ),
            (
                "usable",
                expected.usable,
                json!({
                    "subject": usable(&state.subject.held),
                    "access": usable(&state.access.held),
                }),
            ),
        ] {
            if let Some(mut expected) = expected {
                spread_times(&mut expected);
                assert_part(&id, what, &expected, &got);
            }
        }
    }
}
