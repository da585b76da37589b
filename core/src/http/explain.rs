//! The words for a request that got no answer, which say what side has to change what.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::fault::{AnswerFault, Fault, Peer, Phase, TlsFault};
use super::roots::{Problem, Store};
use super::tls;
use super::tunnel::Refusal;
use crate::clock::rfc3339;
use crate::config::Proxy;
use crate::secret::one_line;

/// What the system says, without its number.
fn said(error: &io::Error) -> String {
    let words = error.to_string();
    let words = words
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&words);
    let end = words.find(" (os error").unwrap_or(words.len());
    one_line(&words[..end])
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(error) => write!(f, "{error}"),
            Self::NoThread(error) => write!(f, "cannot start a thread ({})", said(error)),
            Self::Panicked => f.write_str("a look-up panicked, which is a defect in svidex"),
            Self::Trust { store, problem } => trust(f, store, problem),
            Self::LookUp { name, peer, error } => {
                look_up(f, name, peer, error.as_ref(), self.exhausted().is_some())
            }
            Self::Connect { peer, failed } => connect(f, peer, failed, self.exhausted().is_some()),
            Self::Tunnel {
                proxy,
                target,
                refusal,
            } => tunnel(f, proxy, target, refusal),
            Self::Tls {
                peer,
                name,
                store,
                fault,
            } => {
                match peer {
                    Peer::Endpoint => f.write_str("TLS: ")?,
                    Peer::Proxy(proxy) => write!(f, "TLS with {proxy}: ")?,
                }
                tls(f, name, store, fault)
            }
            Self::Answer(fault) => answer(f, fault),
            Self::TooSlow(phase) => {
                f.write_str("no whole answer before the deadline (request_timeout_seconds)")?;
                phase.as_ref().map_or(Ok(()), |phase| waited(f, phase))
            }
        }?;
        match self.exhausted() {
            Some(limit) => write!(f, ": {limit}"),
            None => Ok(()),
        }
    }
}

fn trust(f: &mut fmt::Formatter<'_>, store: &Store, problem: &Problem) -> fmt::Result {
    let of = |path: &Path| match store {
        Store::System => format!("the system's CA store {}", path.display()),
        store => store.to_string(),
    };
    match problem {
        Problem::Unreadable(path, error) => {
            let place = of(path);
            write!(f, "cannot read {place}")?;
            let shown = path.display().to_string();
            if !place.contains(&shown) {
                write!(f, ": {shown}")?;
            }
            write!(f, " ({})", said(error))?;
            match error.kind() {
                io::ErrorKind::NotFound => f.write_str(
                    "; put a PEM file with the CA certificates to trust there: it is looked for \
                     again before each attempt",
                ),
                io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(libc::EACCES) => {
                    f.write_str("; let this process read it")
                }
                _ => Ok(()),
            }
        }
        Problem::NotAFile(path) => write!(
            f,
            "{} holds no usable CA certificate: it is not a regular file; name a PEM file with \
             the CA certificates to trust",
            of(path)
        ),
        Problem::Empty(path) => write!(
            f,
            "{} holds no usable CA certificate: it is empty, or being written just now; put PEM \
             with at least one certificate there",
            of(path)
        ),
        Problem::Changing => write!(f, "{store} is being written just now"),
        Problem::NoCertificate => write!(
            f,
            "{store} holds no usable CA certificate; it must be PEM with at least one certificate"
        ),
    }
}

fn look_up(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    peer: &Peer,
    error: Option<&io::Error>,
    is_scarcity: bool,
) -> fmt::Result {
    let why = error.map_or("it has no address".to_owned(), said);
    match peer {
        Peer::Endpoint => write!(f, "cannot look up {} ({why})", one_line(name))?,
        Peer::Proxy(proxy) => write!(f, "cannot look up the name of {proxy} ({why})")?,
    }
    match peer {
        _ if is_scarcity => Ok(()),
        Peer::Endpoint => f.write_str(
            ": is the name right, do the name servers of this host answer, and is HTTPS_PROXY \
             needed?",
        ),
        Peer::Proxy(_) => {
            f.write_str(": is it right, and do the name servers of this host answer?")
        }
    }
}

/// As many as fit on a line.
fn list(f: &mut fmt::Formatter<'_>, items: &[String]) -> fmt::Result {
    const SHOWN: usize = 4;
    f.write_str(&items[..items.len().min(SHOWN)].join(", "))?;
    match items.len().checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

fn connect(
    f: &mut fmt::Formatter<'_>,
    peer: &Peer,
    failed: &[(SocketAddr, io::Error)],
    is_scarcity: bool,
) -> fmt::Result {
    f.write_str("cannot connect to ")?;
    if let Peer::Proxy(proxy) = peer {
        write!(f, "{proxy} at ")?;
    }
    let failed: Vec<_> = failed
        .iter()
        .map(|(address, error)| format!("{address} ({})", said(error)))
        .collect();
    list(f, &failed)?;
    match peer {
        _ if is_scarcity => Ok(()),
        Peer::Endpoint => f.write_str(
            ": is the address right, does a firewall keep this process in, and is HTTPS_PROXY \
             needed?",
        ),
        Peer::Proxy(_) => f.write_str(": does it run, and is its address right?"),
    }
}

fn tunnel(
    f: &mut fmt::Formatter<'_>,
    proxy: &Proxy,
    target: &str,
    refusal: &Refusal,
) -> fmt::Result {
    write!(f, "{proxy} ")?;
    let has_user = proxy.credentials.is_some();
    match refusal {
        Refusal::Status(407) | Refusal::SocksUser => {
            match refusal {
                Refusal::Status(status) => write!(f, "answered {status}: ")?,
                _ => f.write_str("refused: ")?,
            }
            f.write_str(match has_user {
                true => "it does not take the user and password that its URL has",
                false => {
                    "it wants a user and password: write http://user:password@host:port, or \
                     let it pass this host without"
                }
            })
        }
        Refusal::Status(403) => write!(
            f,
            "answered 403: it does not let this host reach {target}; have that allowed, or name \
             it in NO_PROXY if it can be reached directly"
        ),
        Refusal::Status(status @ (502..=504)) => write!(
            f,
            "answered {status}: it could not reach {target}; see there why"
        ),
        Refusal::Status(status) => write!(
            f,
            "answered {status} to CONNECT {target}: is it a proxy for https?"
        ),
        Refusal::Socks(code) => {
            let why = match code {
                2 => "its rules do not allow it",
                3 => "the network is unreachable from there",
                4 => "the host is unreachable from there, or its name unknown",
                5 => "the connection was refused there",
                6 => "the way from there is too long",
                7 => "it knows no CONNECT",
                8 => "it knows no such address",
                _ => "a general failure",
            };
            write!(
                f,
                "did not connect to {target} ({why}); have that put right there, or name it in \
                 NO_PROXY if it can be reached directly"
            )
        }
        Refusal::NoHttp => f.write_str(
            "did not answer CONNECT in HTTP: is it a proxy, and is the scheme of its URL right \
             (http://, https://, socks5://)?",
        ),
        Refusal::NoSocks => {
            f.write_str("speaks no SOCKS 5: is it a proxy, and is the scheme of its URL right?")
        }
        Refusal::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => write!(
            f,
            "closed the connection instead of leading to {target}: is it a proxy, and is the \
             scheme of its URL right (http://, https://, socks5://)?"
        ),
        Refusal::Broken(error) => write!(
            f,
            "broke the connection off instead of leading to {target} ({})",
            said(error)
        ),
    }
}

fn tls(f: &mut fmt::Formatter<'_>, name: &str, store: &Store, fault: &TlsFault) -> fmt::Result {
    match fault {
        TlsFault::Certificate(error) => certificate(f, name, store, error),
        TlsFault::ClientCertificate => client_certificate(f),
        TlsFault::Alert(AlertDescription::UnrecognisedName) => write!(
            f,
            "the server does not know the name {name} (alert unrecognized_name): is the URL right?"
        ),
        TlsFault::Alert(alert) => write!(
            f,
            "the server ended the handshake with the alert {}: its log says why",
            alert_name(*alert)
        ),
        TlsFault::NoTls => f.write_str(
            "what answers there speaks no TLS: is it the port for https, or plain HTTP?",
        ),
        TlsFault::OldTls => f.write_str(
            "the server speaks no TLS 1.2 and no TLS 1.3: let it speak one of them, older ones \
             are not safe",
        ),
        TlsFault::NothingInCommon => f.write_str(
            "no common ground with the server (alert handshake_failure): it needs TLS 1.2 or 1.3, \
             a cipher suite of AES-GCM or ChaCha20 with ECDHE, and a certificate with an RSA, \
             P-256, P-384 or Ed25519 key (not P-521)",
        ),
        TlsFault::Misbehaved => f.write_str(
            "the server does not keep to the rules of TLS: is something in between that rewrites \
             the connection?",
        ),
        TlsFault::Closed => f.write_str(
            "the server closed the connection in the middle of the handshake: is it the port for \
             https, and does a firewall let it pass?",
        ),
        TlsFault::Broken(error) => write!(
            f,
            "the connection broke off in the middle of the handshake ({})",
            said(error)
        ),
    }
}

fn client_certificate(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(
        "the server wants a client certificate (mutual TLS), and none is sent, since the SVID is \
         what proves who this is: let it ask for none here, or set token_endpoint to an address \
         that does not",
    )
}

fn certificate(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    store: &Store,
    error: &CertificateError,
) -> fmt::Result {
    match error {
        CertificateError::UnknownIssuer => {
            f.write_str("the server's certificate comes from a CA that is not trusted here: ")?;
            match store {
                Store::Given => write!(
                    f,
                    "it is not among {store}, which alone count; add the CA that issued it"
                ),
                Store::CaFile(_) => write!(
                    f,
                    "it is not in {store}, which alone counts while it is set (not SSL_CERT_FILE, \
                     not the system's store); put the CA that issued it into that file"
                ),
                Store::Variables(..) => write!(
                    f,
                    "it is not in {store}, which counts instead of the system's store; put the CA \
                     that issued it there, or set ca_file to it"
                ),
                Store::System | Store::Mozilla => write!(
                    f,
                    "it is not in {store}; behind a proxy that re-signs, or with a CA of your \
                     own, set ca_file or SSL_CERT_FILE to its certificate"
                ),
            }?;
            f.write_str("; or the server leaves out its intermediate certificates")
        }
        CertificateError::ExpiredContext { time, not_after } => write!(
            f,
            "the server's certificate, or that of its CA, ended at {}, and it is {} here: have it \
             renewed, or set this host's clock",
            when(*not_after),
            when(*time)
        ),
        CertificateError::Expired => {
            f.write_str("the server's certificate has ended: have it renewed")
        }
        CertificateError::NotValidYetContext { time, not_before } => write!(
            f,
            "the server's certificate, or that of its CA, is good from {} on, and it is {} here: \
             set this host's clock, or have it issued anew",
            when(*not_before),
            when(*time)
        ),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            write!(
                f,
                "the server's certificate names no host (it has no subjectAltName, and a common \
                 name alone does not count): have it issued for {name}"
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            write!(f, "the server's certificate is for ")?;
            let names: Vec<_> = presented.iter().map(|name| bare_name(name)).collect();
            list(f, &names)?;
            write!(
                f,
                ", not for {name}: correct the host in the URL, or have it issued for that name"
            )
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => f.write_str(
            "the server's certificate, or that of its CA, has a key or a signature of a kind that \
             is not supported (such as P-521, ECDSA with SHA-512, SHA-1): have it issued with \
             RSA of 2048 bits or more, P-256, P-384 or Ed25519, and SHA-256 or SHA-384",
        ),
        CertificateError::BadSignature => f.write_str(
            "the signature on the server's certificate, or in the handshake, is wrong: it was \
             changed, its CA has another key than the one of that name that is trusted, or an RSA \
             key has fewer than 2048 bits",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => f
            .write_str(
                "the server's certificate is not meant for servers (extendedKeyUsage without \
                 serverAuth): have it issued with that",
            ),
        CertificateError::Revoked => f.write_str("the server's certificate was revoked"),
        error if tls::is_of_ca(error) => f.write_str(
            "the server shows the certificate of a CA (basicConstraints CA:TRUE) that is not \
             trusted here: have one issued for the server, or put exactly this one into ca_file",
        ),
        error => match tls::rule_broken(error) {
            Some(webpki::Error::UnsupportedCertVersion) => f.write_str(
                "the server's certificate is of X.509 version 1, which cannot name a host: have \
                 one of version 3 issued, with a subjectAltName",
            ),
            Some(webpki::Error::NameConstraintViolation) => f.write_str(
                "the server's CA may not issue certificates for that name (nameConstraints)",
            ),
            Some(webpki::Error::PathLenConstraintViolated | webpki::Error::EndEntityUsedAsCa) => f
                .write_str(
                    "the server's certificate was issued by one that may issue none (basicConstraints): \
                     have it issued by a CA",
                ),
            _ => f.write_str(
                "the server's certificate does not keep to RFC 5280 (openssl x509 -text shows what \
                 is in it): have one issued that does",
            ),
        },
    }
}

fn answer(f: &mut fmt::Formatter<'_>, fault: &AnswerFault) -> fmt::Result {
    match fault {
        AnswerFault::Closed => f.write_str(
            "the connection ended before the answer was whole: is something in between that cuts \
             it off, or did the server restart?",
        ),
        AnswerFault::NoHttp => f.write_str(
            "what answers there speaks no HTTP/1.1: are host and port right, and is a proxy in \
             between?",
        ),
        AnswerFault::TooLarge => f.write_str("its answer is larger than 64 KiB"),
        AnswerFault::Encoded(coding) => write!(
            f,
            "its answer is compressed (Content-Encoding: {}), which nothing had asked for: let \
             the server, or the gateway before it, send it as it is",
            one_line(coding)
        ),
        AnswerFault::ClientCertificate => client_certificate(f),
        AnswerFault::Broken(error) => write!(
            f,
            "the connection broke off before the answer was whole ({})",
            said(error)
        ),
    }
}

fn waited(f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    let of = |peer: &Peer| match peer {
        Peer::Endpoint => String::new(),
        Peer::Proxy(proxy) => format!(", {proxy}"),
    };
    f.write_str(": still ")?;
    match phase {
        Phase::Trust(store) => write!(f, "waiting for the file system, for {store}"),
        Phase::LookUp(name, peer) => write!(
            f,
            "looking up {}{} (do the name servers of this host answer?)",
            one_line(name),
            of(peer)
        ),
        Phase::Connecting(addresses, peer) => {
            f.write_str("connecting to ")?;
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            list(f, &addresses)?;
            write!(
                f,
                "{} (does a firewall drop what is sent there{}?)",
                of(peer),
                match peer {
                    Peer::Endpoint => ", and is HTTPS_PROXY needed",
                    Peer::Proxy(_) => "",
                }
            )
        }
        Phase::Tunnel(peer) => write!(f, "waiting for the answer to CONNECT{}", of(peer)),
        Phase::Tls(address, peer) => {
            write!(f, "in the TLS handshake with {address}{}", of(peer))
        }
        Phase::Answer => f.write_str("waiting for the answer to the request"),
    }
}

fn when(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 1_000);
    rfc3339(seconds.saturating_mul(1_000))
}

/// `DnsName("a.example")`, `IpAddress(…)`: what is within.
fn bare_name(name: &str) -> String {
    let within = name
        .split_once('(')
        .and_then(|(_, it)| it.strip_suffix(')'));
    one_line(within.unwrap_or(name).trim_matches('"'))
}

/// As RFC 8446 §6 has it.
fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for c in alert.as_str().unwrap_or("of an unknown kind").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests;
