use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{InvalidMessage, PeerIncompatible};

use super::*;
use crate::error::{ErrorKind, FailureClass};

fn tls(error: rustls::Error, asked: bool) -> TlsFault {
    TlsFault::of(io::Error::new(io::ErrorKind::InvalidData, error), asked)
}

fn shown(store: Store, fault: TlsFault) -> String {
    Fault::Tls {
        peer: Peer::Endpoint,
        name: "api.example".to_owned(),
        store,
        fault: Box::new(fault),
    }
    .to_string()
}

/// No word of a library's own: `CamelCase`, an error number, a path in code.
fn assert_plain(words: &str) {
    for jargon in [
        "rustls", "webpki", "hyper", "os error", "::", "{", "Error", "Context",
    ] {
        assert!(!words.contains(jargon), "{jargon}: {words}");
    }
    let known = [
        "subjectAltName",
        "basicConstraints",
        "extendedKeyUsage",
        "serverAuth",
    ];
    let known =
        |word: &str| known.contains(&word) || word == "nameConstraints" || word == "ChaCha20";
    for word in words.split(|c: char| !c.is_ascii_alphanumeric()) {
        let camel = word.chars().zip(word.chars().skip(1));
        let camel =
            camel.filter(|(one, next)| one.is_ascii_lowercase() && next.is_ascii_uppercase());
        assert!(camel.count() == 0 || known(word), "{word}: {words}");
    }
}

#[test]
fn every_fault_of_tls_has_words_of_its_own() {
    use rustls::Error as Tls;
    let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let bad = |error: CertificateError| Tls::InvalidCertificate(error);
    let rule =
        |error: webpki::Error| bad(CertificateError::Other(rustls::OtherError(Arc::new(error))));
    let name = ServerName::try_from("api.example").unwrap();
    let wrong_name = |presented: Vec<String>| {
        bad(CertificateError::NotValidForNameContext {
            expected: name.clone(),
            presented,
        })
    };
    let cases = [
        (
            bad(CertificateError::ExpiredContext {
                time: at(1_800_000_000),
                not_after: at(1_700_000_000),
            }),
            "ended at 2023-11-14T22:13:20Z",
        ),
        (
            bad(CertificateError::NotValidYetContext {
                time: at(1_700_000_000),
                not_before: at(1_800_000_000),
            }),
            "set this host's clock",
        ),
        (
            wrong_name(vec![
                "DnsName(\"a.example\")".into(),
                "IpAddress(10.0.0.1)".into(),
            ]),
            "is for a.example, 10.0.0.1, not for api.example",
        ),
        (wrong_name(Vec::new()), "names no host"),
        (bad(CertificateError::UnknownIssuer), "not trusted here"),
        (bad(CertificateError::BadSignature), "signature"),
        (bad(CertificateError::InvalidPurpose), "serverAuth"),
        (bad(CertificateError::BadEncoding), "RFC 5280"),
        (
            bad(CertificateError::UnhandledCriticalExtension),
            "RFC 5280",
        ),
        (rule(webpki::Error::CaUsedAsEndEntity), "CA:TRUE"),
        (rule(webpki::Error::UnsupportedCertVersion), "version 1"),
        (rule(webpki::Error::EndEntityUsedAsCa), "issued by a CA"),
        (
            Tls::AlertReceived(AlertDescription::HandshakeFailure),
            "no common ground",
        ),
        (
            Tls::AlertReceived(AlertDescription::ProtocolVersion),
            "no TLS 1.2 and no TLS 1.3",
        ),
        (
            Tls::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            "no TLS 1.2 and no TLS 1.3",
        ),
        (
            Tls::AlertReceived(AlertDescription::UnrecognisedName),
            "does not know the name api.example",
        ),
        (
            Tls::AlertReceived(AlertDescription::InternalError),
            "the alert internal_error",
        ),
        (
            Tls::InvalidMessage(InvalidMessage::InvalidContentType),
            "speaks no TLS",
        ),
        (Tls::DecryptError, "rules of TLS"),
    ];
    for (error, expected) in cases {
        let words = shown(Store::System, tls(error, false));
        assert!(words.contains(expected), "{expected}: {words}");
        assert_plain(&words);
    }
    for alert in [
        AlertDescription::HandshakeFailure,
        AlertDescription::CertificateRequired,
        AlertDescription::BadCertificate,
    ] {
        let words = shown(
            Store::System,
            tls(rustls::Error::AlertReceived(alert), true),
        );
        assert!(words.contains("wants a client certificate"), "{words}");
        assert_plain(&words);
    }
}

/// What is set already is no advice.
#[test]
fn an_unknown_ca_is_to_be_put_where_it_is_looked_for() {
    let unknown = || TlsFault::Certificate(CertificateError::UnknownIssuer);
    let file = shown(Store::CaFile("/etc/my/ca.pem".into()), unknown());
    assert!(file.contains("ca_file /etc/my/ca.pem"), "{file}");
    assert!(!file.contains("set ca_file"), "{file}");
    let paths = vec!["/etc/my/ca.pem".into()];
    let variable = shown(Store::Variables("SSL_CERT_FILE", paths), unknown());
    assert!(
        variable.contains("SSL_CERT_FILE /etc/my/ca.pem"),
        "{variable}"
    );
    for store in [Store::System, Store::Mozilla] {
        let words = shown(store, unknown());
        assert!(words.contains("set ca_file or SSL_CERT_FILE"), "{words}");
    }
}

#[test]
fn a_lack_of_descriptors_at_connect_is_retried_soon() {
    for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::EPERM] {
        let fault = Fault::Connect {
            peer: Peer::Endpoint,
            failed: vec![(
                "127.0.0.1:443".parse().unwrap(),
                io::Error::from_raw_os_error(code),
            )],
        };
        let error = fault.into_error("https://api.example/");
        assert_eq!(error.kind(), ErrorKind::ExchangeUnavailable, "{error}");
        assert_eq!(error.class(), FailureClass::Local, "{error}");
        for wrong in ["HTTPS_PROXY", "os error"] {
            assert!(!error.message().contains(wrong), "{error}");
        }
    }
}
