//! The only builder of HTTP requests and the only reader of their answers: TLS,
//! proxies, deadlines, one connection for each request (they are minutes apart: a
//! kept one saves nothing then, and a stale one costs a failure). No redirect is
//! followed, since a 307 would carry the subject token to another origin.

mod dial;
mod explain;
mod fault;
mod job;
mod resolve;
mod roots;
mod tls;
mod tunnel;
#[cfg(all(test, not(feature = "shuttle")))]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::{Position, Url};
use zeroize::Zeroizing;

use self::dial::Race;
use self::fault::{AnswerFault, Peer, Phase, TlsFault};
pub(crate) use self::fault::{Fault, Progress};
use self::resolve::Resolver;
use self::roots::{Roots, Trust};
use self::tls::NoCertificate;
use crate::config::{HttpSettings, Proxy, Scheme};
use crate::error::Error;
use crate::reach::Scope;
use crate::secret::Secret;

/// Answers of a token endpoint are a few KiB; what is larger is something else.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Trusts and connects as the settings say.
pub(crate) struct Client {
    settings: HttpSettings,
    roots: Roots,
    resolver: Resolver,
    timeout: Duration,
}

pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    /// JSON.
    pub(crate) body: Vec<u8>,
    /// For the URL's own host alone: no redirect is followed.
    pub(crate) bearer: Option<&'a Secret>,
    /// Whoever named the URL stands outside, and must lead nobody inside.
    pub(crate) only_internet: bool,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// How long the body was behind the head.
    pub(crate) body_took: Duration,
    pub(crate) body: Result<Zeroizing<Vec<u8>>, Fault>,
}

/// A way to speak to somebody, whatever it is made of.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Connection = Box<dyn Stream>;

/// A connection that a request can be sent on.
struct Opened {
    connection: Connection,
    /// Of the endpoint's TLS.
    certificate: Option<Arc<NoCertificate>>,
}

impl Client {
    /// `timeout` bounds each request as a whole, its answer's body included.
    pub(crate) fn new(settings: &HttpSettings, timeout: Duration) -> Self {
        Self {
            settings: settings.clone(),
            roots: Roots::new(settings),
            resolver: Resolver::default(),
            timeout,
        }
    }

    /// What the URL answers.
    pub(crate) async fn send(
        &self,
        request: Request<'_>,
        progress: &Progress,
    ) -> Result<Answer, Fault> {
        let deadline = Instant::now() + self.timeout;
        let attempt = self.attempt(request, deadline, progress);
        match tokio::time::timeout_at(deadline, attempt).await {
            Ok(result) => result,
            Err(_) => Err(progress.too_slow()),
        }
    }

    async fn attempt(
        &self,
        request: Request<'_>,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Answer, Fault> {
        let opened = self
            .open(request.url, request.only_internet, deadline, progress)
            .await;
        if opened.as_ref().is_err_and(Fault::is_distrust) {
            self.roots.doubt();
        }
        progress.set(Phase::Answer);
        exchange(opened?, request).await
    }

    /// Why the URL's host is none of the internet, by its addresses; nothing where that
    /// is not known here.
    pub(crate) async fn why_inside(&self, url: &Url) -> Option<&'static str> {
        let Ok(None) = self.settings.proxies.towards(url) else {
            return None;
        };
        let host = url.host_str().unwrap_or_default();
        let addresses = self.resolver.addresses(host, &Peer::Endpoint);
        let addresses = tokio::time::timeout(self.timeout, addresses).await;
        inside(&addresses.ok()?.ok()?)
    }

    /// A connection to the URL's host. The time that is left is shared out among
    /// its addresses: one that does not answer leaves enough for the next.
    async fn open(
        &self,
        url: &Url,
        only_internet: bool,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Opened, Fault> {
        let proxy = self.settings.proxies.towards(url);
        let proxy = proxy.map_err(Fault::Setting)?;
        let trust = match url.scheme() {
            "https" => {
                progress.set(Phase::Trust(self.roots.store()));
                Some(self.roots.trust().await?)
            }
            _ => None,
        };
        let (peer, host, port) = match proxy {
            Some(proxy) => (Peer::Proxy(Arc::clone(proxy)), &*proxy.host, proxy.port),
            None => (
                Peer::Endpoint,
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default(),
            ),
        };
        progress.set(Phase::LookUp(host.to_owned(), peer.clone()));
        let addresses = self.resolver.addresses(host, &peer).await?;
        // What a proxy reaches is the proxy's affair.
        if let (true, Peer::Endpoint, Some(why)) = (only_internet, &peer, inside(&addresses)) {
            return Err(Fault::Inside(why));
        }
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let mut race = Race::new(addresses.collect(), deadline, &peer, progress);
        let mut last = None;
        while let Some((address, stream)) = race.next().await {
            let way = Way {
                url,
                proxy,
                trust: trust.as_deref(),
                address,
                progress,
            };
            let share = match race.has_more() {
                true => Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2,
                false => deadline,
            };
            let opened = tokio::time::timeout_at(share, way.shake_hands(Box::new(stream)));
            match opened.await.unwrap_or_else(|_| Err(progress.too_slow())) {
                Err(fault) if fault.is_of_one_address() => last = Some(fault),
                result => return result,
            }
        }
        Err(last.unwrap_or(Fault::Connect {
            failed: race.failed,
            peer,
        }))
    }
}

/// One is enough: it may be the one that answers.
fn inside(addresses: &[IpAddr]) -> Option<&'static str> {
    addresses
        .iter()
        .find_map(|&address| Scope::of_ip(address).why_not())
}

/// What is between a connection and the endpoint.
struct Way<'a> {
    url: &'a Url,
    proxy: Option<&'a Arc<Proxy>>,
    /// Where there is TLS.
    trust: Option<&'a Trust>,
    address: SocketAddr,
    progress: &'a Progress,
}

impl Way<'_> {
    async fn shake_hands(&self, mut connection: Connection) -> Result<Opened, Fault> {
        let host = self.url.host_str().unwrap_or_default();
        if let Some(proxy) = self.proxy {
            let peer = Peer::Proxy(Arc::clone(proxy));
            if proxy.scheme == Scheme::Https {
                (connection, _) = self.tls(connection, &proxy.host, &peer).await?;
            }
            let port = self.url.port_or_known_default().unwrap_or_default();
            self.progress.set(Phase::Tunnel(peer));
            tunnel::through(proxy, &mut connection, host, port)
                .await
                .map_err(|refusal| Fault::Tunnel {
                    proxy: Arc::clone(proxy),
                    target: format!("{host}:{port}"),
                    refusal,
                })?;
        }
        if self.trust.is_none() {
            return Ok(Opened {
                connection,
                certificate: None,
            });
        }
        let (connection, certificate) = self.tls(connection, host, &Peer::Endpoint).await?;
        Ok(Opened {
            connection,
            certificate: Some(certificate),
        })
    }

    async fn tls(
        &self,
        connection: Connection,
        host: &str,
        peer: &Peer,
    ) -> Result<(Connection, Arc<NoCertificate>), Fault> {
        let Some(trust) = self.trust else {
            return Err(Fault::Setting(Error::internal("TLS without roots")));
        };
        // A certificate names no root of the name space, and no brackets.
        let name = host.trim_matches(['[', ']']).trim_end_matches('.');
        let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Fault::Setting(Error::invalid_config(format!(
                "no certificate can be issued for {}: correct the host",
                crate::secret::one_line(name)
            )))
        })?;
        self.progress.set(Phase::Tls(self.address, peer.clone()));
        let certificate = Arc::new(NoCertificate::default());
        // Cheap: what is large in it is shared.
        let mut config = rustls::ClientConfig::clone(&trust.config);
        config.client_auth_cert_resolver = Arc::clone(&certificate) as _;
        let connector = TlsConnector::from(Arc::new(config));
        match connector.connect(server_name, connection).await {
            Ok(stream) => Ok((Box::new(stream), certificate)),
            Err(error) => Err(Fault::Tls {
                peer: peer.clone(),
                name: name.to_owned(),
                store: trust.store.clone(),
                fault: Box::new(TlsFault::of(error, certificate.was_asked())),
            }),
        }
    }
}

/// Sends the request and reads the whole answer.
async fn exchange(opened: Opened, request: Request<'_>) -> Result<Answer, Fault> {
    let certificate = opened.certificate;
    let asked = || certificate.as_ref().is_some_and(|it| it.was_asked());
    let broken = |error: hyper::Error| Fault::Answer(AnswerFault::of(&error, asked()));
    let url = request.url;
    let mut message = hyper::Request::builder()
        .method(request.method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, concat!("svidex/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        // Without it any coding would do (RFC 9110 §12.5.3).
        .header(ACCEPT_ENCODING, "identity");
    if !request.body.is_empty() {
        message = message.header(CONTENT_TYPE, "application/json");
    }
    if let Some(bearer) = request.bearer {
        let text = Zeroizing::new(format!("Bearer {}", bearer.expose()));
        // A secret is visible ASCII: it always fits.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            message = message.header(AUTHORIZATION, value);
        }
    }
    let message = message
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|error| Fault::Setting(Error::internal(format!("the request: {error}"))))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(opened.connection))
        .await
        .map_err(broken)?;
    let answer = async {
        let response = sender.send_request(message).await.map_err(broken)?;
        let status = response.status();
        let headers = response.headers().clone();
        let came = Instant::now();
        let body = read_bounded(response, broken).await;
        Ok(Answer {
            status,
            headers,
            body_took: came.elapsed(),
            body,
        })
    };
    let carried = async {
        // Its errors reach whoever waits for the answer.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        never = carried => never,
    }
}

/// Reads at most 64 KiB.
async fn read_bounded(
    response: Response<Incoming>,
    broken: impl Fn(hyper::Error) -> Fault,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let headers = response.headers();
    if let Some(coding) = headers.get(CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
        return Err(Fault::Answer(AnswerFault::Encoded(coding)));
    }
    let announced = headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut incoming = response.into_body();
    // A HEAD's answer announces what it does not send.
    let is_over = hyper::body::Body::is_end_stream(&incoming);
    if !is_over && announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(Fault::Answer(AnswerFault::TooLarge));
    }
    // Sized once: a growing buffer would leave unwiped copies of a token behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY_BYTES));
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(&broken)?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Fault::Answer(AnswerFault::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
