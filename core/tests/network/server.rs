//! Token endpoints of our own: what a real one does not do, and certificates
//! that nobody should have.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use svidex::{Error, Provider, TokenKind};
use svidex_emulator::Info;

use crate::support::{config, get_at_last};

pub(crate) const TOKEN: &str = r#"{"access_token":"of-the-server","token_type":"Bearer","expires_in":3600,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;

/// Hands each connection to `serve`, on a thread of its own, for as long as the
/// test program runs.
pub(crate) fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    listen_at("127.0.0.1:0", serve)
}

pub(crate) fn listen_at(
    address: &str,
    serve: impl Fn(TcpStream) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// The head of a message, and nothing that is behind it.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads a whole request.
pub(crate) fn read_request(stream: &mut impl Read) -> String {
    let head = read_head(stream);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return String::new();
    }
    head
}

/// An exchange that succeeds.
pub(crate) fn answer(stream: &mut (impl Read + Write)) {
    if !read_request(stream).is_empty() {
        let length = TOKEN.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{TOKEN}"
        );
        let _ = stream.flush();
    }
}

pub(crate) fn tls_config(chain_pem: &str, key_pem: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}

/// A token endpoint with this certificate.
pub(crate) fn listen_tls(config: Arc<ServerConfig>) -> SocketAddr {
    listen(move |stream| answer(&mut over_tls(&config, stream)))
}

pub(crate) fn over_tls(
    config: &Arc<ServerConfig>,
    stream: TcpStream,
) -> StreamOwned<ServerConnection, TcpStream> {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    StreamOwned::new(connection, stream)
}

/// What a provider gets from this endpoint, which may be down for a while.
pub(crate) fn exchange(info: &Info, endpoint: &str, ca_file: Option<&str>) -> Result<(), Error> {
    let provider = provider(info, endpoint, ca_file);
    get_at_last(&provider, TokenKind::Access)
        .map(|token| assert_eq!(token.expose_secret(), "of-the-server"))
}

pub(crate) fn provider(info: &Info, endpoint: &str, ca_file: Option<&str>) -> Provider {
    let mut config = config(info)
        .token_endpoint(endpoint)
        .request_timeout_seconds(5.0)
        .call_timeout_seconds(0.5);
    config.ca_file = ca_file.map(str::to_owned);
    Provider::new(config).unwrap()
}
