//! Which of several identities is taken.

use serde_json::json;
use svidex::{Error, ErrorKind, Provider, TokenKind};
use svidex_emulator::Emulator;

use crate::support::{config, emulator, get};

const INFERENCE: &str = "spiffe://example.org/ns/inference/sa/worker";
const BATCH: &str = "spiffe://example.org/ns/batch/sa/worker";

fn provider(emulator: &Emulator, spiffe_id: Option<&str>, hint: Option<&str>) -> Provider {
    // An identity that is not issued is waited for until then.
    let mut config = config(emulator.info()).call_timeout_seconds(0.5);
    config.spiffe_id = spiffe_id.map(str::to_owned);
    config.hint = hint.map(str::to_owned);
    Provider::new(config).unwrap()
}

fn taken(provider: &Provider) -> String {
    let svid = get(provider, TokenKind::Subject).unwrap();
    // OpenAI's side agrees with what it says.
    let token = get(provider, TokenKind::Access).unwrap();
    assert_eq!(token.spiffe_id(), svid.spiffe_id());
    svid.spiffe_id().to_owned()
}

#[test]
fn the_one_that_was_chosen_is_taken_without_a_warning() {
    let emulator = emulator(&json!({}));
    for (spiffe_id, hint, expected) in [
        (Some(BATCH), None, BATCH),
        (Some(INFERENCE), None, INFERENCE),
        (None, Some("batch"), BATCH),
        (None, Some("inference"), INFERENCE),
        (Some(BATCH), Some("batch"), BATCH),
    ] {
        let provider = provider(&emulator, spiffe_id, hint);
        assert_eq!(taken(&provider), expected);
        assert_eq!(provider.status().warnings, [""; 0]);
    }
}

#[test]
fn the_first_is_taken_with_a_warning_where_none_was_chosen() {
    let emulator = emulator(&json!({}));
    let provider = provider(&emulator, None, None);
    assert_eq!(taken(&provider), INFERENCE);
    let warnings = provider.status().warnings;
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    for words in [INFERENCE, BATCH, "spiffe_id", "hint"] {
        assert!(warning.contains(words), "{warning}");
    }
}

#[test]
fn the_only_one_needs_no_choice() {
    let identities = json!({"identities": [{"spiffe_id": BATCH, "hint": ""}]});
    let emulator = emulator(&identities);
    let provider = provider(&emulator, None, None);
    assert_eq!(taken(&provider), BATCH);
    assert_eq!(provider.status().warnings, [""; 0]);
}

fn refused(spiffe_id: Option<&str>, hint: Option<&str>) -> Error {
    let emulator = emulator(&json!({}));
    let provider = provider(&emulator, spiffe_id, hint);
    let error = get(&provider, TokenKind::Subject).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let place = format!("the Workload API at {}", emulator.info().endpoint_socket);
    assert!(error.message().contains(&place), "{error}");
    error
}

#[test]
fn one_that_is_not_issued_is_named() {
    let error = refused(Some("spiffe://example.org/other"), None);
    assert!(
        error.message().contains("spiffe://example.org/other"),
        "{error}"
    );
    assert!(error.message().contains("register"), "{error}");
}

#[test]
fn a_hint_that_nobody_has_is_named_beside_those_that_there_are() {
    let error = refused(None, Some("training"));
    for words in [
        "\"training\"",
        "\"inference\"",
        "\"batch\"",
        "correct the hint",
    ] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
}

/// The identity that was asked for by ID has another hint.
#[test]
fn id_and_hint_must_fit_each_other() {
    let error = refused(Some(BATCH), Some("inference"));
    assert!(error.message().contains("\"batch\""), "{error}");
}

/// JWT-SVID leaves `kid`, `iss` and `iat` optional; OpenAI does not.
#[test]
fn an_svid_that_will_do_for_others_is_refused_only_for_an_exchange() {
    for claim in ["kid", "iss", "iat"] {
        let emulator = emulator(&json!({"omit_claims": [claim]}));
        let with_exchange = provider(&emulator, None, None);
        let error = get(&with_exchange, TokenKind::Subject).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSubjectToken, "{error}");
        assert!(
            error.message().contains(&format!("no `{claim}`")),
            "{error}"
        );
        let mut without_ids = config(emulator.info());
        without_ids.identity_provider_id = None;
        without_ids.service_account_id = None;
        let alone = Provider::new(without_ids).unwrap();
        let svid = get(&alone, TokenKind::Subject).unwrap();
        assert_eq!(svid.spiffe_id(), INFERENCE, "{claim}");
    }
}

#[test]
fn every_way_an_agent_may_write_an_svid_will_do() {
    for settings in [
        json!({"aud_as_string": true}),
        json!({"alg": "RS256"}),
        json!({"svid_repeat": false}),
    ] {
        let emulator = emulator(&settings);
        assert_eq!(
            taken(&provider(&emulator, None, None)),
            INFERENCE,
            "{settings}"
        );
    }
}
