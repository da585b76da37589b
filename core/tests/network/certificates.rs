//! Certificates of every kind: what curl takes is taken, and what is not is
//! said in words of our own.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use svidex_emulator::Emulator;

use crate::server::{answer, exchange, listen, listen_tls, over_tls, tls_config};
use crate::support::emulator;

/// A certificate as a server shows it.
struct Shown {
    pem: String,
    key: String,
}

impl Shown {
    fn of_itself(params: &CertificateParams, key: &KeyPair) -> Self {
        Self {
            pem: params.self_signed(key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "127.0.0.1");
    params
}

fn ca_params(names: &[&str]) -> CertificateParams {
    let mut params = params(names);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

struct World {
    emulator: Emulator,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            emulator: emulator(&json!({})),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// What comes of an exchange with a server that shows this certificate,
    /// where `trusted` is in `ca_file`; without it, `ca_file` is not set.
    fn try_out(&self, shown: &Shown, trusted: Option<&str>) -> Result<(), String> {
        let address = listen_tls(tls_config(&shown.pem, &shown.key));
        self.try_at(&format!("https://{address}/token"), trusted)
    }

    fn try_at(&self, endpoint: &str, trusted: Option<&str>) -> Result<(), String> {
        let ca_file = trusted.map(|pem| {
            let path = self.dir.path().join("ca.pem");
            fs::write(&path, pem).unwrap();
            path.to_str().unwrap().to_owned()
        });
        let result = exchange(self.emulator.info(), endpoint, ca_file.as_deref());
        result.map_err(|error| {
            assert!(error.is_retryable(), "{error}");
            let message = error.message();
            assert!(message.starts_with(endpoint), "{message}");
            for jargon in [
                "rustls", "webpki", "os error", "Error", "Context", "::", "{",
            ] {
                assert!(!message.contains(jargon), "{jargon}: {message}");
            }
            message.to_owned()
        })
    }

    fn refused(&self, result: Result<(), String>, words: &[&str]) {
        let message = result.expect_err("taken");
        for words in words {
            assert!(message.contains(words), "{words}: {message}");
        }
    }
}

#[test]
fn what_is_taken() {
    let world = World::new();
    // Self-signed, as a server's own, and as a CA's (`openssl req -x509`).
    for params in [params(&["127.0.0.1"]), ca_params(&["127.0.0.1"])] {
        for key in [
            key(),
            KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        ] {
            let shown = Shown::of_itself(&params, &key);
            world.try_out(&shown, Some(&shown.pem)).unwrap();
        }
    }
    // One of a CA that nobody knows, itself among those to trust.
    let (mut ca, ca_key) = (ca_params(&[]), key());
    ca.distinguished_name.push(DnType::CommonName, "nobody");
    let issuer = Issuer::new(ca.clone(), &ca_key);
    let leaf_key = key();
    let leaf = params(&["127.0.0.1"])
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    let shown = Shown {
        pem: leaf.pem(),
        key: leaf_key.serialize_pem(),
    };
    world.try_out(&shown, Some(&shown.pem)).unwrap();
    // ... and the CA among several.
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let other = ca_params(&[]).self_signed(&key()).unwrap().pem();
    let bundle = format!("a remark\n{other}{ca_pem}");
    world.try_out(&shown, Some(&bundle)).unwrap();
}

#[test]
fn what_is_not_taken_and_why() {
    let world = World::new();
    let own = |params: &CertificateParams| Shown::of_itself(params, &key());
    let refused = |shown: &Shown, trusted: Option<&str>, words: &[&str]| {
        world.refused(world.try_out(shown, trusted), words);
    };
    for is_ca in [false, true] {
        let with = |change: fn(&mut CertificateParams), names: &[&str]| {
            let mut params = match is_ca {
                true => ca_params(names),
                false => params(names),
            };
            change(&mut params);
            own(&params)
        };
        let past = with(
            |params| {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            },
            &["127.0.0.1"],
        );
        refused(&past, Some(&past.pem), &["ended at 2021-01-01", "renewed"]);
        let future = with(
            |params| {
                params.not_before = date_time_ymd(2090, 1, 1);
                params.not_after = date_time_ymd(2091, 1, 1);
            },
            &["127.0.0.1"],
        );
        let words = ["from 2090-01-01", "this host's clock"];
        refused(&future, Some(&future.pem), &words);
        let named = with(|_| {}, &["a.example", "10.0.0.1"]);
        let words = ["is for a.example, 10.0.0.1, not for 127.0.0.1"];
        refused(&named, Some(&named.pem), &words);
        let nameless = with(|_| {}, &[]);
        let words = ["names no host", "subjectAltName", "127.0.0.1"];
        refused(&nameless, Some(&nameless.pem), &words);
        // Not the one that is trusted, though of the same name.
        let stranger = with(|_| {}, &["127.0.0.1"]);
        let trusted = with(|_| {}, &["127.0.0.1"]);
        refused(&stranger, Some(&trusted.pem), &["TLS"]);
    }
    let ca = own(&ca_params(&["127.0.0.1"]));
    let mut other = ca_params(&[]);
    other.distinguished_name.push(DnType::CommonName, "other");
    let other = own(&other).pem;
    refused(
        &ca,
        Some(&other),
        &["CA:TRUE", "put exactly this one into ca_file"],
    );
    let server = own(&params(&["127.0.0.1"]));
    let words = ["not trusted here", "alone counts", "ca.pem"];
    refused(&server, Some(&other), &words);
    let mut for_clients = params(&["127.0.0.1"]);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let for_clients = own(&for_clients);
    refused(&for_clients, Some(&for_clients.pem), &["serverAuth"]);
}

#[test]
fn a_server_that_wants_a_client_certificate() {
    let world = World::new();
    let shown = Shown::of_itself(&params(&["127.0.0.1"]), &key());
    let base = tls_config(&shown.pem, &shown.key);
    let mut clients = RootCertStore::empty();
    let ca = ca_params(&[]).self_signed(&key()).unwrap();
    clients.add(ca.der().clone()).unwrap();
    let clients = Arc::new(clients);
    for (version, is_needed) in [
        (&TLS12, true),
        (&TLS13, true),
        (&TLS12, false),
        (&TLS13, false),
    ] {
        let provider = Arc::clone(base.crypto_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&clients),
            Arc::clone(&provider),
        );
        let verifier = match is_needed {
            true => verifier,
            false => verifier.allow_unauthenticated(),
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_cert_resolver(Arc::clone(&base.cert_resolver));
        let address = listen_tls(Arc::new(config));
        let result = world.try_at(&format!("https://{address}/token"), Some(&shown.pem));
        match is_needed {
            true => world.refused(result, &["wants a client certificate", "token_endpoint"]),
            false => result.unwrap(),
        }
    }
}

#[test]
fn what_is_no_tls_at_all() {
    let world = World::new();
    let trusted = Shown::of_itself(&params(&["127.0.0.1"]), &key()).pem;
    let try_with = |serve: fn(std::net::TcpStream), words: &[&str]| {
        let address = listen(serve);
        let result = world.try_at(&format!("https://{address}/token"), Some(&trusted));
        world.refused(result, words);
    };
    try_with(
        |mut stream| {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        },
        &["speaks no TLS", "plain HTTP"],
    );
    // The alert protocol_version, as a server of TLS 1.1 sends it.
    try_with(
        |mut stream| {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4_096]);
            let _ = stream.write_all(&[21, 3, 2, 0, 2, 2, 70]);
        },
        &["no TLS 1.2 and no TLS 1.3"],
    );
    try_with(
        |mut stream| {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4_096]);
        },
        &["closed the connection", "handshake"],
    );
}

/// What rcgen and rustls do not make: keys and versions that OpenSSL does.
#[test]
fn certificates_that_openssl_makes() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::support::report("skipped: there is no openssl here");
    }
    let world = World::new();
    let san = "subjectAltName=IP:127.0.0.1";
    /// What it is, how it is made, and what is said of it unless it is taken.
    type Case<'a> = (&'a str, &'a [&'a str], Option<&'a [&'a str]>);
    let cases: [Case<'_>; 6] = [
        ("an RSA key", &["-newkey", "rsa:2048", "-addext", san], None),
        (
            "P-256 with SHA-384",
            &[
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-sha384",
                "-addext",
                san,
            ],
            None,
        ),
        (
            "P-256 with SHA-512",
            &[
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-sha512",
                "-addext",
                san,
            ],
            None,
        ),
        (
            "P-521",
            &[
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-521",
                "-addext",
                san,
            ],
            Some(&["P-521"]),
        ),
        (
            "no subjectAltName",
            &["-newkey", "rsa:2048"],
            Some(&["names no host"]),
        ),
        (
            "version 1",
            &["-newkey", "rsa:2048", "-x509v1"],
            Some(&["version 1"]),
        ),
    ];
    for (what, how, words) in cases {
        let file = |name: &str| world.dir.path().join(name).to_str().unwrap().to_owned();
        let (pem, key) = (file("server.pem"), file("server.key"));
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
        ]);
        command.args(["-keyout", &key, "-out", &pem]).args(how);
        let made = command.output().unwrap();
        if !made.status.success() {
            // An older OpenSSL that does not know the option.
            crate::support::report(&format!("skipped: {what}"));
            continue;
        }
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut server = Command::new("openssl")
            .args(["s_server", "-quiet", "-key", &key, "-cert", &pem])
            .args(["-www", "-accept", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        crate::support::eventually("s_server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let trusted = fs::read_to_string(&pem).unwrap();
        let result = world.try_at(&format!("https://127.0.0.1:{port}/token"), Some(&trusted));
        let _ = server.kill();
        let _ = server.wait();
        // s_server is no token endpoint: it was reached if it is called that.
        let message = result.expect_err("s_server issues tokens");
        match words {
            None => assert!(!message.contains("TLS"), "{what}: {message}"),
            Some(words) => world.refused(Err(message), words),
        }
    }
}

/// The endpoint starts again under another CA, and `ca_file` follows: the next
/// connection is good, whichever comes first.
#[test]
fn a_ca_that_is_replaced_while_in_use() {
    let world = World::new();
    let [old, new] = [0, 1].map(|_| Shown::of_itself(&ca_params(&["127.0.0.1"]), &key()));
    let [old_config, new_config] = [&old, &new].map(|it| tls_config(&it.pem, &it.key));
    let config = Arc::new(std::sync::Mutex::new(old_config));
    let serving = Arc::clone(&config);
    let address = listen(move |stream| {
        let config = Arc::clone(&serving.lock().unwrap());
        answer(&mut over_tls(&config, stream));
    });
    let ca_file = world.dir.path().join("ca.pem");
    fs::write(&ca_file, &old.pem).unwrap();
    let provider = crate::server::provider(
        world.emulator.info(),
        &format!("https://{address}/token"),
        ca_file.to_str(),
    );
    let get = || crate::support::get_at_last(&provider, svidex::TokenKind::Access);
    let token = get().unwrap();
    *config.lock().unwrap() = new_config;
    fs::write(&ca_file, &new.pem).unwrap();
    provider.invalidate(token.expose_secret());
    get().unwrap();
    let status = provider.status();
    assert_eq!((status.exchanges, status.exchange_failures), (2, 0));
}
