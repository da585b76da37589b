//! Name servers and addresses as a bad day has them. Names are the system's
//! business, so a program of its own runs with its own network, `resolv.conf` and
//! hosts file; that takes root, and namespaces.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use svidex::{Provider, TokenKind};
use svidex_emulator::Info;

use crate::server::{answer, listen_at, over_tls, tls_config};
use crate::support::{config, emulator, get_at_last, report};

const INSIDE: &str = "SVIDEX_TEST_NAMES";

/// What a pod's says: names of fewer than five dots are tried with each domain
/// first. The first server keeps silent.
const RESOLV_CONF: &str = "nameserver 127.0.0.2\nnameserver 127.0.0.3\n\
    search ns.svc.cluster.local svc.cluster.local cluster.local\n\
    options ndots:5 timeout:2 attempts:2\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n127.0.0.9 hosts.example.test\n";

/// Mounts what the program is to find, and runs it.
const SET_UP: &str = r#"set -e
mount --make-rprivate /
for name in resolv.conf hosts nsswitch.conf; do
    [ -e /etc/$name ] || : > /etc/$name
    mount --bind "$DIR/$name" /etc/$name
done
ip link set lo up
echo is-set-up
exec "$PROGRAM" --exact names::program --nocapture"#;

#[test]
fn a_bad_day_of_the_name_servers() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("resolv.conf", RESOLV_CONF),
        ("hosts", HOSTS),
        ("nsswitch.conf", "hosts: files dns\n"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let output = Command::new("unshare")
        .args(["-mn", "sh", "-c", SET_UP])
        .env("DIR", dir.path())
        .env("PROGRAM", std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output();
    let Ok(output) = output else {
        return report("skipped: there is no unshare(1) here");
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !stdout.contains("is-set-up") {
        return report(&format!("skipped: no namespaces for this user ({stderr})"));
    }
    assert!(output.status.success(), "{stdout}{stderr}");
}

/// The program. Run as an ordinary test, it has nothing to do.
#[test]
fn program() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    // Both silent at first.
    let _silent = UdpSocket::bind("127.0.0.2:53").unwrap();
    let server = UdpSocket::bind("127.0.0.3:53").unwrap();
    let emulator = emulator(&json!({}));
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["*.example.test".to_owned()];
    let params = rcgen::CertificateParams::new(names).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let ca_file = dir.path().join("ca.pem");
    fs::write(&ca_file, &pem).unwrap();
    let ca_file = ca_file.to_str().unwrap();
    let tls = tls_config(&pem, &key.serialize_pem());
    let tls_too = tls.clone();
    let port = listen_at("127.0.0.9:0", move |stream| {
        answer(&mut over_tls(&tls, stream));
    })
    .port();
    listen_at(&format!("[::1]:{port}"), move |stream| {
        answer(&mut over_tls(&tls_too, stream));
    });

    let provider = provider(emulator.info(), "healthy", port, ca_file, 1.0);
    let error = get_at_last(&provider, TokenKind::Access).unwrap_err();
    let words = "still looking up healthy.example.test";
    assert!(error.message().contains(words), "{error}");
    assert!(error.is_retryable(), "{error}");

    std::thread::spawn(move || serve(&server));
    // Nobody answers there, and nobody refuses either: it is no address of this network's.
    let _hole = hole(port);
    for name in ["healthy", "half-dead", "hosts", "only-v6"] {
        if name == "only-v6" && std::net::TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        let provider = self::provider(emulator.info(), name, port, ca_file, 6.0);
        let token = get_at_last(&provider, TokenKind::Access);
        assert!(token.is_ok(), "{name}: {token:?}");
        assert_eq!(
            provider.status().exchange_failures,
            0,
            "{name}: one attempt"
        );
    }
}

fn provider(info: &Info, name: &str, port: u16, ca_file: &str, timeout: f64) -> Provider {
    Provider::new(
        config(info)
            .token_endpoint(format!("https://{name}.example.test:{port}/token"))
            .ca_file(ca_file)
            .request_timeout_seconds(timeout)
            .call_timeout_seconds(timeout + 1.0),
    )
    .unwrap()
}

/// A listener whose queue is full.
fn hole(port: u16) -> Vec<socket2::Socket> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 66], port)).into();
    let socket = || {
        use socket2::{Domain, Socket, Type};
        Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
    };
    let listener = socket();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut all = vec![listener];
    for _ in 0..4 {
        let client = socket();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address);
        all.push(client);
    }
    all
}

/// A name server (RFC 1035 §4) that knows four names.
fn serve(socket: &UdpSocket) {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    let mut query = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut query).unwrap();
        let query = &query[..length];
        let (mut at, mut name) = (12, Vec::new());
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            name.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
            at = end;
        }
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let question = &query[12..at + 5];
        let of_v4 = |addresses: &[u8]| {
            let address = |last: &u8| vec![127, 0, 0, *last];
            addresses.iter().map(address).collect::<Vec<_>>()
        };
        let v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].to_vec();
        let (is_known, addresses) = match (name.join(".").as_str(), kind) {
            ("healthy.example.test", A) => (true, of_v4(&[9])),
            ("half-dead.example.test", A) => (true, of_v4(&[66, 9])),
            ("hosts.example.test", A) => (true, of_v4(&[66])),
            ("only-v6.example.test", AAAA) => (true, vec![v6]),
            (name, _) => (name.ends_with(".example.test"), Vec::new()),
        };
        let mut reply = query[..2].to_vec();
        // An answer, recursion available; no error, or no such name.
        reply.extend([0x81, if is_known { 0x80 } else { 0x83 }]);
        let count = u8::try_from(addresses.len()).unwrap();
        reply.extend([0, 1, 0, count, 0, 0, 0, 0]);
        reply.extend(question);
        for address in addresses {
            reply.extend([0xc0, 12]);
            reply.extend(kind.to_be_bytes());
            reply.extend([0, 1, 0, 0, 0, 1, 0]);
            reply.push(u8::try_from(address.len()).unwrap());
            reply.extend(address);
        }
        let _ = socket.send_to(&reply, client);
        std::thread::sleep(Duration::from_millis(1));
    }
}
