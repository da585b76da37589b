//! A host, an issuer or a token endpoint whose clock is an hour off. The host's
//! own clock cannot be set in a test: the other two are set against it.

use serde_json::{Value, json};
use svidex::ErrorKind::{self, ExchangeRejected, InvalidSubjectToken};
use svidex::{Provider, TokenKind};

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
