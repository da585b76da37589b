//! Through a proxy: `CONNECT` (RFC 9110 §9.3.6) or SOCKS 5 (RFC 1928, RFC 1929).

use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Connection;
use crate::config::{Proxy, Scheme};

/// More than any proxy says before the tunnel.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why there is no tunnel.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The answer to `CONNECT`.
    Status(u16),
    /// RFC 1928 §6.
    Socks(u8),
    /// It wants another user, or a way of saying who one is that is not spoken here.
    SocksUser,
    NoHttp,
    NoSocks,
    Broken(io::Error),
}

/// `host` as a URL has it.
pub(super) async fn through(
    proxy: &Proxy,
    connection: &mut Connection,
    host: &str,
    port: u16,
) -> Result<(), Refusal> {
    match proxy.scheme {
        Scheme::Http | Scheme::Https => connect(proxy, connection, host, port).await,
        Scheme::Socks5 => socks(proxy, connection, host, port).await,
    }
}

async fn connect(
    proxy: &Proxy,
    connection: &mut Connection,
    host: &str,
    port: u16,
) -> Result<(), Refusal> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((user, password)) = &proxy.credentials {
        let basic = STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
    }
    request.push_str("\r\n");
    write(connection, request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = connection.read(&mut piece).await.map_err(Refusal::Broken)?;
        head.extend_from_slice(&piece[..read]);
        // What is no answer by its first bytes will not become one.
        let begins_well = head.iter().zip(b"HTTP/1.").all(|(got, want)| got == want);
        if !begins_well || head.len() > MAX_HEAD_BYTES {
            return Err(Refusal::NoHttp);
        }
        if read == 0 {
            return Err(match head.is_empty() {
                true => Refusal::Broken(io::ErrorKind::UnexpectedEof.into()),
                false => break_off(&head),
            });
        }
    }
    match status(&head) {
        // In TLS the client speaks first: nothing can have come behind it.
        Some(200..=299) => Ok(()),
        Some(status) => Err(Refusal::Status(status)),
        None => Err(Refusal::NoHttp),
    }
}

/// A head that breaks off may still say what is the matter.
fn break_off(head: &[u8]) -> Refusal {
    match status(head) {
        Some(status) if status >= 300 => Refusal::Status(status),
        _ => Refusal::Broken(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?.get(1..)?;
    let digits = rest.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

async fn socks(
    proxy: &Proxy,
    connection: &mut Connection,
    host: &str,
    port: u16,
) -> Result<(), Refusal> {
    const VERSION: u8 = 5;
    const NO_USER: u8 = 0;
    const USER: u8 = 2;
    let methods: &[u8] = match &proxy.credentials {
        None => &[VERSION, 1, NO_USER],
        Some(_) => &[VERSION, 2, NO_USER, USER],
    };
    write(connection, methods).await?;
    match (read(connection).await?, &proxy.credentials) {
        ([VERSION, NO_USER], _) => {}
        ([VERSION, USER], Some((user, password))) => {
            let mut request = vec![1];
            for text in [user, password] {
                request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                request.extend_from_slice(text.as_bytes());
            }
            write(connection, &request).await?;
            let [_, granted] = read(connection).await?;
            if granted != 0 {
                return Err(Refusal::SocksUser);
            }
        }
        ([VERSION, _], _) => return Err(Refusal::SocksUser),
        _ => return Err(Refusal::NoSocks),
    }
    let mut request = vec![VERSION, 1, 0];
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            // A DNS name has at most 253 bytes.
            request.extend([3, u8::try_from(host.len()).unwrap_or(u8::MAX)]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    write(connection, &request).await?;
    let [version, reply, _, kind] = read(connection).await?;
    match (version, reply) {
        (VERSION, 0) => {}
        (VERSION, reply) => return Err(Refusal::Socks(reply)),
        _ => return Err(Refusal::NoSocks),
    }
    let bound = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(read::<1>(connection).await?[0]),
        _ => return Err(Refusal::NoSocks),
    };
    let mut rest = vec![0; bound + 2];
    let read = connection.read_exact(&mut rest).await;
    read.map(drop).map_err(Refusal::Broken)
}

async fn write(connection: &mut Connection, bytes: &[u8]) -> Result<(), Refusal> {
    let written = connection.write_all(bytes).await;
    written.map_err(Refusal::Broken)?;
    connection.flush().await.map_err(Refusal::Broken)
}

async fn read<const N: usize>(connection: &mut Connection) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    let read = connection.read_exact(&mut bytes).await;
    read.map_err(Refusal::Broken)?;
    Ok(bytes)
}
