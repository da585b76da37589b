//! An emulator and an HTTP client that trusts it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use spiffe::WorkloadApiClient;
use svidex_emulator::{AUDIENCE, Emulator, Info, Options};

/// Long enough for the slowest machine, short enough to notice a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) http: Client,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let emulator = Emulator::start(Options::default());
        let http = http_client(&emulator.info().ca_file);
        Self { emulator, http }
    }

    pub(crate) fn info(&self) -> &Info {
        self.emulator.info()
    }

    /// The default identity's SVID for OpenAI, by way of the `spiffe` crate.
    pub(crate) async fn svid(&self) -> String {
        let client = self.workload_api().await;
        let svid = client.fetch_jwt_svid([AUDIENCE], None).await;
        svid.expect("an SVID").token().to_owned()
    }

    pub(crate) async fn workload_api(&self) -> WorkloadApiClient {
        let client = WorkloadApiClient::connect_to(&self.info().endpoint_socket).await;
        client.expect("a connection")
    }

    /// Exchanges and tells status and body.
    pub(crate) async fn exchange(&self, body: &Value) -> (u16, Value) {
        let response = post(&self.http, &self.info().token_endpoint, body).await;
        let response = response.expect("an answer");
        let status = response.status().as_u16();
        (status, json_of(response).await)
    }

    /// An access token for the default identity.
    pub(crate) async fn access_token(&self) -> String {
        let (status, body) = self.exchange(&request(&self.svid().await)).await;
        assert_eq!(status, 200);
        text(&body["access_token"])
    }
}

/// A well-formed exchange of `subject_token`.
pub(crate) fn request(subject_token: &str) -> Value {
    json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": subject_token,
        "identity_provider_id": "idp_emulator",
        "service_account_id": "sa_emulator",
    })
}

pub(crate) async fn post(http: &Client, url: &str, body: &Value) -> reqwest::Result<Response> {
    let request = http.post(url).header("content-type", "application/json");
    request.body(body.to_string()).send().await
}

pub(crate) async fn json_of(response: Response) -> Value {
    let body = response.bytes().await.expect("a whole body");
    serde_json::from_slice(&body).expect("JSON")
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

pub(crate) fn http_client(ca_file: &str) -> Client {
    http_builder(ca_file).no_proxy().build().expect("a client")
}

/// A client with the emulator's CA and no other; redirects are not followed.
pub(crate) fn http_builder(ca_file: &str) -> ClientBuilder {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).expect("the CA file") {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LIMIT)
}
