//! A redirect would carry the subject token to whomever it names.

use svidex::{ErrorKind, Provider, TokenKind};
use svidex_emulator::{Fault, Leg};

use crate::support::{config, emulator, get};

#[test]
fn no_redirect_is_followed() {
    let emulator = emulator(&serde_json::json!({}));
    let info = emulator.info().clone();
    let endpoints = [&info.token_endpoint, &info.token_endpoint_http];
    let targets = [&info.redirect_target, &info.redirect_target_http];
    for endpoint in endpoints {
        for target in targets {
            for status in [300, 301, 302, 303, 305, 307, 308] {
                emulator.reset_counters();
                emulator.fault(
                    Leg::TokenEndpoint,
                    Fault {
                        redirect: Some(target.clone()),
                        status: Some(status),
                        ..Fault::default()
                    },
                );
                let provider = Provider::new(config(&info).token_endpoint(endpoint)).unwrap();
                let error = get(&provider, TokenKind::Access).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ExchangeRejected, "{error}");
                assert_eq!(error.http_status(), Some(status), "{error}");
                let message = error.message();
                assert!(message.contains("redirects are not followed"), "{message}");
                assert!(message.starts_with(endpoint.as_str()), "{message}");
                let counters = emulator.counters();
                assert_eq!(counters.exchanges, 1, "{status} {endpoint}");
                assert_eq!(counters.redirect_target_hits, 0, "{status} to {target}");
            }
        }
    }
    // That the target counts at all.
    let authority = info.redirect_target_http.trim_start_matches("http://");
    let (authority, path) = authority.split_once('/').unwrap();
    let base = format!("http://{authority}");
    crate::support::process::request(&base, "GET", &format!("/{path}"), &[], "");
    assert_eq!(emulator.counters().redirect_target_hits, 1);
}
