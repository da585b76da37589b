//! The settings of `svidex::Config`, one option each. What is left out comes
//! from the environment; the library reads it, and validates all of them.

use clap::Args;
use svidex::Config;

/// All of them.
#[derive(Args)]
pub(crate) struct Options {
    /// A file that svidex bridge keeps filled with an access token [env: SVIDEX_ACCESS_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    access_token_file: Option<String>,
    #[command(flatten)]
    provider: ProviderOptions,
}

/// Those of who gets its access tokens by an exchange.
#[derive(Args)]
pub(crate) struct ProviderOptions {
    /// The SPIFFE Workload API: unix:///path or tcp://IP:port [env: SPIFFE_ENDPOINT_SOCKET]
    #[arg(long, value_name = "URI", help_heading = "Source")]
    endpoint_socket: Option<String>,
    /// A file that a sidecar keeps filled with a JWT-SVID [env: OPENAI_IDENTITY_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    identity_token_file: Option<String>,
    /// The audience of the JWT-SVID [env: SVIDEX_AUDIENCE] [default: https://api.openai.com/v1]
    #[arg(long, value_name = "AUDIENCE", help_heading = "Source")]
    audience: Option<String>,
    /// The identity to ask for [env: SVIDEX_SPIFFE_ID] [default: the first one issued]
    #[arg(long, value_name = "ID", help_heading = "Source")]
    spiffe_id: Option<String>,
    /// The identity to choose, by the hint that its registration carries
    #[arg(long, value_name = "HINT", help_heading = "Source")]
    hint: Option<String>,

    /// The Workload Identity Provider [env: OPENAI_IDENTITY_PROVIDER_ID]
    #[arg(long, value_name = "ID", help_heading = "Access token")]
    identity_provider_id: Option<String>,
    /// The service account [env: OPENAI_SERVICE_ACCOUNT_ID]
    #[arg(long, value_name = "ID", help_heading = "Access token")]
    service_account_id: Option<String>,
    /// An OAuth client ID, sent along if given
    #[arg(long, value_name = "ID", help_heading = "Access token")]
    client_id: Option<String>,
    /// Where tokens are exchanged [env: SVIDEX_TOKEN_ENDPOINT] [default: OpenAI's]
    #[arg(long, value_name = "URL", help_heading = "Access token")]
    token_endpoint: Option<String>,

    /// The only CAs to trust, in PEM [env: SSL_CERT_FILE] [default: the system's]
    #[arg(long, value_name = "FILE", help_heading = "Network and time")]
    ca_file: Option<String>,
    /// How long before its end a token is renewed [default: 1200]
    #[arg(long, value_name = "SECONDS", help_heading = "Network and time")]
    refresh_buffer_seconds: Option<f64>,
    /// Deadline of one attempt to fetch or to exchange [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Network and time")]
    request_timeout_seconds: Option<f64>,
    /// Deadline of the whole wait for a token [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = "Network and time")]
    call_timeout_seconds: Option<f64>,
}

impl From<Options> for Config {
    fn from(options: Options) -> Self {
        let mut config = Self::from(options.provider);
        config.access_token_file = options.access_token_file;
        config
    }
}

impl From<ProviderOptions> for Config {
    fn from(options: ProviderOptions) -> Self {
        let mut config = Self::new();
        config.endpoint_socket = options.endpoint_socket;
        config.identity_token_file = options.identity_token_file;
        config.audience = options.audience;
        config.spiffe_id = options.spiffe_id;
        config.hint = options.hint;
        config.identity_provider_id = options.identity_provider_id;
        config.service_account_id = options.service_account_id;
        config.client_id = options.client_id;
        config.token_endpoint = options.token_endpoint;
        config.ca_file = options.ca_file;
        config.refresh_buffer_seconds = options.refresh_buffer_seconds;
        config.request_timeout_seconds = options.request_timeout_seconds;
        config.call_timeout_seconds = options.call_timeout_seconds;
        config
    }
}
