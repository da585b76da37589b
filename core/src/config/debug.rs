//! How a configuration shows itself before anybody has looked at its values.

use std::fmt;

use super::Config;
use crate::secret::without_tokens;

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart whole, so that a new setting cannot be forgotten here.
        let Self {
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
        } = self;
        f.debug_struct("Config")
            .field("endpoint_socket", &shown(endpoint_socket))
            .field("identity_token_file", &shown(identity_token_file))
            .field("access_token_file", &shown(access_token_file))
            .field("audience", &shown(audience))
            .field("spiffe_id", &shown(spiffe_id))
            .field("hint", &shown(hint))
            .field("identity_provider_id", &shown(identity_provider_id))
            .field("service_account_id", &shown(service_account_id))
            .field("client_id", &shown(client_id))
            .field("token_endpoint", &shown(token_endpoint))
            .field("ca_file", &shown(ca_file))
            .field("refresh_buffer_seconds", refresh_buffer_seconds)
            .field("request_timeout_seconds", request_timeout_seconds)
            .field("call_timeout_seconds", call_timeout_seconds)
            .finish()
    }
}

/// Without tokens, keys and the passwords of URLs.
fn shown(value: &Option<String>) -> Option<String> {
    value.as_deref().map(|text| {
        let has_password = text.contains("://") && text.contains('@');
        if has_password || text.contains("-----BEGIN ") {
            "[redacted]".to_owned()
        } else {
            without_tokens(text)
        }
    })
}
