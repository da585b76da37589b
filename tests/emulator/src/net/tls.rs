//! The emulator's own certificate authority.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::dir::StateDir;

/// The CA certificate that clients are told to trust.
pub(crate) const CA_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";

/// Every name that the emulator answers to.
const NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "auth.openai.com",
    "api.openai.com",
    "api.anthropic.com",
];

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the state directory, or one named by the user.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A certificate cannot be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls refuses the configuration.
    #[error("TLS configuration: {0}")]
    Config(#[from] rustls::Error),
    /// A PEM file does not hold certificates.
    #[error("{file}: {reason}")]
    Pem {
        /// Its path.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The CA and what is signed by it.
pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Opens the CA in `dir`, making one where there is none.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, TlsError> {
        let key = match dir.read(KEY_FILE)? {
            Some(pem) => KeyPair::from_pem(&pem)?,
            None => KeyPair::generate()?,
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "svidex emulator CA");
        set_validity(&mut params);
        if dir.read(CA_FILE)?.is_none() {
            dir.write(KEY_FILE, &key.serialize_pem())?;
            dir.write(CA_FILE, &params.self_signed(&key)?.pem())?;
        }
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer })
    }

    /// A server configuration with a new certificate for all names.
    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params
            .distinguished_name
            .push(DnType::CommonName, "svidex emulator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers (Python 3.13 and later) ask for it.
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A ticket arrives beside the client's first request. Python's sync sockets read
        // and write in two threads at once, which OpenSSL forbids: one request in a
        // thousand was lost by it, or the process ended (python/cpython#143756).
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// A client configuration that trusts the certificates in a PEM file.
pub(super) fn client_config(file: &std::path::Path) -> Result<Arc<ClientConfig>, TlsError> {
    let bad = |reason: String| TlsError::Pem {
        file: file.display().to_string(),
        reason,
    };
    let pem = std::fs::read(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        return Err(bad("no certificate in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Named at each use: a process default would be forced on whoever embeds us.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn set_validity(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
}
