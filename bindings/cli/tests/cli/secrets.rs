//! A token in the wrong place is not repeated, wherever the place is.

use crate::common::{Run, emulator, run};

fn assert_told(run: &Run, token: &str, words: &str) {
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{run:?}");
    for piece in [token, &token[..16], &token[token.len() - 16..]] {
        assert!(!run.stderr.contains(piece), "{}", run.stderr);
    }
    assert!(run.stderr.contains(words), "{words:?} in {}", run.stderr);
}

fn tokens() -> Vec<String> {
    let emulator = emulator();
    let svid = std::fs::read_to_string(&emulator.info().token_file).expect("the file is there");
    let access = crate::common::against(&emulator, &["token"]).stdout;
    let mut tokens = vec![svid.trim().to_owned(), access.trim().to_owned()];
    tokens.push("sk-proj-0123456789abcdef".to_owned());
    tokens
}

#[test]
fn a_token_in_place_of_a_file_is_told_how_to_get_in() {
    for token in tokens() {
        let run = run(&[], &["inspect", &token]);
        assert_told(&run, &token, "svidex inspect -");
        run.assert_error(2, "invalid_config");
    }
}

#[test]
fn a_token_that_the_parser_stumbles_over_is_not_repeated() {
    for token in tokens() {
        for args in [
            &[token.as_str()][..],
            &["token", &token],
            &["svid", "--call-timeout-seconds", &token],
            &["svid", &format!("--call-timeout-seconds={token}")],
            &["svid", &format!("--{token}")],
            &["svid", &format!("--{token}=1")],
            &["svid", &format!("Authorization: Bearer {token}")],
            &["inspect", "file", &token],
            &["inspect", "file", "--identity-token-file", &token],
            &["doctor", "--json", &format!("-{token}")],
            &["help", &token],
        ] {
            let run = run(&[], args);
            assert_told(&run, &token, "");
        }
    }
    let run = run(
        &[],
        &["svid", "--call-timeout-seconds", "sk-proj-0123456789abcdef"],
    );
    assert!(
        run.stderr.contains("--call-timeout-seconds"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("looks like a token"), "{}", run.stderr);
}

#[test]
fn a_token_in_a_setting_is_refused_by_the_settings_name() {
    let token = &tokens()[0];
    let source = ("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock");
    for option in [
        "--endpoint-socket",
        "--identity-token-file",
        "--audience",
        "--spiffe-id",
        "--hint",
        "--identity-provider-id",
        "--service-account-id",
        "--client-id",
        "--token-endpoint",
        "--ca-file",
    ] {
        let field = option.trim_start_matches('-').replace('-', "_");
        let spaced = run(&[source], &["svid", option, token]);
        assert_told(&spaced, token, &field);
        let joined = run(&[source], &["token", &format!("{option}={token}")]);
        assert_told(&joined, token, &field);
    }
    for variable in [
        "OPENAI_IDENTITY_TOKEN_FILE",
        "SVIDEX_AUDIENCE",
        "SSL_CERT_FILE",
    ] {
        let told = run(&[source, (variable, token.as_str())], &["svid"]);
        assert_told(&told, token, variable);
        let doctor = run(&[source, (variable, token.as_str())], &["doctor"]);
        assert_eq!(doctor.status, 1, "{doctor:?}");
        doctor.assert_no_token();
    }
}
