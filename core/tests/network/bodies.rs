//! Answers that nobody should swallow: what they cost in memory and time.

use serde_json::{Value, json};
use svidex_emulator::{Info, Leg};

use crate::child::{Outcome, Task, run};
use crate::support::{emulator, in_lanes};

/// How much a process may grow by over what it took to get a token before.
const LIMIT_KIB: u64 = 5 * 1_024;

/// What a program sees whose third provider meets `fault`; the two before it do not.
fn third(leg: Leg, fault: &Value, endpoint: fn(&Info) -> String) -> Outcome {
    let emulator = emulator(&json!({}));
    let mut fault = fault.clone();
    fault["after"] = json!(2);
    emulator.fault(leg, serde_json::from_value(fault).unwrap());
    let info = emulator.info();
    let outcome = run(
        Task::Memory,
        &[
            ("SPIFFE_ENDPOINT_SOCKET", &info.endpoint_socket),
            ("SVIDEX_SPIFFE_ID", &info.spiffe_ids[0]),
            ("OPENAI_IDENTITY_PROVIDER_ID", &info.identity_provider_id),
            ("OPENAI_SERVICE_ACCOUNT_ID", &info.service_account_id),
            ("SVIDEX_TOKEN_ENDPOINT", &endpoint(info)),
            ("SSL_CERT_FILE", &info.ca_file),
            ("TEST_REQUEST_TIMEOUT", "0.6"),
            ("TEST_CALL_TIMEOUT", "1"),
        ],
    );
    let grown = outcome.grown_kib;
    assert!(grown <= LIMIT_KIB, "{grown} KiB more: {outcome:?}");
    outcome
}

fn token_endpoint(fault: &Value, words: &str) {
    let endpoints: [fn(&Info) -> String; 2] = [
        |info| info.token_endpoint.clone(),
        |info| info.token_endpoint_http.clone(),
    ];
    in_lanes(2, &endpoints, |endpoint| {
        let outcome = third(Leg::TokenEndpoint, fault, *endpoint);
        assert_eq!(outcome.kind.as_deref(), Some("exchange_unavailable"));
        assert!(outcome.message.contains(words), "{}", outcome.message);
    });
}

#[test]
fn a_body_of_200_mb() {
    token_endpoint(&json!({"body_bytes": 200 << 20}), "larger than 64 KiB");
}

#[test]
fn a_body_without_an_end() {
    token_endpoint(&json!({"endless": true}), "larger than 64 KiB");
}

#[test]
fn a_refusal_without_an_end() {
    token_endpoint(
        &json!({"endless": true, "status": 400}),
        "larger than 64 KiB",
    );
}

#[test]
fn a_byte_a_second() {
    token_endpoint(&json!({"slow": true}), "before the deadline");
}

/// Nothing was asked to be compressed, so nothing is unpacked.
#[test]
fn a_gzip_bomb() {
    token_endpoint(&json!({"gzip_bomb": true}), "");
}

#[test]
fn an_agent_s_answer_without_an_end() {
    let faults = [
        json!({"endless": true}),
        json!({"body_bytes": 200 << 20}),
        json!({"gzip_bomb": true}),
        json!({"slow": true}),
    ];
    in_lanes(4, &faults, |fault| {
        let outcome = third(Leg::WorkloadApi, fault, |info| info.token_endpoint.clone());
        let kind = outcome.kind.as_deref();
        assert_eq!(kind, Some("source_unavailable"), "{fault}: {outcome:?}");
    });
}
