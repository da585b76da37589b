//! Proxies and CAs: each variable does what it says.

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use svidex_emulator::{Emulator, Info};

use crate::child::{Outcome, Task, run};
use crate::support::emulator;

/// What a program gets with these variables beside those of the emulator.
fn outcome(info: &Info, more: &[(&str, &str)]) -> Outcome {
    let mut environment = vec![
        ("SPIFFE_ENDPOINT_SOCKET", info.endpoint_socket.as_str()),
        ("SVIDEX_SPIFFE_ID", &info.spiffe_ids[0]),
        ("OPENAI_IDENTITY_PROVIDER_ID", &info.identity_provider_id),
        ("OPENAI_SERVICE_ACCOUNT_ID", &info.service_account_id),
        ("TEST_CALL_TIMEOUT", "0.4"),
    ];
    if !more
        .iter()
        .any(|(name, _)| *name == "SVIDEX_TOKEN_ENDPOINT")
    {
        environment.push(("SVIDEX_TOKEN_ENDPOINT", &info.token_endpoint));
    }
    environment.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    run(Task::Token, &environment)
}

fn succeeds(info: &Info, more: &[(&str, &str)]) {
    let outcome = outcome(info, more);
    assert_eq!(outcome.kind, None, "{more:?}: {}", outcome.message);
}

fn fails(info: &Info, more: &[(&str, &str)], kind: &str, words: &[&str]) {
    let Outcome {
        kind: got, message, ..
    } = outcome(info, more);
    assert_eq!(got.as_deref(), Some(kind), "{more:?}: {message}");
    for words in words {
        assert!(message.contains(words), "{more:?}: {words}: {message}");
    }
}

fn connects(emulator: &Emulator, host: &str) -> u64 {
    let connects = emulator.counters().proxy_connects;
    connects.get(host).copied().unwrap_or_default()
}

#[test]
fn whom_to_trust() {
    let emulator = emulator(&json!({}));
    let info = emulator.info();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = info.ca_file.as_str();
    let pem = fs::read_to_string(ca).unwrap();
    let other = file("other.pem", OTHER_CA);
    let both = file("both.pem", &format!("{OTHER_CA}\nremarks\n{pem}"));
    fs::create_dir(dir.path().join("certs")).unwrap();
    let ca_dir = dir.path().join("certs").to_str().unwrap().to_owned();

    succeeds(info, &[("SSL_CERT_FILE", ca)]);
    succeeds(info, &[("SSL_CERT_FILE", &both)]);
    succeeds(info, &[("TEST_CA_FILE", ca)]);
    // ca_file is the only one that counts where it is set.
    succeeds(info, &[("TEST_CA_FILE", ca), ("SSL_CERT_FILE", &other)]);
    let untrusted = ["TLS", "ca_file", "SSL_CERT_FILE", &info.token_endpoint];
    let distrusts = |more: &[(&str, &str)]| {
        fails(info, more, "exchange_unavailable", &untrusted);
        // What is set already is no advice.
        let message = outcome(info, more).message;
        let is_set = more.iter().any(|(name, _)| *name == "TEST_CA_FILE");
        assert_eq!(message.contains("set ca_file"), !is_set, "{message}");
    };
    distrusts(&[]);
    distrusts(&[("SSL_CERT_FILE", &other)]);
    distrusts(&[("TEST_CA_FILE", &other), ("SSL_CERT_FILE", ca)]);

    // A store with nothing in it is an error with its name, and looked at again:
    // it may be half-written.
    let empty = file("empty.pem", "");
    let text = file("text.pem", "no certificate\n");
    let torn = file("torn.pem", &pem[..pem.len() / 2]);
    for bad in [&empty, &text, &torn] {
        for (variable, name) in [
            ("SSL_CERT_FILE", "SSL_CERT_FILE"),
            ("TEST_CA_FILE", "ca_file"),
        ] {
            fails(
                info,
                &[(variable, bad)],
                "exchange_unavailable",
                &[name, bad, "no usable CA certificate"],
            );
        }
    }
    // A FIFO, which would block whoever opens it.
    let fifo = dir.path().join("fifo.pem");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let missing = dir.path().join("missing.pem");
    for (variable, path, kind) in [
        (
            "SSL_CERT_FILE",
            missing.to_str().unwrap(),
            "exchange_unavailable",
        ),
        ("SSL_CERT_FILE", fifo.to_str().unwrap(), "invalid_config"),
        ("SSL_CERT_DIR", &ca_dir, "exchange_unavailable"),
    ] {
        fails(info, &[(variable, path)], kind, &[variable, path]);
    }
    // A directory of certificates, under any name.
    fs::copy(ca, format!("{ca_dir}/0a1b2c3d.0")).unwrap();
    succeeds(info, &[("SSL_CERT_DIR", &ca_dir)]);
    let two = format!("{}:{ca_dir}", dir.path().join("nowhere").display());
    succeeds(info, &[("SSL_CERT_DIR", &two)]);
    succeeds(
        info,
        &[("SSL_CERT_DIR", &ca_dir), ("SSL_CERT_FILE", &other)],
    );
}

#[test]
fn which_way_to_go() {
    let emulator = emulator(&json!({}));
    let info = emulator.info();
    let ca = ("SSL_CERT_FILE", info.ca_file.as_str());
    let proxy = info.https_proxy.as_str();
    let openai = (
        "SVIDEX_TOKEN_ENDPOINT",
        "https://auth.openai.com/oauth/token",
    );

    // OpenAI's own address, by way of a proxy that plays it.
    succeeds(info, &[ca, openai, ("HTTPS_PROXY", proxy)]);
    assert_eq!(connects(&emulator, "auth.openai.com"), 1);
    succeeds(info, &[ca, openai, ("https_proxy", proxy)]);
    assert_eq!(connects(&emulator, "auth.openai.com"), 2);
    let bare = proxy.trim_start_matches("http://");
    succeeds(info, &[ca, openai, ("HTTPS_PROXY", bare)]);
    assert_eq!(connects(&emulator, "auth.openai.com"), 3);

    // An address of this machine goes through it too, unless NO_PROXY says otherwise.
    succeeds(info, &[ca, ("HTTPS_PROXY", proxy)]);
    assert_eq!(connects(&emulator, "127.0.0.1"), 1);
    for no_proxy in ["127.0.0.1", "*", "example.org, 127.0.0.1", "127.0.0.0/8"] {
        for variable in ["NO_PROXY", "no_proxy"] {
            succeeds(info, &[ca, ("HTTPS_PROXY", proxy), (variable, no_proxy)]);
        }
    }
    assert_eq!(connects(&emulator, "127.0.0.1"), 1);
    succeeds(
        info,
        &[ca, ("HTTPS_PROXY", proxy), ("NO_PROXY", "example.org")],
    );
    assert_eq!(connects(&emulator, "127.0.0.1"), 2);

    // Without TLS there is nothing to tunnel, and a proxy would see the token.
    let plain = ("SVIDEX_TOKEN_ENDPOINT", info.token_endpoint_http.as_str());
    let everywhere = [
        ("HTTPS_PROXY", proxy),
        ("HTTP_PROXY", proxy),
        ("ALL_PROXY", proxy),
    ];
    for more in everywhere {
        succeeds(info, &[plain, more]);
    }
    assert_eq!(connects(&emulator, "127.0.0.1"), 2);

    // http to anybody else is refused before anything is sent.
    let far = (
        "SVIDEX_TOKEN_ENDPOINT",
        "http://auth.openai.com/oauth/token",
    );
    let words = ["token_endpoint", "SVIDEX_TOKEN_ENDPOINT", "http://"];
    fails(info, &[far], "invalid_config", &words);
    let exchanges = emulator.counters().exchanges;
    fails(
        info,
        &[far, ("HTTP_PROXY", proxy)],
        "invalid_config",
        &words,
    );
    assert_eq!(emulator.counters().exchanges, exchanges);
}

#[test]
fn proxies_that_will_not_do() {
    let emulator = emulator(&json!({}));
    let info = emulator.info();
    let ca = ("SSL_CERT_FILE", info.ca_file.as_str());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = listener.local_addr().unwrap().to_string();
    drop(listener);

    let with_password = format!("http://user:hunter2@{dead}");
    let result = outcome(info, &[ca, ("HTTPS_PROXY", &with_password)]);
    assert_eq!(result.kind.as_deref(), Some("exchange_unavailable"));
    assert!(result.message.contains("cannot connect"), "{result:?}");
    assert!(result.message.contains("HTTPS_PROXY"), "{result:?}");
    assert!(!result.shown.contains("hunter2"), "{result:?}");

    // The emulator's proxy lets nobody through to anywhere else.
    let elsewhere = ("SVIDEX_TOKEN_ENDPOINT", "https://elsewhere.example/token");
    let proxy = ("HTTPS_PROXY", info.https_proxy.as_str());
    let words = ["https://elsewhere.example/token", "HTTPS_PROXY"];
    fails(
        info,
        &[ca, elsewhere, proxy],
        "exchange_unavailable",
        &words,
    );
    assert!(connects(&emulator, "elsewhere.example") >= 1);

    // One that cannot be used is of no concern to who does not go through it.
    let unusable = ("HTTPS_PROXY", "socks4://user:hunter2@127.0.0.1:1080");
    let words = ["HTTPS_PROXY", "socks4", "socks5"];
    fails(info, &[ca, unusable], "invalid_config", &words);
    succeeds(info, &[ca, unusable, ("NO_PROXY", "*")]);
    let plain = ("SVIDEX_TOKEN_ENDPOINT", info.token_endpoint_http.as_str());
    succeeds(info, &[unusable, plain]);
    succeeds(info, &[unusable, ("TEST_TOKEN", "subject")]);
}

/// Nobody's: its key was thrown away.
const OTHER_CA: &str = include_str!("other-ca.pem");
