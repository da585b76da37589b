//! A configuration, written as one chain.

use super::Config;

/// Each is named like its field, and says nothing that the field does not say.
macro_rules! setters {
    ($($name:ident: $argument:ty),* $(,)?) => {
        impl Config {$(
            #[doc = concat!("Sets [`", stringify!($name), "`](#structfield.", stringify!($name), ").")]
            #[must_use]
            pub fn $name(mut self, $name: $argument) -> Self {
                self.$name = Some($name.into());
                self
            }
        )*}
    };
}

setters! {
    endpoint_socket: impl Into<String>,
    identity_token_file: impl Into<String>,
    access_token_file: impl Into<String>,
    audience: impl Into<String>,
    spiffe_id: impl Into<String>,
    hint: impl Into<String>,
    identity_provider_id: impl Into<String>,
    service_account_id: impl Into<String>,
    client_id: impl Into<String>,
    token_endpoint: impl Into<String>,
    ca_file: impl Into<String>,
    refresh_buffer_seconds: f64,
    request_timeout_seconds: f64,
    call_timeout_seconds: f64,
}

impl Config {
    /// One with nothing set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
