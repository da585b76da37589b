//! `svidex inspect`: a token's header and claims, and never the token.

use crate::common::{Run, against, emulator, run, run_with_input};
use serde_json::json;

fn svid(emulator: &svidex_emulator::Emulator) -> String {
    let run = against(emulator, &["svid"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    run.stdout
}

fn assert_tells_nothing_of(run: &Run, token: &str) {
    for part in token.trim().split('.') {
        assert!(!run.stdout.contains(part), "{}", run.stdout);
        assert!(!run.stderr.contains(part), "{}", run.stderr);
    }
}

#[test]
fn the_configured_source_is_the_default() {
    let emulator = emulator();
    let token = svid(&emulator);
    let run = against(&emulator, &["inspect"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_tells_nothing_of(&run, &token);
    for words in [
        "header\n  alg  ES256",
        "sub  spiffe://example.org/ns/inference/sa/worker",
        "aud  [\"https://api.openai.com/v1\"]",
        "Z, in ",
        "ok       svid_kid",
    ] {
        assert!(run.stdout.contains(words), "{words:?} in\n{}", run.stdout);
    }
}

#[test]
fn json_has_header_claims_and_checks() {
    let emulator = emulator();
    let token = svid(&emulator);
    let run = against(
        &emulator,
        &[
            "inspect",
            "--json",
            "--spiffe-id",
            "spiffe://example.org/ns/batch/sa/worker",
        ],
    );
    assert_tells_nothing_of(&run, &token);
    let json = run.json();
    assert_eq!(json["header"]["typ"], "JWT");
    assert_eq!(
        json["claims"]["sub"],
        "spiffe://example.org/ns/batch/sa/worker"
    );
    assert_eq!(json["claims"]["iss"], emulator.info().issuer.as_str());
    assert!(json["claims"]["exp"].is_number());
    let checks: Vec<_> = json["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| {
            (
                check["id"].as_str().unwrap_or_default(),
                check["outcome"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        checks,
        [
            ("svid_alg", "ok"),
            ("svid_kid", "ok"),
            ("svid_iss", "ok"),
            ("svid_sub", "ok"),
            ("svid_aud", "ok"),
            ("svid_times", "ok"),
        ]
    );
}

#[test]
fn a_file_or_standard_input_needs_no_source() {
    let emulator = emulator();
    let token = svid(&emulator);
    let from_file = run(&[], &["inspect", "--json", &emulator.info().token_file]);
    assert_eq!(
        from_file.json()["claims"]["iss"],
        emulator.info().issuer.as_str()
    );
    from_file.assert_no_token();

    let from_stdin = run_with_input(&[], &["inspect", "--json", "-"], token.as_bytes());
    assert_eq!(
        from_stdin.json()["claims"]["iss"],
        emulator.info().issuer.as_str()
    );
    assert_tells_nothing_of(&from_stdin, &token);
}

#[test]
fn what_openai_would_miss_is_told_and_is_no_failure() {
    let emulator = emulator();
    emulator.settings(
        json!({"omit_claims": ["kid", "iss", "iat"], "svid_clock_offset_seconds": -3600}),
    );
    let run = against(&emulator, &["inspect", "--json"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    run.assert_no_token();
    let json = run.json();
    let failed: Vec<_> = json["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|check| check["outcome"] == "failed")
        .map(|check| check["id"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(failed, ["svid_kid", "svid_iss", "svid_times"]);
    let times = json["checks"][5]["seen"].as_str().unwrap_or_default();
    assert!(
        times.contains("expired") && times.contains("`iat`"),
        "{times}"
    );
}

#[test]
fn what_is_no_token_is_refused_without_a_quote() {
    let secret = "sk-this-is-not-a-jwt-but-may-be-a-secret";
    for (input, words) in [
        (secret.as_bytes(), "it is an API key"),
        (b"", "empty"),
        (b"\xff\xfe.a.b", "base64url"),
        (&[b'a'; 70_000][..], "64 KiB"),
    ] {
        let run = run_with_input(&[], &["inspect", "-"], input);
        let message = run.assert_error(3, "invalid_subject_token");
        assert!(message.contains(words), "{message}");
        assert!(!run.stderr.contains("sk-this"), "{message}");
    }
}

#[test]
fn terminal_escapes_in_claims_do_not_reach_the_terminal() {
    use std::fmt::Write as _;
    // {"alg":"ES256"} and {"sub":"\u001b[31mred"}, and a signature of 64 zero bytes.
    let mut token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJcdTAwMWJbMzFtcmVkIn0.".to_owned();
    let _ = write!(token, "{}", "A".repeat(86));
    let run = run_with_input(&[], &["inspect", "-"], token.as_bytes());
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stdout.contains("[31mred"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
}
