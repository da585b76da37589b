//! What the emulator tells those who start it.

use serde::{Deserialize, Serialize};

/// Addresses and names. Parts that were not started leave theirs empty, and
/// empty fields are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The Workload API, as `SPIFFE_ENDPOINT_SOCKET` wants it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint_socket: String,
    /// The same service on TCP.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint_socket_tcp: String,
    /// The `iss` of the SVIDs (with the openai role alone: the trusted one).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Where discovery is served without TLS; the documents are the same.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_http: String,
    /// The keys.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    /// The CA certificate to trust.
    pub ca_file: String,
    /// The token file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_file: String,
    /// The audience that the token endpoint wants.
    pub audience: String,
    /// What exchanges must name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identity_provider_id: String,
    /// What exchanges must name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_id: String,
    /// Identities at the start, the default first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spiffe_ids: Vec<String>,
    /// Their hints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The exchange, over TLS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_endpoint: String,
    /// The exchange, without.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_endpoint_http: String,
    /// The API, over TLS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_base_url: String,
    /// The API, without.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_base_url_http: String,
    /// Anthropic's API, its token endpoint included, over TLS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub anthropic_base_url: String,
    /// The proxy that plays all these hosts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub https_proxy: String,
    /// The control API.
    pub control: String,
    /// A URL of another origin that only counts who comes, over TLS.
    pub redirect_target: String,
    /// The same without TLS.
    pub redirect_target_http: String,
}

impl Info {
    /// The whole on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings make JSON")
    }

    /// The environment of a program that is to use the emulator.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("SPIFFE_ENDPOINT_SOCKET", &self.endpoint_socket),
            ("OPENAI_IDENTITY_PROVIDER_ID", &self.identity_provider_id),
            ("OPENAI_SERVICE_ACCOUNT_ID", &self.service_account_id),
            ("SVIDEX_TOKEN_ENDPOINT", &self.token_endpoint),
            ("OPENAI_BASE_URL", &self.api_base_url),
            ("SSL_CERT_FILE", &self.ca_file),
            ("NODE_EXTRA_CA_CERTS", &self.ca_file),
            ("SVIDEX_EMULATOR_CONTROL", &self.control),
            ("SVIDEX_EMULATOR_INFO", &self.to_json()),
        ];
        let set = all.into_iter().filter(|(_, value)| !value.is_empty());
        set.map(|(name, value)| (name, value.clone())).collect()
    }
}
