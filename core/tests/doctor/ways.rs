//! The way to the token endpoint: proxies, certificates, and who answers in its place.

use std::io::Write as _;
use std::net::TcpStream;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use svidex::TokenKind::Access;
use svidex_emulator::Leg;

use crate::row::{Row, World, row};
use crate::server::{listen, listen_tls, read_head, tls_config};

/// Every connection gets this, once it has said what it wants.
fn speaking(answer: &'static str) -> impl Fn(TcpStream) + Send + Sync + 'static {
    move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(answer.as_bytes());
    }
}

fn through(name: &str, words: &[&str], answer: &'static str) -> Row {
    row(name, "token_endpoint", words, move |world| {
        world.proxy = Some(format!("http://{}", listen(speaking(answer))));
    })
    .in_error(Access)
}

/// The endpoint shows a certificate made of `params`, by a CA that is trusted.
fn certificate(
    name: &str,
    words: &[&str],
    change: impl Fn(&mut CertificateParams) + Send + Sync + 'static,
) -> Row {
    row(name, "token_endpoint", words, move |world| {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        change(&mut leaf);
        let leaf = leaf.signed_by(&key, &Issuer::new(ca.clone(), &ca_key));
        let chain = leaf.expect("signed").pem();
        let address = listen_tls(tls_config(&chain, &key.serialize_pem()));
        let ca = ca.self_signed(&ca_key).expect("signed").pem();
        trust(world, &ca);
        world.config.token_endpoint = Some(format!("https://{address}/oauth/token"));
    })
    .in_error(Access)
}

fn trust(world: &mut World, ca: &str) {
    let path = world.dir.path().join("ca.pem");
    std::fs::write(&path, ca).expect("written");
    world.config.ca_file = Some(path.to_str().expect("UTF-8").to_owned());
}

fn answers(name: &str, words: &[&str], fault: Value) -> Row {
    row(name, "exchange", words, move |world| {
        world.fault(Leg::TokenEndpoint, fault.clone());
    })
    .in_error(Access)
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            "a proxy that is not there",
            "token_endpoint",
            &["cannot connect to the proxy", "correct HTTPS_PROXY"],
            |world| world.proxy = Some("http://127.0.0.1:1".to_owned()),
        )
        .in_error(Access),
        row(
            "a proxy whose name does not resolve",
            "token_endpoint",
            &[
                "cannot look up the name of the proxy",
                "correct HTTPS_PROXY",
            ],
            |world| world.proxy = Some("http://nobody.invalid:3128".to_owned()),
        )
        .in_error(Access),
        through(
            "a proxy that wants a password",
            &[
                "it wants a user and password",
                "http://user:password@host:port",
            ],
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        ),
        through(
            "a proxy that refuses",
            &["it does not let this host reach", "have the proxy allow"],
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        ),
        through(
            "a proxy that does not get there",
            &["it could not reach", "see at the proxy why"],
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        ),
        through(
            "a web server in the place of a proxy",
            &["is it a proxy for https?", "correct HTTPS_PROXY"],
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ),
        through(
            "no HTTP in the place of a proxy",
            &["did not answer CONNECT in HTTP", "correct HTTPS_PROXY"],
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        ),
        certificate(
            "an expired certificate",
            &["ended at 2020-01-01", "have its certificate renewed"],
            |params| params.not_after = date_time_ymd(2020, 1, 1),
        ),
        certificate(
            "a certificate of the future",
            &["is good from 2100-01-01", "set this host's clock"],
            |params| {
                params.not_before = date_time_ymd(2100, 1, 1);
                params.not_after = date_time_ymd(2101, 1, 1);
            },
        ),
        certificate(
            "a certificate for another name",
            &["is for other.example", "correct the host in the URL"],
            |params| {
                *params = CertificateParams::new(vec!["other.example".to_owned()]).expect("a name");
            },
        ),
        answers(
            "a firewall's 403",
            &["answered HTTP 403", "no proxy answers for it"],
            json!({"status": 403, "body": "<html>Blocked by policy</html>"}),
        ),
        answers(
            "a rate limit",
            &["answered HTTP 429", "try again"],
            json!({"status": 429, "headers": {"Retry-After": "1"}}),
        ),
        answers(
            "a gateway that has given up",
            &["answered HTTP 504", "try again later"],
            json!({"status": 504}),
        ),
        answers(
            "a server that is not found",
            &["answered HTTP 404", "token_endpoint is OpenAI's"],
            json!({"status": 404}),
        ),
        row(
            "an answer that breaks off",
            "token_endpoint",
            &["before the answer was whole", "holds it up"],
            |world| world.fault(Leg::TokenEndpoint, json!({"reset": true})),
        )
        .in_error(Access),
    ]
}
