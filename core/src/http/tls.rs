//! TLS as curl has it: the same certificates are good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

/// What all connections share that trust these (there is one at least).
pub(super) fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    // An explicit provider: with two compiled into one program the default
    // panics, and installing a process-wide one is not a library's business.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots);
    let verifier = Verifier {
        inner: WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&roots),
            Arc::clone(&provider),
        )
        .build()
        .expect("there are roots, and no revocation lists that could be bad"),
        roots,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are minutes apart. A session kept that long would outlive the
    // roots that it was opened under, and its cache is a lock that a child could
    // inherit in the locked state.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The rules of RFC 5280, and one of OpenSSL's: a certificate that is itself
/// among the roots is good for the server that shows it, also where it is a CA's
/// own (`openssl req -x509` makes such ones), or was issued by somebody unknown or
/// in a way that is not known here.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // Its times have been looked at before any of these is found.
            Err(Error::InvalidCertificate(ref error))
                if (is_of_issuer(error) || is_of_ca(error)) && self.is_root(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl Verifier {
    /// By subject and key: whoever holds the key of a root can issue himself any
    /// certificate anyhow, and the handshake proves that the server holds it.
    fn is_root(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut alone = RootCertStore::empty();
        let added = alone.add(certificate.clone().into_owned());
        added.is_ok() && self.roots.roots.contains(&alone.roots[0])
    }
}

/// Who issued it, or how it was signed.
fn is_of_issuer(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::UnknownIssuer
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    )
}

pub(super) fn is_of_ca(error: &CertificateError) -> bool {
    rule_broken(error) == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// What rustls has no case of its own for.
pub(super) fn rule_broken(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(OtherError(error)) => error.downcast_ref(),
        _ => None,
    }
}

/// Has no client certificate to show, and remembers that one was asked for.
#[derive(Debug, Default)]
pub(super) struct NoCertificate(AtomicBool);

impl NoCertificate {
    pub(super) fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        // Else it is not asked.
        true
    }
}
