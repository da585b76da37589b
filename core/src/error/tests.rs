//! Runs `tests/vectors/errors.json`, as far as the core knows those names.

use serde::Deserialize;

use super::{Error, ErrorKind, FailureClass};
use crate::test_vectors::load;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    kind: String,
}

#[derive(Deserialize)]
struct Expected {
    node_code: String,
    c_result: String,
    c_number: usize,
    retryable: Option<bool>,
}

#[test]
fn vectors() {
    let vectors = load::<Given, Expected>(include_str!("../../../tests/vectors/errors.json"), 10);
    let kinds: Vec<_> = vectors.iter().map(|v| v.given.kind.as_str()).collect();
    let names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(kinds, names);
    for (index, (vector, kind)) in vectors.iter().zip(ErrorKind::ALL).enumerate() {
        let expected = &vector.expected;
        assert_eq!(vector.id, kind.as_str());
        assert_eq!(expected.node_code, kind.to_string());
        assert_eq!(serde_json::json!(kind), kind.as_str());
        let upper = kind.as_str().to_uppercase();
        assert_eq!(expected.c_result, format!("SVIDEX_RESULT_{upper}"));
        assert_eq!(expected.c_number, 100 + index);
    }
}

#[test]
fn what_the_core_itself_says_is_as_retryable_as_the_vectors_say() {
    let vectors = load::<Given, Expected>(include_str!("../../../tests/vectors/errors.json"), 10);
    for error in [
        Error::invalid_config("x"),
        Error::timeout("x"),
        Error::cancelled(),
        Error::closed(),
        Error::internal("x"),
    ] {
        let vector = vectors.iter().find(|v| v.id == error.kind().as_str());
        let expected = vector.and_then(|vector| vector.expected.retryable);
        assert_eq!(expected, Some(error.is_retryable()), "{}", error.kind());
    }
}

#[test]
fn errors_of_other_code_are_classed_and_printable() {
    let down = Error::retryable(
        ErrorKind::SourceUnavailable,
        "down\nfor eyJhbGciOiJFUzI1NiJ9.e30.x",
    );
    assert!(down.is_retryable());
    assert_eq!(down.class(), FailureClass::Transient);
    assert_eq!(down.message(), "down for [redacted]");
    let wrong = Error::permanent(ErrorKind::InvalidSubjectToken, "wrong");
    assert!(!wrong.is_retryable());
    let kind = ErrorKind::PermissionDenied;
    for denied in [
        Error::retryable(kind, "who?"),
        Error::permanent(kind, "who?"),
    ] {
        assert_eq!(denied.class(), FailureClass::Denied);
        // An endpoint takes no identity away.
        let refused = denied.of_exchange("");
        assert_eq!(refused.class(), FailureClass::Permanent);
    }
}
