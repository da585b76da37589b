//! Why a request got no answer, as data: what a client saw, how far it had got, and
//! what that means for an attempt. Its words are in [`super::explain`].

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::roots::{Problem, Store};
use super::tunnel::Refusal;
use crate::cause::{Cause, NameFault, ProxyFault, TlsKind, Way};
use crate::config::Proxy;
use crate::error::{Error, ErrorKind, FailureClass};
use crate::limits::{Wanted, exhausted};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) enum Peer {
    Endpoint,
    Proxy(Arc<Proxy>),
}

/// What an attempt is busy with.
#[derive(Clone)]
pub(crate) enum Phase {
    Trust(Store),
    LookUp(String, Peer),
    Connecting(Vec<SocketAddr>, Peer),
    Tunnel(Peer),
    Tls(SocketAddr, Peer),
    Answer,
}

/// Where an attempt has got to, for whoever ends it.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Option<Phase>>);

impl Progress {
    pub(crate) fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(phase);
    }

    /// The deadline has struck.
    pub(crate) fn too_slow(&self) -> Fault {
        let phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Fault::TooSlow(phase.clone())
    }
}

pub(crate) enum Fault {
    /// There is a setting in the way.
    Setting(Error),
    NoThread(io::Error),
    Panicked,
    /// Its name leads inside, and why that is inside.
    Inside(&'static str),
    Trust {
        store: Store,
        problem: Problem,
    },
    LookUp {
        name: String,
        peer: Peer,
        error: Option<io::Error>,
    },
    Connect {
        peer: Peer,
        failed: Vec<(SocketAddr, io::Error)>,
    },
    Tunnel {
        proxy: Arc<Proxy>,
        /// Host and port that it was to lead to.
        target: String,
        refusal: Refusal,
    },
    Tls {
        peer: Peer,
        /// The name that the certificate must have.
        name: String,
        store: Store,
        fault: Box<TlsFault>,
    },
    /// Of an answer that was to come, or had begun.
    Answer(AnswerFault),
    TooSlow(Option<Phase>),
}

#[derive(Debug)]
pub(crate) enum TlsFault {
    Certificate(CertificateError),
    /// The server asked for a client certificate and went no further without.
    ClientCertificate,
    Alert(AlertDescription),
    /// What answers speaks something else.
    NoTls,
    OldTls,
    NothingInCommon,
    Misbehaved,
    Closed,
    Broken(io::Error),
}

#[derive(Debug)]
pub(crate) enum AnswerFault {
    Closed,
    NoHttp,
    TooLarge,
    /// The `Content-Encoding` that nobody had asked for.
    Encoded(String),
    ClientCertificate,
    Broken(io::Error),
}

/// The standard library keeps of `getaddrinfo`'s code only what the C library calls it:
/// glibc, musl, and Apple's.
fn name_fault(error: Option<&io::Error>) -> NameFault {
    const UNKNOWN: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
    ];
    const NO_ANSWER: [&str; 5] = [
        "Temporary failure in name resolution",
        "Non-recoverable failure in name resolution",
        "Try again",
        "Unrecoverable error",
        "Non-recoverable",
    ];
    let Some(error) = error else {
        return NameFault::Unknown;
    };
    let words = error.to_string();
    let has = |known: &[&str]| known.iter().any(|it| words.contains(it));
    match () {
        () if has(&UNKNOWN) => NameFault::Unknown,
        () if has(&NO_ANSWER) => NameFault::NoAnswer,
        () => NameFault::Other,
    }
}

impl Fault {
    pub(super) fn lookup(name: &str, peer: &Peer, error: Option<io::Error>) -> Self {
        // The C library does not say that it had no descriptor for its socket.
        let error = match std::fs::File::open("/dev/null") {
            Err(scarce) if exhausted(Wanted::Descriptor, &scarce).is_some() => Some(scarce),
            _ => error,
        };
        Self::LookUp {
            name: name.to_owned(),
            peer: peer.clone(),
            error,
        }
    }

    /// Whether another address of the same name may do better.
    pub(super) fn is_of_one_address(&self) -> bool {
        match self {
            Self::Tls { fault, .. } => matches!(**fault, TlsFault::Closed | TlsFault::Broken(_)),
            Self::Tunnel { refusal, .. } => matches!(refusal, Refusal::Broken(_)),
            Self::TooSlow(_) => true,
            _ => false,
        }
    }

    /// Whether an answer came, and is none that can be read.
    pub(crate) fn is_of_content(&self) -> bool {
        let Self::Answer(fault) = self else {
            return false;
        };
        matches!(fault, AnswerFault::TooLarge | AnswerFault::Encoded(_))
    }

    /// Whether the roots may have been replaced meanwhile.
    pub(super) fn is_distrust(&self) -> bool {
        let Self::Tls { fault, .. } = self else {
            return false;
        };
        matches!(**fault, TlsFault::Certificate(_))
    }

    /// The limit of the system's that is behind it.
    pub(super) fn exhausted(&self) -> Option<&'static str> {
        match self {
            Self::NoThread(error) => exhausted(Wanted::Thread, error),
            Self::Trust {
                problem: Problem::Unreadable(_, error),
                ..
            }
            | Self::LookUp {
                error: Some(error), ..
            }
            | Self::Answer(AnswerFault::Broken(error)) => exhausted(Wanted::Descriptor, error),
            Self::Connect { failed, .. } => failed
                .iter()
                .find_map(|(_, error)| exhausted(Wanted::Descriptor, error)),
            _ => None,
        }
    }

    /// As the error of an exchange at `place`, the endpoint's URL.
    pub(crate) fn into_error(self, place: &str) -> Error {
        let (kind, class) = match &self {
            Self::Setting(error) => return error.clone(),
            Self::Panicked => (ErrorKind::Internal, FailureClass::Permanent),
            Self::Trust { problem, .. } => match problem {
                Problem::NotAFile(_) => (ErrorKind::InvalidConfig, FailureClass::Permanent),
                Problem::NoCertificate => (ErrorKind::ExchangeUnavailable, FailureClass::Transient),
                _ => (ErrorKind::ExchangeUnavailable, FailureClass::Local),
            },
            Self::NoThread(_) => (ErrorKind::ExchangeUnavailable, FailureClass::Local),
            _ if self.exhausted().is_some() => {
                (ErrorKind::ExchangeUnavailable, FailureClass::Local)
            }
            _ => (ErrorKind::ExchangeUnavailable, FailureClass::Transient),
        };
        let way = self.way();
        Error::new(kind, class, format!("{place}: {self}")).because(Cause::Way(way))
    }

    /// How far the request got, and what stopped it there.
    pub(crate) fn way(&self) -> Way {
        let before = |peer: &Peer, way: Way| match peer {
            Peer::Endpoint => way,
            Peer::Proxy(_) => Way::Proxy(ProxyFault::Away),
        };
        let name = |peer: &Peer, fault: NameFault| match peer {
            Peer::Endpoint => Way::LookUp(fault),
            Peer::Proxy(_) => Way::Proxy(ProxyFault::Name(fault)),
        };
        match self {
            _ if self.exhausted().is_some() => Way::Here,
            Self::Setting(_) | Self::NoThread(_) | Self::Panicked => Way::Here,
            Self::Trust { .. } => Way::Trust,
            Self::Inside(_) => Way::LookUp(NameFault::Other),
            Self::LookUp { peer, error, .. } => name(peer, name_fault(error.as_ref())),
            Self::Connect { peer, .. } => before(peer, Way::Connect),
            Self::Tunnel { refusal, .. } => Way::Proxy(match refusal {
                Refusal::Status(407) | Refusal::SocksUser => ProxyFault::Credentials,
                Refusal::Status(403) | Refusal::Socks(2) => ProxyFault::Refused,
                Refusal::Status(502..=504) | Refusal::Socks(1 | 3..=6) => ProxyFault::Target,
                _ => ProxyFault::Other,
            }),
            Self::Tls {
                peer: Peer::Endpoint,
                fault,
                ..
            } => Way::Tls(fault.kind()),
            Self::Tls { .. } => Way::Proxy(ProxyFault::Other),
            Self::Answer(_) => Way::Answer,
            Self::TooSlow(phase) => match phase {
                None | Some(Phase::Answer) => Way::Answer,
                Some(Phase::Trust(_)) => Way::Trust,
                Some(Phase::LookUp(_, peer)) => name(peer, NameFault::NoAnswer),
                Some(Phase::Connecting(_, peer)) => before(peer, Way::Connect),
                Some(Phase::Tunnel(_)) => Way::Proxy(ProxyFault::Target),
                Some(Phase::Tls(_, peer)) => before(peer, Way::Tls(TlsKind::Broken)),
            },
        }
    }
}

impl TlsFault {
    /// `asked`: for a client certificate.
    pub(super) fn of(error: io::Error, asked: bool) -> Self {
        use rustls::Error as Tls;
        let Some(tls) = tls_error(&error) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof if asked => Self::ClientCertificate,
                io::ErrorKind::UnexpectedEof => Self::Closed,
                _ => Self::Broken(error),
            };
        };
        match tls {
            Tls::InvalidCertificate(error) => Self::Certificate(error.clone()),
            Tls::NoCertificatesPresented => Self::Misbehaved,
            Tls::AlertReceived(alert) if *alert == AlertDescription::ProtocolVersion => {
                Self::OldTls
            }
            Tls::AlertReceived(alert) if asked && is_refusal(*alert) => Self::ClientCertificate,
            Tls::AlertReceived(AlertDescription::HandshakeFailure)
            | Tls::AlertReceived(AlertDescription::InsufficientSecurity) => Self::NothingInCommon,
            Tls::AlertReceived(alert) => Self::Alert(*alert),
            Tls::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::OldTls,
            Tls::PeerIncompatible(_) => Self::NothingInCommon,
            Tls::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload
                | InvalidMessage::MessageTooShort,
            ) => Self::NoTls,
            _ => Self::Misbehaved,
        }
    }
}

impl TlsFault {
    fn kind(&self) -> TlsKind {
        match self {
            Self::Certificate(error) => match error {
                CertificateError::UnknownIssuer => TlsKind::UnknownIssuer,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    TlsKind::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    TlsKind::NotYetValid
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => TlsKind::OtherName,
                CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                    TlsKind::Unsupported
                }
                _ => TlsKind::Certificate,
            },
            Self::ClientCertificate => TlsKind::ClientCertificate,
            Self::NoTls | Self::OldTls => TlsKind::NoTls,
            Self::NothingInCommon => TlsKind::Unsupported,
            Self::Alert(_) | Self::Misbehaved | Self::Closed | Self::Broken(_) => TlsKind::Broken,
        }
    }
}

impl AnswerFault {
    /// `asked`: for a client certificate; with TLS 1.3 a server says only now
    /// that it does not go on without.
    pub(super) fn of(error: &hyper::Error, asked: bool) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return match tls_error(error) {
                    Some(rustls::Error::AlertReceived(alert)) if asked && is_refusal(*alert) => {
                        Self::ClientCertificate
                    }
                    Some(_) => Self::Closed,
                    None => match error.raw_os_error() {
                        Some(code) => Self::Broken(io::Error::from_raw_os_error(code)),
                        None => Self::Closed,
                    },
                };
            }
            cause = error.source();
        }
        match error.is_parse() {
            true => Self::NoHttp,
            false => Self::Closed,
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Alerts by which a server refuses a client that shows no certificate.
fn is_refusal(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::NoCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateUnknown
    )
}
