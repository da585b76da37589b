//! What a program gives in code, where others have settings and variables.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::proxies::{Proxies, parse_proxy};
use crate::error::Error;
use crate::origin::Origin;

#[derive(Default)]
pub(crate) struct Given {
    pub(crate) source: Option<Origin>,
    pub(crate) token_endpoint: bool,
    pub(crate) proxies: Option<Proxies>,
    pub(crate) roots: Option<Roots>,
    /// The first value that is wrong.
    pub(crate) fault: Option<Error>,
}

/// The only CAs to trust.
pub(crate) type Roots = Arc<[CertificateDer<'static>]>;

impl Given {
    pub(crate) fn proxy(&mut self, url: &str) {
        match parse_proxy("Builder::proxy", url) {
            Ok(proxy) => self.proxies = Some(Proxies::always(proxy)),
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn roots_pem(&mut self, pem: &[u8]) {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match all {
            Ok(all) if !all.is_empty() => self.roots(all),
            Ok(_) => self.refuse(Error::invalid_config(
                "Builder::roots_pem got no certificate: give PEM text with `-----BEGIN \
                 CERTIFICATE-----` in it",
            )),
            Err(_) => self.refuse(Error::invalid_config(
                "Builder::roots_pem got text that is not PEM: is it cut off?",
            )),
        }
    }

    pub(crate) fn roots(&mut self, more: Vec<CertificateDer<'static>>) {
        let is_root = |der: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(der).is_ok();
        if let Some(at) = more.iter().position(|der| !is_root(der)) {
            return self.refuse(Error::invalid_config(format!(
                "certificate {} of those given as roots is not an X.509 certificate",
                at + 1
            )));
        }
        let held = self.roots.iter().flat_map(|roots| roots.iter().cloned());
        self.roots = Some(held.chain(more).collect());
    }

    fn refuse(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }
}
