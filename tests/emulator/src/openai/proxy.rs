//! An HTTPS proxy that is OpenAI to whoever asks it for OpenAI.
//!
//! The SDKs have the token endpoint's URL built in. With `HTTPS_PROXY` and the
//! emulator's CA they come here with it, unpatched.

use std::convert::Infallible;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::net::{duplicate, serve_connection};
use crate::world::World;

/// The proxy and what it answers with.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) world: Arc<World>,
    pub(crate) tls: Arc<ServerConfig>,
    /// For `auth.openai.com`.
    pub(crate) auth: Router,
    /// For `api.openai.com`.
    pub(crate) api: Router,
    /// For `api.anthropic.com`.
    pub(crate) anthropic: Router,
}

/// Where a tunnel leads.
enum Target {
    /// To this router, behind our certificate.
    Played(Router),
    /// To a port of this machine.
    Loopback(String),
}

impl Proxy {
    /// Accepts for ever.
    pub(crate) async fn run(self, listener: TcpListener) {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(self.clone().serve(stream));
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        let socket = duplicate(&stream).map(Arc::new);
        let service = service_fn(move |request| {
            let answer = self.answer(request, socket.clone());
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // Errors are clients that hung up.
        let _ = connection.with_upgrades().await;
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        socket: Option<Arc<OwnedFd>>,
    ) -> Response<Full<Bytes>> {
        if request.method() != Method::CONNECT {
            let reason = "the emulator proxies CONNECT only\n";
            return plain(StatusCode::METHOD_NOT_ALLOWED, reason);
        }
        let Some(authority) = request.uri().authority() else {
            return plain(StatusCode::BAD_REQUEST, "CONNECT needs host:port\n");
        };
        let host = authority.host().to_owned();
        self.world.counting.add(|counters| {
            *counters.proxy_connects.entry(host.clone()).or_default() += 1;
        });
        let Some(target) = self.target(&host, authority.port_u16()) else {
            let reason = "the emulator proxies to the hosts that it plays and to loopback only\n";
            return plain(StatusCode::FORBIDDEN, reason);
        };
        tokio::spawn(tunnel(request, target, Arc::clone(&self.tls), socket));
        plain(StatusCode::OK, "")
    }

    fn target(&self, host: &str, port: Option<u16>) -> Option<Target> {
        match (host, port) {
            ("auth.openai.com", Some(443)) => Some(Target::Played(self.auth.clone())),
            ("api.openai.com", Some(443)) => Some(Target::Played(self.api.clone())),
            ("api.anthropic.com", Some(443)) => Some(Target::Played(self.anthropic.clone())),
            (_, Some(port)) => {
                let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
                let loopback = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
                loopback.then(|| Target::Loopback(format!("{host}:{port}")))
            }
            _ => None,
        }
    }
}

async fn tunnel(
    request: Request<Incoming>,
    target: Target,
    tls: Arc<ServerConfig>,
    socket: Option<Arc<OwnedFd>>,
) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else {
        return;
    };
    let mut stream = TokioIo::new(upgraded);
    match target {
        Target::Played(router) => {
            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                let socket = socket.and_then(|socket| socket.try_clone().ok());
                serve_connection(stream, socket, router).await;
            }
        }
        Target::Loopback(address) => {
            if let Ok(mut upstream) = TcpStream::connect(address).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
            }
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
