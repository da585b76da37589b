//! A token file that a sidecar keeps writing, and an exchange behind it.

use std::fs;

use serde_json::json;
use svidex::{ErrorKind, Provider, TokenKind};
use svidex_emulator::{Emulator, TokenFileMode, TokenFilePlan};

use crate::support::{config, emulator, get};

fn provider(emulator: &Emulator) -> Provider {
    let mut config = config(emulator.info()).identity_token_file(&emulator.info().token_file);
    config.endpoint_socket = None;
    Provider::new(config).unwrap()
}

/// Whichever way the file is written, the next renewal takes what is in it then,
/// and OpenAI's side takes that.
#[test]
fn the_newest_token_is_used_at_the_next_renewal() {
    let emulator = emulator(&json!({}));
    let provider = provider(&emulator);
    let mut last = String::new();
    for mode in [
        TokenFileMode::Rename,
        TokenFileMode::Truncate,
        TokenFileMode::Symlink,
        TokenFileMode::Symlink,
        TokenFileMode::Once,
    ] {
        emulator.token_file(TokenFilePlan {
            mode,
            ..TokenFilePlan::default()
        });
        let written = fs::read_to_string(&emulator.info().token_file).unwrap();
        assert!(written != last, "{mode:?} writes a new token");
        provider.invalidate(&last);
        let svid = get(&provider, TokenKind::Subject).unwrap();
        assert!(svid.expose_secret() == written, "{mode:?}");
        if let Some(token) = provider.cached(TokenKind::Access) {
            provider.invalidate(token.expose_secret());
        }
        last = written;
    }
    get(&provider, TokenKind::Access).unwrap();
    assert_eq!(emulator.counters().exchanges_ok, 1);
    let status = provider.status();
    assert_eq!((status.fetch_failures, status.exchange_failures), (0, 0));
}

/// Between two renewals the file may hold anything.
#[test]
fn a_file_that_turns_bad_is_nobody_s_concern_while_its_token_lasts() {
    let emulator = emulator(&json!({}));
    let provider = provider(&emulator);
    let token = get(&provider, TokenKind::Access).unwrap();
    emulator.token_file(TokenFilePlan {
        mode: TokenFileMode::Once,
        content: Some("nonsense".to_owned()),
        ..TokenFilePlan::default()
    });
    let again = get(&provider, TokenKind::Access).unwrap();
    assert_eq!(again.generation(), token.generation());
    assert_eq!(provider.status().last_error, None);

    provider.invalidate(get(&provider, TokenKind::Subject).unwrap().expose_secret());
    let error = get(&provider, TokenKind::Subject).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSubjectToken, "{error}");
    let path = emulator.info().token_file.as_str();
    for words in [path, "is not a JWT", "1 part"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    // The access token does not depend on it any more.
    let again = get(&provider, TokenKind::Access).unwrap();
    assert_eq!(again.generation(), token.generation());
}
