//! A host, an issuer or a token endpoint whose clock is an hour off. The host's
//! own clock cannot be set in a test: the other two are set against it.

use serde_json::{Value, json};
use svidex::ErrorKind::{self, ExchangeRejected, InvalidSubjectToken};
use svidex::{Provider, TokenKind};
use svidex_emulator::{Fault, Leg};

use crate::support::{config, emulator, get};

struct Row {
    who_is_off: &'static str,
    settings: Value,
    /// What a caller of `access_token` gets: nothing, or a token.
    error: Option<ErrorKind>,
    /// In the error, or else in the warnings of the status.
    says: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    let row = |who_is_off, issuer: i32, endpoint: i32, error, says| Row {
        who_is_off,
        settings: json!({
            "svid_clock_offset_seconds": issuer,
            "date_offset_seconds": endpoint,
        }),
        error,
        says,
    };
    vec![
        row(
            "the host, an hour slow",
            3600,
            3600,
            None,
            &["this host's clock is 3", "s slow", "NTP"],
        ),
        row(
            "the host, an hour fast",
            -3600,
            -3600,
            Some(InvalidSubjectToken),
            // Nobody was asked for the time before: the cause is one of two.
            &[
                "exp ",
                "iat ",
                "this host's clock says",
                "s fast",
                "not renewed",
            ],
        ),
        row(
            "the issuer, an hour fast",
            3600,
            0,
            Some(ExchangeRejected),
            &["agree", "in the future: its issuer's clock is fast"],
        ),
        row(
            "the issuer, an hour slow",
            -3600,
            0,
            Some(InvalidSubjectToken),
            &["exp ", "iat ", "this host's clock says", "not renewed"],
        ),
        row(
            "host and issuer, an hour slow",
            0,
            3600,
            Some(ExchangeRejected),
            &["invalid_grant", "this host's clock is 3", "s slow", "NTP"],
        ),
        row(
            "host and issuer, an hour fast",
            0,
            -3600,
            Some(ExchangeRejected),
            &["invalid_grant", "this host's clock is 3", "s fast", "NTP"],
        ),
        row("nobody", 0, 0, None, &[]),
    ]
}

#[test]
fn the_error_says_whose_clock_is_off_and_by_how_much() {
    for row in rows() {
        let who = row.who_is_off;
        let emulator = emulator(&row.settings);
        let provider = Provider::new(config(emulator.info())).expect("a good configuration");
        let result = get(&provider, TokenKind::Access);
        let status = provider.status();
        let warnings = status.warnings.join("\n");
        let words = match (row.error, result) {
            (Some(kind), Err(error)) => {
                assert_eq!(error.kind(), kind, "{who}: {error}");
                error.message().to_owned()
            }
            (None, Ok(_)) => warnings.clone(),
            (_, result) => panic!("{who}: {result:?}"),
        };
        for part in row.says {
            assert!(words.contains(part), "{who}: {part:?} is not in {words:?}");
        }
        if row.says.is_empty() {
            assert_eq!(words, "", "{who}");
        }
        // Once the endpoint has told its time, the status knows how far off this host is.
        let by_the_endpoint = "(it says ";
        assert_eq!(
            warnings.contains(by_the_endpoint),
            words.contains(by_the_endpoint),
            "{who}: {warnings}"
        );
    }
}

/// The issuer's clock is two seconds ahead of the endpoint's, which takes no SVID
/// before its time.
#[test]
fn an_svid_that_begins_in_seconds_is_waited_for() {
    let emulator = emulator(&json!({"svid_clock_offset_seconds": 2, "leeway_seconds": 0}));
    let provider = Provider::new(config(emulator.info())).expect("a good configuration");
    get(&provider, TokenKind::Access).expect("a token, once the SVID has begun");
    let status = provider.status();
    let failed = status.exchange_failures;
    assert!((1..=2).contains(&failed), "{failed} refusals");
    assert_eq!(status.fetches, 1, "the same SVID");
    let last = status.last_error.expect("the refusal");
    let words = "by the token endpoint's clock the SVID begins in ";
    assert!(last.message.contains(words), "{}", last.message);
}

/// An hour slow, with an SVID of an hour that is 45 minutes old: what `exp` and
/// `iat` say is an hour, and a quarter of it is true.
#[test]
fn a_host_that_is_slow_believes_the_endpoint_how_long_an_svid_lives() {
    let emulator = emulator(&json!({
        "svid_ttl_seconds": 3600,
        "svid_clock_offset_seconds": 900,
        "date_offset_seconds": 3600,
    }));
    let provider = Provider::new(config(emulator.info())).expect("a good configuration");
    let svid = get(&provider, TokenKind::Subject).expect("an SVID");
    let left = |provider: &Provider| {
        let token = provider.status().subject_token.expect("it is held");
        token.expires_in_seconds
    };
    assert!((3590.0..=3600.0).contains(&left(&provider)), "believed");
    let access = get(&provider, TokenKind::Access).expect("an access token");
    assert!((880.0..=901.0).contains(&left(&provider)), "learned");
    let status = provider.status().access_token.expect("it is held");
    assert!((880.0..=901.0).contains(&status.expires_in_seconds));
    let same = provider.cached(TokenKind::Subject).expect("it is held");
    assert_eq!(same.generation(), svid.generation(), "it is the same one");
    // From then on it is known beforehand.
    provider.invalidate(access.expose_secret());
    provider.invalidate(svid.expose_secret());
    get(&provider, TokenKind::Subject).expect("the SVID again");
    assert!((880.0..=901.0).contains(&left(&provider)), "known");
}

#[test]
fn a_date_that_is_not_the_answers_own_accuses_nobody() {
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    let old = httpdate::fmt_http_date(hour_ago);
    // The last is a control: an SVID of an hour ago may have been taken then.
    for (what, issuer, age, accused) in [
        ("from a cache", -3_590, Some("3600"), false),
        ("of before the SVID", 0, None, false),
        ("of an hour ago, and nothing against it", -3_590, None, true),
    ] {
        let emulator = emulator(&json!({
            "svid_ttl_seconds": 7200,
            "svid_clock_offset_seconds": issuer,
        }));
        let mut headers = std::collections::BTreeMap::from([("date".to_owned(), old.clone())]);
        headers.extend(age.map(|age| ("age".to_owned(), age.to_owned())));
        emulator.fault(
            Leg::TokenEndpoint,
            Fault {
                headers,
                ..Fault::default()
            },
        );
        let provider = Provider::new(config(emulator.info())).expect("a good configuration");
        get(&provider, TokenKind::Access).expect("a token");
        let warnings = provider.status().warnings.join("\n");
        assert_eq!(warnings.contains("s fast"), accused, "{what}: {warnings}");
        assert_eq!(warnings.is_empty(), !accused, "{what}: {warnings}");
    }
}
