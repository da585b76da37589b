//! A client for discovery documents: GET over http or https, one connection per
//! request, bounded in time and size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::{TlsError, client_config};

const DEADLINE: Duration = Duration::from_secs(5);
const SIZE_LIMIT: usize = 1 << 20;

/// Fetches JSON documents.
pub(crate) struct Fetcher {
    tls: Arc<ClientConfig>,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0:?} is not an http or https URL")]
    Url(String),
    #[error("no answer within {DEADLINE:?}")]
    Deadline,
    #[error("{0}")]
    Transport(#[from] Box<dyn std::error::Error + Send + Sync>),
    #[error("status {0}")]
    Status(StatusCode),
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Fetcher {
    /// A client that trusts the certificates in `ca_file`.
    pub(crate) fn new(ca_file: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            tls: client_config(ca_file)?,
        })
    }

    /// The JSON document at `url`.
    pub(crate) async fn json(&self, url: &str) -> Result<Value, FetchError> {
        tokio::time::timeout(DEADLINE, self.get(url))
            .await
            .map_err(|_| FetchError::Deadline)?
    }

    async fn get(&self, url: &str) -> Result<Value, FetchError> {
        let bad_url = || FetchError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad_url())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad_url());
        };
        let host = authority.host().trim_matches(['[', ']']);
        let default_port = if scheme == "https" { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, authority.as_str())
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(boxed)?;
        let stream = TcpStream::connect((host, port)).await.map_err(boxed)?;
        let (status, body) = match scheme {
            "http" => exchange(stream, request).await?,
            "https" => {
                let name = ServerName::try_from(host.to_owned()).map_err(boxed)?;
                let connector = TlsConnector::from(Arc::clone(&self.tls));
                let stream = connector.connect(name, stream).await.map_err(boxed)?;
                exchange(stream, request).await?
            }
            _ => return Err(bad_url()),
        };
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(boxed)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(boxed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), SIZE_LIMIT)
        .collect()
        .await?
        .to_bytes();
    connection.abort();
    Ok((status, body))
}

fn boxed<E: std::error::Error + Send + Sync + 'static>(error: E) -> FetchError {
    FetchError::Transport(Box::new(error))
}
