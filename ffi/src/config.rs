//! The settings of a provider to be made.

use std::ffi::c_char;

use svidex::Config;

use crate::error::svidex_error;
use crate::guard::guard;
use crate::text::{self, BadText};

/// Settings from which providers are made. A setting that is left alone has its
/// default. It has one owner, and is not for use by two threads at once.
///
/// Setters copy what they are given and return nothing: the first value that is
/// wrong (NULL, empty, not UTF-8, with a control character in it, out of range)
/// is reported by its name when a provider is made. NULL for the config itself
/// is ignored there, and reported when a provider is made.
pub struct svidex_config {
    values: Config,
    /// The first value that could not even be stored.
    refused: Option<Refused>,
}

enum Refused {
    Setting(String),
    Panic(&'static str),
}

impl svidex_config {
    fn new() -> Self {
        Self {
            values: Config::default(),
            refused: None,
        }
    }

    /// The values, if all of them could be stored.
    pub(crate) fn values(&self) -> Result<Config, svidex_error> {
        match &self.refused {
            None => Ok(self.values.clone()),
            Some(Refused::Setting(message)) => Err(svidex_error::invalid_config(message)),
            Some(Refused::Panic(setter)) => Err(svidex_error::internal(&format!(
                "{setter} failed: a defect in svidex; please report this"
            ))),
        }
    }

    fn refuse(&mut self, message: String) {
        self.refused.get_or_insert(Refused::Setting(message));
    }

    fn set_text(
        &mut self,
        field: &str,
        value: Result<&str, BadText>,
        slot: fn(&mut Config) -> &mut Option<String>,
    ) {
        match value {
            Ok(value) => *slot(&mut self.values) = Some(value.to_owned()),
            Err(bad) => self.refuse(format!("{field} {}", bad.words())),
        }
    }
}

/// Runs the body of a setter. Setters have no result, so a panic is remembered
/// for the constructor to report.
///
/// # Safety
/// `config` is NULL or a live handle that no other thread uses.
unsafe fn with(
    setter: &'static str,
    config: *mut svidex_config,
    body: impl FnOnce(&mut svidex_config),
) {
    // SAFETY: by the caller's word.
    let Some(config) = (unsafe { config.as_mut() }) else {
        return;
    };
    let finished = guard(setter, false, || {
        body(config);
        true
    });
    if !finished {
        config.refused.get_or_insert(Refused::Panic(setter));
    }
}

/// Makes a config with every setting at its default. NULL only by a defect.
///
/// Free it with `svidex_config_free`, at any time after the last provider was
/// made from it.
#[unsafe(no_mangle)]
pub extern "C" fn svidex_config_new() -> *mut svidex_config {
    guard("svidex_config_new", std::ptr::null_mut(), || {
        Box::into_raw(Box::new(svidex_config::new()))
    })
}

/// Frees a config. NULL is ignored. Providers made from it live on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_free(config: *mut svidex_config) {
    guard("svidex_config_free", (), || {
        if !config.is_null() {
            // SAFETY: not NULL, so a config of `svidex_config_new` that its one
            // owner gives up, by the rules of the header.
            drop(unsafe { Box::from_raw(config) });
        }
    });
}

/// Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
/// `tcp://IP:port`. Variable: `SPIFFE_ENDPOINT_SOCKET`.
///
/// Either this or `identity_token_file` is needed, and not both (or, for access tokens
/// alone, `access_token_file`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_endpoint_socket(
    config: *mut svidex_config,
    endpoint_socket: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_endpoint_socket", config, |config| {
            config.set_text("endpoint_socket", text::borrow(endpoint_socket), |values| {
                &mut values.endpoint_socket
            });
        });
    }
}

/// A file that a sidecar keeps filled with a JWT-SVID; read anew at each renewal.
/// Variable: `OPENAI_IDENTITY_TOKEN_FILE`, which wins over `SPIFFE_ENDPOINT_SOCKET`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_identity_token_file(
    config: *mut svidex_config,
    identity_token_file: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_identity_token_file", config, |config| {
            config.set_text(
                "identity_token_file",
                text::borrow(identity_token_file),
                |values| &mut values.identity_token_file,
            );
        });
    }
}

/// A file that `svidex bridge` keeps filled with an access token, read anew when it
/// is due: where access tokens come from then, instead of an exchange. Needs no source
/// of SVIDs and no IDs, and gives no SVIDs. Variable: `SVIDEX_ACCESS_TOKEN_FILE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_access_token_file(
    config: *mut svidex_config,
    access_token_file: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_access_token_file", config, |config| {
            config.set_text(
                "access_token_file",
                text::borrow(access_token_file),
                |values| &mut values.access_token_file,
            );
        });
    }
}

/// The audience to ask for and to insist on. Default: `https://api.openai.com/v1`.
/// Variable: `SVIDEX_AUDIENCE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_audience(
    config: *mut svidex_config,
    audience: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_audience", config, |config| {
            config.set_text("audience", text::borrow(audience), |values| {
                &mut values.audience
            });
        });
    }
}

/// The SPIFFE ID to ask for, or to insist on in a token file:
/// `spiffe://trust.domain/path`. Default: the first identity that the Workload API
/// returns. Variable: `SVIDEX_SPIFFE_ID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_spiffe_id(
    config: *mut svidex_config,
    spiffe_id: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_spiffe_id", config, |config| {
            config.set_text("spiffe_id", text::borrow(spiffe_id), |values| {
                &mut values.spiffe_id
            });
        });
    }
}

/// Chooses among several identities of the Workload API by their hint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_hint(config: *mut svidex_config, hint: *const c_char) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_hint", config, |config| {
            config.set_text("hint", text::borrow(hint), |values| &mut values.hint);
        });
    }
}

/// The ID of the Workload Identity Provider at OpenAI. Needed for access tokens
/// only. Variable: `OPENAI_IDENTITY_PROVIDER_ID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_identity_provider_id(
    config: *mut svidex_config,
    identity_provider_id: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_identity_provider_id", config, |config| {
            config.set_text(
                "identity_provider_id",
                text::borrow(identity_provider_id),
                |values| &mut values.identity_provider_id,
            );
        });
    }
}

/// The ID of the service account at OpenAI. Needed for access tokens only.
/// Variable: `OPENAI_SERVICE_ACCOUNT_ID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_service_account_id(
    config: *mut svidex_config,
    service_account_id: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_service_account_id", config, |config| {
            config.set_text(
                "service_account_id",
                text::borrow(service_account_id),
                |values| &mut values.service_account_id,
            );
        });
    }
}

/// An OAuth client ID, sent along with an exchange if set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_client_id(
    config: *mut svidex_config,
    client_id: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_client_id", config, |config| {
            config.set_text("client_id", text::borrow(client_id), |values| {
                &mut values.client_id
            });
        });
    }
}

/// Where tokens are exchanged: an https URL (http on loopback only). Default:
/// OpenAI's. Variable: `SVIDEX_TOKEN_ENDPOINT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_token_endpoint(
    config: *mut svidex_config,
    token_endpoint: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_token_endpoint", config, |config| {
            config.set_text("token_endpoint", text::borrow(token_endpoint), |values| {
                &mut values.token_endpoint
            });
        });
    }
}

/// A PEM file with the only CAs to trust for the token endpoint. Default:
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_ca_file(
    config: *mut svidex_config,
    ca_file: *const c_char,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_ca_file", config, |config| {
            config.set_text("ca_file", text::borrow(ca_file), |values| {
                &mut values.ca_file
            });
        });
    }
}

/// How long before its end a token is renewed, in seconds: more than 0, at most
/// 86400, and never more than half the token's life. Default: 1200.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_refresh_buffer_seconds(
    config: *mut svidex_config,
    refresh_buffer_seconds: f64,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with(
            "svidex_config_set_refresh_buffer_seconds",
            config,
            |config| {
                config.values.refresh_buffer_seconds = Some(refresh_buffer_seconds);
            },
        );
    }
}

/// Deadline of one attempt to fetch or to exchange, in seconds: more than 0, at
/// most 86400. Default: 10.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_request_timeout_seconds(
    config: *mut svidex_config,
    request_timeout_seconds: f64,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with(
            "svidex_config_set_request_timeout_seconds",
            config,
            |config| {
                config.values.request_timeout_seconds = Some(request_timeout_seconds);
            },
        );
    }
}

/// Deadline of a call that has to wait and names no timeout of its own, in
/// seconds: more than 0, at most 86400. Default: 30.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_call_timeout_seconds(
    config: *mut svidex_config,
    call_timeout_seconds: f64,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_call_timeout_seconds", config, |config| {
            config.values.call_timeout_seconds = Some(call_timeout_seconds);
        });
    }
}

/// Sets a text setting by its name (such as `audience`), from a string that
/// carries its length: for languages whose strings may hold a NUL, which is then
/// refused instead of ending the value early. `value` may have no NUL behind it.
///
/// A name that is not one of the eleven text settings above is reported like a
/// wrong value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_config_set_string(
    config: *mut svidex_config,
    name: *const c_char,
    value: *const c_char,
    value_length: usize,
) {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        with("svidex_config_set_string", config, |config| {
            let name = match text::borrow(name) {
                Ok(name) => name,
                Err(bad) => return config.refuse(format!("the name of a setting {}", bad.words())),
            };
            match text_setting(name) {
                Some(slot) => {
                    config.set_text(name, text::borrow_counted(value, value_length), slot)
                }
                None => config.refuse(svidex::binding::without_tokens(&format!(
                    "{name:?} is not the name of a text setting"
                ))),
            }
        });
    }
}

type Slot = fn(&mut Config) -> &mut Option<String>;

fn text_setting(name: &str) -> Option<Slot> {
    Some(match name {
        "endpoint_socket" => |values| &mut values.endpoint_socket,
        "identity_token_file" => |values| &mut values.identity_token_file,
        "access_token_file" => |values| &mut values.access_token_file,
        "audience" => |values| &mut values.audience,
        "spiffe_id" => |values| &mut values.spiffe_id,
        "hint" => |values| &mut values.hint,
        "identity_provider_id" => |values| &mut values.identity_provider_id,
        "service_account_id" => |values| &mut values.service_account_id,
        "client_id" => |values| &mut values.client_id,
        "token_endpoint" => |values| &mut values.token_endpoint,
        "ca_file" => |values| &mut values.ca_file,
        _ => return None,
    })
}
