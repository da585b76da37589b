//! Proxies of every form, and what they refuse.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use svidex_emulator::{Emulator, Info};

use crate::child::{Outcome, Task, run};
use crate::server::{listen, listen_at, over_tls, read_head, tls_config};
use crate::support::emulator;

/// What a program gets that has to go through this proxy.
fn through(info: &Info, proxy: &str, more: &[(&str, &str)]) -> Outcome {
    let mut environment = vec![
        ("SPIFFE_ENDPOINT_SOCKET", info.endpoint_socket.as_str()),
        ("SVIDEX_SPIFFE_ID", &info.spiffe_ids[0]),
        ("OPENAI_IDENTITY_PROVIDER_ID", &info.identity_provider_id),
        ("OPENAI_SERVICE_ACCOUNT_ID", &info.service_account_id),
        ("SVIDEX_TOKEN_ENDPOINT", &info.token_endpoint),
        ("SSL_CERT_FILE", &info.ca_file),
        ("TEST_CALL_TIMEOUT", "0.4"),
    ];
    if more.iter().all(|(name, _)| !name.ends_with("_PROXY")) {
        environment.push(("HTTPS_PROXY", proxy));
    }
    environment.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    environment.extend(more);
    run(Task::Token, &environment)
}

fn world() -> Emulator {
    emulator(&json!({}))
}

/// Both ways, until one side has had enough.
fn splice(mut near: TcpStream, mut far: TcpStream) {
    let (mut near_too, mut far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut near_too, &mut far_too);
        let _ = far_too.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Both);
}

/// An http proxy, and the heads that it was sent.
pub(crate) fn http_proxy(address: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let address = listen_at(address, move |mut stream| {
        let head = read_head(&mut stream);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        kept.lock().unwrap().push(head);
        let Ok(far) = TcpStream::connect(target) else {
            return;
        };
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
        splice(stream, far);
    });
    (address, heads)
}

#[test]
fn an_http_proxy_in_every_form() {
    let emulator = world();
    let info = emulator.info();
    let (proxy, heads) = http_proxy("127.0.0.1:0");
    let target = info.token_endpoint.split('/').nth(2).unwrap();
    for value in [
        format!("http://{proxy}"),
        format!("{proxy}"),
        format!("http://localhost:{}/", proxy.port()),
        format!("corp%5Cme:p%40ss@{proxy}"),
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            // An empty one is as good as none.
            let more = [(variable, value.as_str()), ("HTTP_PROXY", "")];
            let outcome = through(info, "", &more);
            assert_eq!(
                outcome.kind, None,
                "{variable}={value}: {}",
                outcome.message
            );
            let head = heads.lock().unwrap().pop().expect("went through it");
            assert!(
                head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")),
                "{head}"
            );
            // corp\me:p@ss
            let basic = head.contains("Proxy-Authorization: Basic Y29ycFxtZTpwQHNz\r\n");
            assert_eq!(basic, value.contains('@'), "{head}");
            assert!(!outcome.shown.contains("p@ss"), "{}", outcome.shown);
            assert!(!outcome.log.contains("p@ss"), "{}", outcome.log);
        }
    }
    let port = target.rsplit(':').next().unwrap();
    let direct = [
        target.to_owned(),
        "example.org 127.0.0.1".to_owned(),
        format!("127.0.0.0/8:{port}"),
        "*".to_owned(),
    ];
    for list in direct {
        let more = [
            ("ALL_PROXY", &*format!("{proxy}")),
            ("NO_PROXY", list.as_str()),
        ];
        let outcome = through(info, "", &more);
        assert_eq!(outcome.kind, None, "{list}: {}", outcome.message);
        assert!(heads.lock().unwrap().is_empty(), "{list}");
    }
}

#[test]
fn an_ipv6_proxy_and_an_ipv6_target() {
    if TcpListener::bind("[::1]:0").is_err() {
        return crate::support::report("skipped: there is no IPv6 here");
    }
    let emulator = world();
    let (proxy, heads) = http_proxy("[::1]:0");
    for value in [format!("http://{proxy}"), format!("{proxy}")] {
        let outcome = through(emulator.info(), &value, &[]);
        assert_eq!(outcome.kind, None, "{}", outcome.message);
        assert!(heads.lock().unwrap().pop().is_some());
    }
    let more = [("SVIDEX_TOKEN_ENDPOINT", "https://[::1]:1/token")];
    let outcome = through(emulator.info(), &format!("{proxy}"), &more);
    assert_eq!(outcome.kind.as_deref(), Some("exchange_unavailable"));
    let head = heads.lock().unwrap().pop().unwrap();
    assert!(
        head.starts_with("CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\n"),
        "{head}"
    );
    let more = [more[0], ("NO_PROXY", "[::1]")];
    heads.lock().unwrap().clear();
    through(emulator.info(), &format!("{proxy}"), &more);
    assert!(heads.lock().unwrap().is_empty());
}

#[test]
fn a_proxy_over_https() {
    let emulator = world();
    let info = emulator.info();
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let config = tls_config(&pem, &key.serialize_pem());
    let proxy = listen(move |stream| {
        let mut tls = over_tls(&config, stream);
        let head = read_head(&mut tls);
        let Ok(mut far) = TcpStream::connect(head.split(' ').nth(1).unwrap_or_default()) else {
            return;
        };
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        // By turns is enough: a client speaks first, and in whole flights.
        far.set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        tls.sock
            .set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        let mut piece = [0; 16_384];
        for _ in 0..100 {
            if let Ok(count) = tls.read(&mut piece)
                && far.write_all(&piece[..count]).is_err()
            {
                return;
            }
            match far.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => drop(tls.write_all(&piece[..count]).and_then(|()| tls.flush())),
                Err(_) => {}
            }
        }
    });
    let both = dir.path().join("both.pem");
    let ca = std::fs::read_to_string(&info.ca_file).unwrap();
    std::fs::write(&both, format!("{pem}{ca}")).unwrap();
    let value = format!("https://localhost:{}", proxy.port());
    let slow = ("TEST_CALL_TIMEOUT", "20");
    let outcome = through(
        info,
        &value,
        &[("SSL_CERT_FILE", both.to_str().unwrap()), slow],
    );
    assert_eq!(outcome.kind, None, "{}", outcome.message);
    // Whose certificate it is that is not trusted.
    let outcome = through(info, &value, &[]);
    let words = format!(
        "TLS with the proxy localhost:{} (HTTPS_PROXY)",
        proxy.port()
    );
    assert!(outcome.message.contains(&words), "{}", outcome.message);
}

#[test]
fn a_socks_proxy() {
    let emulator = world();
    let info = emulator.info();
    let with_user = |user: &'static str| {
        listen(move |mut stream| {
            let mut two = [0; 2];
            stream.read_exact(&mut two).unwrap();
            let mut methods = vec![0; usize::from(two[1])];
            stream.read_exact(&mut methods).unwrap();
            if user.is_empty() {
                stream.write_all(&[5, 0]).unwrap();
            } else if methods.contains(&2) {
                stream.write_all(&[5, 2]).unwrap();
                let mut given = vec![0; 3 + user.len() - 1];
                stream.read_exact(&mut given).unwrap();
                let expected: Vec<_> = user.split(':').map(str::as_bytes).collect();
                let name_end = 2 + expected[0].len();
                let is_it =
                    &given[2..name_end] == expected[0] && given[name_end + 1..] == *expected[1];
                stream.write_all(&[1, u8::from(!is_it)]).unwrap();
            } else {
                return stream.write_all(&[5, 255]).unwrap();
            }
            let mut request = [0; 10];
            if stream.read_exact(&mut request).is_err() {
                return;
            }
            assert_eq!(request[..4], [5, 1, 0, 1], "an IPv4 address");
            let port = u16::from_be_bytes([request[8], request[9]]);
            let target = [request[4], request[5], request[6], request[7]];
            match TcpStream::connect(SocketAddr::from((target, port))) {
                Ok(far) => {
                    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
                    splice(stream, far);
                }
                Err(_) => stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap(),
            }
        })
    };
    let open = with_user("");
    let guarded = with_user("me:pass");
    for value in [
        format!("socks5://{open}"),
        format!("socks5h://{open}"),
        format!("socks5h://me:pass@{open}"),
        format!("socks5://me:pass@{guarded}"),
    ] {
        let outcome = through(info, &value, &[]);
        assert_eq!(outcome.kind, None, "{value}: {}", outcome.message);
    }
    let dead = ("SVIDEX_TOKEN_ENDPOINT", "https://127.0.0.1:1/token");
    for (value, more, words) in [
        (
            format!("socks5h://{guarded}"),
            vec![],
            "wants a user and password",
        ),
        (
            format!("socks5://me:word@{guarded}"),
            vec![],
            "does not take the user",
        ),
        (format!("socks5://{open}"), vec![dead], "refused there"),
    ] {
        let outcome = through(info, &value, &more);
        let message = &outcome.message;
        assert!(message.contains(words), "{value}: {message}");
        assert!(message.contains("(HTTPS_PROXY)"), "{value}: {message}");
        assert!(!outcome.shown.contains("me:word"), "{value}: {message}");
    }
}

#[test]
fn what_a_proxy_refuses_is_the_proxy_s() {
    let emulator = world();
    let info = emulator.info();
    let answers: [(&'static str, &[&str]); 9] = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            &["407", "user and password"],
        ),
        (
            "HTTP/1.0 403 Forbidden\r\nContent-Length: 3\r\n\r\nno.",
            &["403", "NO_PROXY"],
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            &["502", "could not reach"],
        ),
        (
            "HTTP/1.1 504 Gateway Timeout\r\n\r\n",
            &["504", "could not reach"],
        ),
        (
            "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
            &["405", "CONNECT"],
        ),
        ("HTTP/1.1 503 Service Unav", &["503"]),
        ("", &["closed the connection"]),
        ("SSH-2.0-OpenSSH\r\n", &["in HTTP"]),
        ("\u{15}\u{3}\u{1}\0\u{2}\u{2}F", &["in HTTP"]),
    ];
    crate::support::in_lanes(2, &answers, |(answer, words)| {
        let answer = *answer;
        let proxy = listen(move |mut stream| {
            read_head(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        for user in ["", "me:hunter2@"] {
            let outcome = through(info, &format!("http://{user}{proxy}"), &[]);
            let message = &outcome.message;
            assert_eq!(
                outcome.kind.as_deref(),
                Some("exchange_unavailable"),
                "{message}"
            );
            let named = format!("the proxy {proxy} (HTTPS_PROXY) ");
            assert!(message.contains(&named), "{answer:?}: {message}");
            for words in *words {
                assert!(message.contains(words), "{words}: {message}");
            }
            assert!(!outcome.shown.contains("hunter2"), "{message}");
        }
    });
    let unknown = through(info, "http://proxy.invalid:3128", &[]);
    let words = "cannot look up the name of the proxy proxy.invalid:3128 (HTTPS_PROXY)";
    let is_slow = "looking up proxy.invalid";
    let message = unknown.message;
    assert!(
        message.contains(words) || message.contains(is_slow) || message.contains("no attempt"),
        "{message}"
    );
}
