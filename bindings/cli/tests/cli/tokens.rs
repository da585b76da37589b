//! `svidex token` and `svidex svid`: what they print, and how they fail.

use crate::common::{against, against_file, emulator, run};
use serde_json::json;
use svidex_emulator::{Fault, Leg};

#[test]
fn token_prints_the_access_token_and_a_newline() {
    let emulator = emulator();
    emulator.settings(json!({"access_token": "the-access-token"}));
    let run = against(&emulator, &["token"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "the-access-token\n"));
    // The warning that several identities are issued is the doctor's business.
    assert_eq!(run.stderr, "");
    assert_eq!(emulator.counters().exchanges_ok, 1);
}

#[test]
fn svid_prints_the_svid_and_exchanges_nothing() {
    let emulator = emulator();
    let run = against(&emulator, &["svid"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let token = run.stdout.strip_suffix('\n').expect("a newline");
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(char::is_whitespace));
    assert_eq!(emulator.counters().exchanges, 0);
}

#[test]
fn svid_from_a_file_is_the_file() {
    let emulator = emulator();
    let run = against_file(&emulator, &["svid"]);
    let file = std::fs::read_to_string(&emulator.info().token_file).expect("the file is there");
    assert_eq!(run.stdout.trim_end(), file.trim_end());
}

#[test]
fn an_option_beats_the_environment() {
    let emulator = emulator();
    let endpoint = emulator.info().endpoint_socket_tcp.clone();
    let environment = [
        ("SPIFFE_ENDPOINT_SOCKET", "unix:///nowhere"),
        ("OPENAI_IDENTITY_TOKEN_FILE", "/nowhere"),
    ];
    let run = run(&environment, &["svid", "--endpoint-socket", &endpoint]);
    assert_eq!(run.status, 0, "{}", run.stderr);
}

#[test]
fn configuration_errors_end_with_2() {
    let message = run(&[], &["token"]);
    let message = message.assert_error(2, "invalid_config");
    assert!(message.contains("SPIFFE_ENDPOINT_SOCKET"), "{message}");

    let source = ("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock");
    let message = run(&[source], &["token"]);
    let message = message.assert_error(2, "invalid_config");
    assert!(message.contains("OPENAI_IDENTITY_PROVIDER_ID"), "{message}");

    for (option, value) in [
        ("--endpoint-socket", "agent.sock"),
        ("--audience", ""),
        ("--spiffe-id", "worker"),
        ("--token-endpoint", "http://auth.openai.com/oauth/token"),
        ("--call-timeout-seconds", "nan"),
        ("--ca-file", "/nowhere/ca.pem"),
    ] {
        let run = run(&[source], &["svid", option, value]);
        let message = run.assert_error(2, "invalid_config");
        let field = option.trim_start_matches('-').replace('-', "_");
        assert!(message.contains(&field), "{option}: {message}");
    }
}

#[test]
fn usage_errors_end_with_2() {
    for args in [
        &["tokens"][..],
        &[],
        &["token", "--endpoint"],
        &["svid", "--call-timeout-seconds", "soon"],
        &["inspect", "file", "--identity-token-file", "other"],
    ] {
        let run = run(&[], args);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains("--help"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn no_svid_ends_with_3() {
    let dead = ("SPIFFE_ENDPOINT_SOCKET", "unix:///nowhere/agent.sock");
    let dead = run(&[dead], &["svid", "--call-timeout-seconds", "3"]);
    let message = dead.assert_error(3, "source_unavailable");
    assert!(message.contains("/nowhere/agent.sock"), "{message}");

    let emulator = emulator();
    emulator.settings(json!({"identities": []}));
    let denied = against(&emulator, &["token", "--call-timeout-seconds", "3"]);
    let message = denied.assert_error(3, "permission_denied");
    assert!(message.contains("register"), "{message}");

    emulator.reset_settings();
    emulator.settings(json!({"omit_claims": ["iss"]}));
    let incomplete = against(&emulator, &["token"]);
    let message = incomplete.assert_error(3, "invalid_subject_token");
    assert!(message.contains("`iss`"), "{message}");
}

#[test]
fn no_exchange_ends_with_4() {
    let emulator = emulator();
    emulator.settings(json!({"allowed_subjects": ["spiffe://example.org/nobody"]}));
    let refused = against(&emulator, &["token"]);
    let message = refused.assert_error(4, "exchange_rejected");
    assert!(message.contains("access_denied"), "{message}");

    emulator.reset_settings();
    let busy = Fault {
        status: Some(503),
        ..Fault::default()
    };
    emulator.fault(Leg::TokenEndpoint, busy);
    let busy = against(&emulator, &["token", "--call-timeout-seconds", "3"]);
    let message = busy.assert_error(4, "exchange_unavailable");
    assert!(message.contains("503"), "{message}");
}

#[test]
fn a_deadline_before_any_answer_ends_with_5() {
    let emulator = emulator();
    let hang = Fault {
        hang: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, hang);
    let run = against(&emulator, &["svid", "--call-timeout-seconds", "0.5"]);
    run.assert_error(5, "timeout");
}

/// A reader that has seen enough is no error worth words.
#[test]
fn a_closed_pipe_is_not_a_panic() {
    use std::process::{Command, Stdio};
    let emulator = emulator();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_svidex"))
        .arg("svid")
        .env_clear()
        .envs(emulator.info().environment())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
