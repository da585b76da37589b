//! What a single value must look like. Each error names the setting, the
//! value's shape (never a secret) and the fix.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use spiffe::SpiffeId;
use spiffe::transport::{Endpoint, EndpointError};
use url::Url;

use super::field::{ENDPOINT_SOCKET, Field, SPIFFE_ID, TOKEN_ENDPOINT};
use super::path::{can_never_be, oddity, what_is_at};
use crate::error::Error;

pub(crate) fn parse_endpoint(uri: &str) -> Result<Endpoint, Error> {
    let fail = |problem: &str| {
        ENDPOINT_SOCKET.error(format_args!(
            "{problem}; use unix:///absolute/path or tcp://IP:port"
        ))
    };
    if uri.contains(" #") {
        return Err(fail(
            "has a comment (#) behind it that is part of the value here",
        ));
    }
    if uri.contains('~') && uri.strip_prefix("unix:").is_some_and(is_of_a_home) {
        return Err(fail("has a ~ in it, which only a shell expands"));
    }
    if uri.starts_with('/') {
        return Err(fail(&format!(
            "is a bare path without a scheme: write unix://{uri}"
        )));
    }
    match Endpoint::parse(uri) {
        Ok(Endpoint::Unix(path)) => {
            // The URI parser leaves escapes in place; a socket's name has none.
            let path = percent_decode_str(path.to_str().unwrap_or_default())
                .decode_utf8()
                .map_err(|_| fail("names a path that is not valid UTF-8"))?;
            if path.contains('\0') {
                return Err(fail("names a path with a NUL in it"));
            }
            // sockaddr_un holds 108 bytes, its last one a NUL.
            if path.len() > 107 {
                return Err(fail(&format!(
                    "names a path of {} bytes, and the system allows 107",
                    path.len()
                )));
            }
            match what_is_at(Path::new(path.as_ref())) {
                // What Kubernetes makes of a hostPath that was mounted too early; it
                // stays one until the pod is made anew.
                Some(Ok(there)) if there.is_dir() => {
                    return Err(fail(
                        "names a directory: was it mounted before the agent had made its socket?",
                    ));
                }
                Some(Err(error)) if can_never_be(&error) => {
                    return Err(fail(&format!("can never name a socket ({error})")));
                }
                Some(Err(_)) => {
                    if let Some(problem) = oddity(&path) {
                        return Err(fail(&problem));
                    }
                }
                Some(Ok(_)) | None => {}
            }
            Ok(Endpoint::Unix(PathBuf::from(path.as_ref())))
        }
        Ok(endpoint) => Ok(endpoint),
        Err(EndpointError::UnixMissingPath | EndpointError::UnixAuthorityNotAllowed) => {
            Err(fail("does not name a socket by an absolute path"))
        }
        Err(error) => Err(fail(&format!("is not a SPIFFE endpoint: {error}"))),
    }
}

/// `~/…` behind any number of slashes: no agent has its socket in a directory `~`.
fn is_of_a_home(path: &str) -> bool {
    path.trim_start_matches('/').starts_with('~')
}

pub(super) fn parse_spiffe_id(text: &str) -> Result<SpiffeId, Error> {
    SpiffeId::from_str(text).map_err(|error| {
        Error::invalid_config(format!(
            "{SPIFFE_ID} is not a SPIFFE ID ({error}): write spiffe://trust.domain/path"
        ))
    })
}

pub(crate) fn parse_token_endpoint(text: &str) -> Result<Url, Error> {
    let fail = |problem: &str| Error::invalid_config(format!("{TOKEN_ENDPOINT} {problem}"));
    let url = Url::parse(text).map_err(|error| fail(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("has a user name or password in it; leave them out"));
    }
    if url.fragment().is_some() {
        return Err(fail("has a fragment (#…); leave it out"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(fail(
            "is http://, which would send the SVID in clear; use https:// (http is for loopback only)",
        )),
        _ => Err(fail("is not an https:// URL")),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // RFC 6761 §6.3 reserves the name for loopback.
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// OpenAI does not publish the form of its IDs; what can be told apart is an ID
/// from a placeholder, a quoted value, or a sentence.
pub(super) fn check_id(field: Field, value: &str) -> Result<(), Error> {
    let in_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if value.starts_with('<') {
        return Err(Error::invalid_config(format!(
            "{field} is still a placeholder in angle brackets: put the ID from the OpenAI Platform"
        )));
    }
    if value.len() > 255 || !value.chars().all(in_id) {
        return Err(Error::invalid_config(format!(
            "{field} does not look like an ID ({} characters, not all of them letters, digits or \
             _-.:/): copy it from the OpenAI Platform",
            value.chars().count()
        )));
    }
    Ok(())
}

pub(super) fn seconds(field: &str, value: Option<f64>, default: f64) -> Result<Duration, Error> {
    // Time is counted in milliseconds.
    const SHORTEST: f64 = 0.001;
    const DAY: f64 = 86_400.0;
    let value = value.unwrap_or(default);
    if !(SHORTEST..=DAY).contains(&value) {
        return Err(Error::invalid_config(format!(
            "{field} is {value}: it must be more than 0 (at least {SHORTEST}) and at most {DAY} \
             seconds"
        )));
    }
    Ok(Duration::from_secs_f64(value))
}
