//! The only builder of HTTP clients and the only reader of their answers.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, Response};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_certs_from_paths;
use zeroize::Zeroizing;

use crate::config::HttpSettings;
use crate::error::Error;
use crate::secret::printable;

/// Answers of a token endpoint are a few KiB; what is larger is something else.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A client that follows no redirect (a 307 would carry the subject token to
/// another origin), asks for no compression, and trusts and connects as the
/// settings say. `timeout` bounds each request as a whole, its body included.
pub(crate) fn client(settings: &HttpSettings, timeout: Duration) -> Result<Client, Error> {
    // An explicit provider: with two compiled into one program the default
    // panics, and installing a process-wide one is not a library's business.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS set-up: {error}")))?
        .with_root_certificates(roots(settings)?)
        .with_no_client_auth();
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(timeout)
        // Calls are minutes apart: a kept connection saves nothing then, and a
        // stale one costs a failure.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("svidex/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(url) = settings.proxy.as_ref().filter(|_| !goes_direct(settings)) {
        let proxy = Proxy::https(url.clone())
            .map_err(|_| Error::invalid_config("HTTPS_PROXY is not a proxy URL"))?
            .no_proxy(settings.no_proxy.as_deref().and_then(NoProxy::from_string));
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| Error::internal(format!("HTTP client: {error}")))
}

/// `NO_PROXY=*` means every host; reqwest takes it for every name, but no address.
fn goes_direct(settings: &HttpSettings) -> bool {
    let mut hosts = settings.no_proxy.as_deref().unwrap_or_default().split(',');
    hosts.any(|host| host.trim() == "*")
}

/// Whom to trust: an explicit file, else the variables, else the system, else
/// Mozilla's list (slim container images ship no roots at all).
fn roots(settings: &HttpSettings) -> Result<RootCertStore, Error> {
    if let Some(path) = &settings.ca_file {
        return load("ca_file", Some(path), &[]);
    }
    let (file, dirs) = (settings.env_cert_file.as_deref(), &settings.env_cert_dirs);
    let name = match (file, dirs.is_empty()) {
        (Some(_), true) => "SSL_CERT_FILE",
        (None, false) => "SSL_CERT_DIR",
        (Some(_), false) => "SSL_CERT_FILE with SSL_CERT_DIR",
        (None, true) => return Ok(system_roots(settings)),
    };
    load(name, file, dirs)
}

fn system_roots(settings: &HttpSettings) -> RootCertStore {
    let file = settings.system_cert_file.as_deref();
    // One bundle file is the whole store where there is one; the directory
    // beside it holds the same certificates again, one by one.
    let dirs = match file {
        Some(_) => &[],
        None => &settings.system_cert_dirs[..],
    };
    load("the system's CA store", file, dirs).unwrap_or_else(|_| RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    })
}

fn load(name: &str, file: Option<&Path>, dirs: &[PathBuf]) -> Result<RootCertStore, Error> {
    let (mut certificates, mut problems) = (Vec::new(), Vec::new());
    if let Some(path) = file {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            // A FIFO would block for ever.
            problems.push("not a regular file".to_owned());
        } else {
            let found = load_certs_from_paths(Some(path), None);
            certificates.extend(found.certs);
            problems.extend(found.errors.iter().map(ToString::to_string));
        }
    }
    for dir in dirs {
        let found = load_certs_from_paths(None, Some(dir));
        certificates.extend(found.certs);
        problems.extend(found.errors.iter().map(ToString::to_string));
    }
    store(certificates, || {
        let places: Vec<_> = file
            .into_iter()
            .chain(dirs.iter().map(PathBuf::as_path))
            .map(|path| path.display().to_string())
            .collect();
        let why = problems.first().map(|problem| format!(" ({problem})"));
        Error::invalid_config(format!(
            "{name} holds no usable CA certificate: {}{}; it must be PEM with at least one \
             certificate",
            places.join(", "),
            why.unwrap_or_default(),
        ))
    })
}

fn store(
    certificates: Vec<CertificateDer<'static>>,
    empty: impl FnOnce() -> Error,
) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        Err(empty())
    } else {
        Ok(roots)
    }
}

/// Why a request got no answer, and what to look at.
pub(crate) fn explain(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    let words = printable(&words, "");
    if error.is_timeout() {
        "no whole answer before the deadline (request_timeout_seconds)".to_owned()
    } else if words.contains("certificate") || words.contains("UnknownIssuer") {
        format!(
            "TLS: {words}; behind a proxy that re-signs, set ca_file or SSL_CERT_FILE to its CA"
        )
    } else if error.is_connect() {
        format!("cannot connect: {words}; is the address right, and is HTTPS_PROXY needed?")
    } else {
        format!("the request failed: {words}")
    }
}

/// Why a body could not be read.
pub(crate) enum BodyError {
    TooLarge,
    Broken(reqwest::Error),
}

/// Reads at most 64 KiB. The request's deadline covers the body too.
pub(crate) async fn read_bounded(mut response: Response) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_BODY_BYTES as u64 {
        return Err(BodyError::TooLarge);
    }
    // Sized once: a growing buffer would leave unwiped copies of a token behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
