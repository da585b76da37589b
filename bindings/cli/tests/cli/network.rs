//! The command's way to the token endpoint: proxies as people write them, and CAs where
//! they keep them.

use std::fs;

use crate::common::{emulator, run};

#[test]
fn a_proxy_in_every_form() {
    let emulator = emulator();
    let info = emulator.info();
    let proxy = info.https_proxy.as_str();
    let bare = proxy.trim_start_matches("http://");
    let slash = format!("{proxy}/");
    let login = format!("http://me:secret@{bare}");
    // OpenAI itself, which the proxy alone leads to.
    let environment = info.environment();
    let environment: Vec<_> = (environment.iter())
        .map(|(name, value)| (*name, value.as_str()))
        .filter(|(name, _)| *name != "SVIDEX_TOKEN_ENDPOINT")
        .collect();
    let connects = || emulator.counters().proxy_connects.values().sum::<u64>();
    for (name, value) in [
        ("HTTPS_PROXY", proxy),
        ("https_proxy", proxy),
        ("HTTPS_PROXY", bare),
        ("HTTPS_PROXY", &slash),
        ("HTTPS_PROXY", &login),
        ("ALL_PROXY", proxy),
        ("all_proxy", bare),
    ] {
        let before = connects();
        let run = run(&[&environment[..], &[(name, value)]].concat(), &["token"]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{name}={value}");
        assert_eq!(connects(), before + 1, "{name}={value}");
    }
    // None is asked for what is not to go there: one that is not there proves it.
    let endpoint = [
        ("SVIDEX_TOKEN_ENDPOINT", info.token_endpoint.as_str()),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ];
    for no_proxy in ["127.0.0.1", "*", "example.org, 127.0.0.0/8"] {
        let no_proxy = [("NO_PROXY", no_proxy)];
        let environment = [&environment[..], &endpoint, &no_proxy].concat();
        let run = run(&environment, &["token"]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{no_proxy:?}");
    }
}

#[test]
fn a_ca_wherever_it_is_kept() {
    let emulator = emulator();
    let info = emulator.info();
    let dir = tempfile::tempdir().expect("a directory");
    fs::copy(&info.ca_file, dir.path().join("corp.pem")).expect("a copy");
    let loose = dir.path().to_str().expect("UTF-8");
    let environment = info.environment();
    let environment: Vec<_> = (environment.iter())
        .map(|(name, value)| (*name, value.as_str()))
        .filter(|(name, _)| *name != "SSL_CERT_FILE")
        .collect();
    let in_variable = |name| [&environment[..], &[name]].concat();
    for (environment, arguments) in [
        (in_variable(("SSL_CERT_DIR", loose)), &["token"][..]),
        (in_variable(("SSL_CERT_FILE", &info.ca_file)), &["token"]),
        (environment.clone(), &["token", "--ca-file", &info.ca_file]),
    ] {
        let run = run(&environment, arguments);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{arguments:?}");
    }
    let unknown = run(&environment, &["token", "--call-timeout-seconds", "5"]);
    unknown.assert_error(4, "exchange_unavailable");
}
