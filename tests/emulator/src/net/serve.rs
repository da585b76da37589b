//! Serving a router on a connection that a handler can reset.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::authority::PlainAuthority;

/// The connection that a request came on, among its extensions.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Notify>);

impl Connection {
    /// Ends the connection without a goodbye of any layer.
    pub(crate) fn reset(&self) {
        self.0.notify_one();
    }
}

/// Accepts on `listener`, with TLS if there is a configuration for it.
pub(crate) async fn serve_tcp(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: let connections end before trying again.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let socket = duplicate(&stream);
            match acceptor {
                // A failed handshake is the client's business; it has its alert.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_connection(stream, socket, router).await;
                    }
                }
                None => serve_connection(stream, socket, router).await,
            }
        });
    }
}

/// Accepts on a Unix socket. HTTP/2 only.
pub(crate) async fn serve_unix(listener: UnixListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let stream = PlainAuthority::new(stream);
                tokio::spawn(serve_connection(stream, None, router.clone()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection, HTTP/1 or HTTP/2 by its first bytes, until either side
/// ends it. `socket` is a duplicate of the TCP socket below, to reset it by.
pub(crate) async fn serve_connection<S>(stream: S, socket: Option<OwnedFd>, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::default();
    let service = {
        let connection = connection.clone();
        service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(connection.clone());
            router.clone().oneshot(request.map(Body::new))
        })
    };
    let builder = Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        // Errors are clients that hung up, and the faults that were asked for.
        _ = serving => {}
        () = connection.0.notified() => {
            if let Some(socket) = &socket {
                // Closing a socket that does not linger sends a reset.
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
        }
    }
}

/// A second descriptor of the same socket.
pub(crate) fn duplicate(stream: &TcpStream) -> Option<OwnedFd> {
    stream.as_fd().try_clone_to_owned().ok()
}
