//! Why something failed, as data: an error keeps it from where it arose, so that
//! whoever has more to say of it (the doctor) need not read the message.

use std::io;
use std::path::PathBuf;

use spiffe::transport::GrpcStatusCode;

use crate::stray::Stray;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// What the system said of a file or a socket.
    Io(io::ErrorKind),
    /// A directory on the way may not be entered.
    NoEntry(PathBuf),
    /// What the Workload API answered.
    Grpc(GrpcStatusCode),
    /// What answers where the Workload API should be speaks something else.
    NoGrpc(NoGrpc),
    /// There was no answer before the deadline.
    Deadline,
    /// Something else stands where a token should.
    Stray(Stray),
    /// The token breaks a rule about this part.
    Rule(Part),
    /// The way to an HTTPS endpoint.
    Way(Way),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGrpc {
    /// An HTTP answer with that status, and no gRPC status in it.
    Status(u16),
    /// HTTP of another version, or no HTTP.
    OtherProtocol,
    /// The connection was accepted and closed.
    Closed,
    /// An answer that began, and was not gRPC to its end.
    Torn,
}

/// The part of a token that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `alg` and `typ`.
    Algorithm,
    Kid,
    Iss,
    Sub,
    Aud,
    /// `exp` and `iat`.
    Times,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A setting, the system's limits, or svidex itself.
    Here,
    /// The CA certificates to trust could not be read.
    Trust,
    LookUp(NameFault),
    Connect,
    Proxy(ProxyFault),
    Tls(TlsKind),
    /// The answer to the request.
    Answer,
}

/// Why a name has no address here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// The name servers do not know it, or know no address of it.
    Unknown,
    /// They did not answer, or could not.
    NoAnswer,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyFault {
    /// It is not there.
    Away,
    /// Its name does not resolve.
    Name(NameFault),
    /// It wants to know who asks.
    Credentials,
    /// It does not let this host through.
    Refused,
    /// It could not reach the target.
    Target,
    /// It is no proxy, or of another kind.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsKind {
    UnknownIssuer,
    Expired,
    NotYetValid,
    OtherName,
    /// A key or signature of a kind that is not supported.
    Unsupported,
    /// Another fault of the certificate.
    Certificate,
    /// A client certificate is wanted.
    ClientCertificate,
    /// What answers is no TLS server of today.
    NoTls,
    /// The handshake broke off.
    Broken,
}

impl Way {
    /// What to change, and on which side.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Here => "put right on this host what the message names",
            Self::Trust => {
                "let this process read the CA certificates that it trusts: ca_file, SSL_CERT_FILE, \
                 or the system's store (the package ca-certificates)"
            }
            Self::LookUp(fault) => match fault {
                NameFault::Unknown => {
                    "correct the name, or let the name resolve here (the name servers of this host \
                     or pod do not know it), or set HTTPS_PROXY if the way out is a proxy"
                }
                NameFault::NoAnswer => {
                    "let the name resolve here: its name servers do not answer (/etc/resolv.conf, \
                     a firewall or network policy before port 53, the cluster's DNS), or set \
                     HTTPS_PROXY if the way out is a proxy"
                }
                NameFault::Other => {
                    "let the name resolve here (the name servers of this host or pod), or set \
                     HTTPS_PROXY if the way out is a proxy"
                }
            },
            Self::Connect => {
                "let this process connect there (firewall, network policy, security group), or set \
                 HTTPS_PROXY if the way out is a proxy; see that the address is right"
            }
            Self::Proxy(fault) => match fault {
                ProxyFault::Away => {
                    "correct HTTPS_PROXY, or start the proxy; if none is needed, unset it or name \
                     the host in NO_PROXY"
                }
                ProxyFault::Name(NameFault::NoAnswer) => {
                    "let the proxy's name resolve here: its name servers do not answer \
                     (/etc/resolv.conf, a firewall or network policy before port 53, the cluster's \
                     DNS)"
                }
                ProxyFault::Name(NameFault::Unknown | NameFault::Other) => {
                    "correct HTTPS_PROXY: nobody here knows the proxy's name; if none is needed, \
                     unset it or name the host in NO_PROXY"
                }
                ProxyFault::Credentials => {
                    "give HTTPS_PROXY the user and password that the proxy wants \
                     (http://user:password@host:port)"
                }
                ProxyFault::Refused => "have the proxy allow this host to reach that one",
                ProxyFault::Target => {
                    "see at the proxy why it does not reach the host; if none is needed, name the \
                     host in NO_PROXY"
                }
                ProxyFault::Other => {
                    "correct HTTPS_PROXY: its scheme (http://, https://, socks5://), host and port"
                }
            },
            Self::Tls(kind) => match kind {
                TlsKind::UnknownIssuer => {
                    "trust the CA that issued its certificate: set ca_file or SSL_CERT_FILE to a \
                     PEM file with it (behind a proxy that re-signs, that proxy's CA)"
                }
                TlsKind::Expired => "have its certificate renewed, or set this host's clock",
                TlsKind::NotYetValid => {
                    "set this host's clock, or have the certificate issued anew"
                }
                TlsKind::OtherName => {
                    "correct the host in the URL, or have a certificate issued for that name"
                }
                TlsKind::Unsupported => {
                    "let it speak TLS 1.2 or 1.3 with a certificate of RSA (2048 bits or more), \
                     P-256, P-384 or Ed25519"
                }
                TlsKind::Certificate => "have a certificate issued that keeps to RFC 5280",
                TlsKind::ClientCertificate => {
                    "let it ask for no client certificate here, or name another address in \
                     token_endpoint"
                }
                TlsKind::NoTls => {
                    "correct host and port: what answers there is no TLS server of today"
                }
                TlsKind::Broken => {
                    "see whether a firewall or proxy cuts TLS off here (HTTPS_PROXY), and whether \
                     the port is the one for https"
                }
            },
            Self::Answer => {
                "see whether a proxy, gateway or firewall in between answers for it or holds it \
                 up, and try again"
            }
        }
    }
}
