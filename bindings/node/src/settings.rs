//! The options object, field by field into core's `Config`.

use napi_derive::napi;
use svidex::Config;

/// The options of a provider. Names and types were checked on the JavaScript
/// side; what the values mean is core's business.
#[napi(object, object_to_js = false)]
pub(crate) struct Settings {
    pub endpoint_socket: Option<String>,
    pub identity_token_file: Option<String>,
    pub access_token_file: Option<String>,
    pub audience: Option<String>,
    pub spiffe_id: Option<String>,
    pub hint: Option<String>,
    pub identity_provider_id: Option<String>,
    pub service_account_id: Option<String>,
    pub client_id: Option<String>,
    pub token_endpoint: Option<String>,
    pub ca_file: Option<String>,
    pub refresh_buffer_seconds: Option<f64>,
    pub request_timeout_seconds: Option<f64>,
    pub call_timeout_seconds: Option<f64>,
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        // Taken apart whole, so that a new setting cannot be forgotten here.
        let Settings {
            endpoint_socket,
            identity_token_file,
            access_token_file,
            audience,
            spiffe_id,
            hint,
            identity_provider_id,
            service_account_id,
            client_id,
            token_endpoint,
            ca_file,
            refresh_buffer_seconds,
            request_timeout_seconds,
            call_timeout_seconds,
        } = settings;
        let mut config = Self::new();
        config.endpoint_socket = endpoint_socket;
        config.identity_token_file = identity_token_file;
        config.access_token_file = access_token_file;
        config.audience = audience;
        config.spiffe_id = spiffe_id;
        config.hint = hint;
        config.identity_provider_id = identity_provider_id;
        config.service_account_id = service_account_id;
        config.client_id = client_id;
        config.token_endpoint = token_endpoint;
        config.ca_file = ca_file;
        config.refresh_buffer_seconds = refresh_buffer_seconds;
        config.request_timeout_seconds = request_timeout_seconds;
        config.call_timeout_seconds = call_timeout_seconds;
        config
    }
}
