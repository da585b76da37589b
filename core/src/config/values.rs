//! What a single value must look like. Each error names the setting, the
//! value's shape (never a secret) and the fix.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use spiffe::SpiffeId;
use spiffe::transport::{Endpoint, EndpointError};
use url::Url;

use super::{ENDPOINT_SOCKET, IDENTITY_TOKEN_FILE, SPIFFE_ID, TOKEN_ENDPOINT};
use crate::error::Error;

/// Longer than any value that means something; a megabyte in a setting is a mistake.
const MAX_TEXT_BYTES: usize = 4_096;

pub(crate) fn parse_endpoint(uri: &str) -> Result<Endpoint, Error> {
    let fail = |problem: &str| {
        Error::invalid_config(format!(
            "{ENDPOINT_SOCKET} {problem}; use unix:///absolute/path or tcp://IP:port"
        ))
    };
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
            // What Kubernetes makes of a hostPath that was mounted too early; it
            // stays one until the pod is made anew.
            if Path::new(path.as_ref()).is_dir() {
                return Err(fail(
                    "names a directory: was it mounted before the agent had made its socket?",
                ));
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

/// Fixed now: the working directory may change under us.
pub(super) fn fixed(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    // It fails where there is no working directory: then nothing can be fixed.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn parse_file(path: &str) -> Result<PathBuf, Error> {
    let path = fixed(path);
    // A missing file may still come (sidecars start when they start); a thing
    // that is there and is no file will not turn into one.
    if path.is_dir() {
        return Err(Error::invalid_config(format!(
            "{IDENTITY_TOKEN_FILE} is a directory: {}; name the file in it",
            path.display()
        )));
    }
    Ok(path)
}

/// Looked at now, read when it is first needed. Opening it would block on a FIFO.
pub(super) fn parse_ca_file(path: &str) -> Result<PathBuf, Error> {
    let path = fixed(path);
    let bad = |problem: &str| {
        Error::invalid_config(format!(
            "ca_file {}: {problem}; name a PEM file with the CA certificates to trust",
            path.display()
        ))
    };
    let metadata = std::fs::metadata(&path).map_err(|error| bad(&error.to_string()))?;
    if metadata.is_dir() {
        return Err(bad("it is a directory"));
    }
    if !metadata.is_file() {
        return Err(bad("it is not a regular file"));
    }
    std::fs::File::open(&path).map_err(|error| bad(&error.to_string()))?;
    Ok(path)
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

pub(super) fn check_text(field: &str, value: Option<&str>) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    let problem = if value.trim().is_empty() {
        "is empty: leave it out, or give it a value".to_owned()
    } else if value.len() > MAX_TEXT_BYTES {
        format!(
            "has {} bytes, and at most {MAX_TEXT_BYTES} make sense",
            value.len()
        )
    } else if value.contains('\0') {
        "has a NUL byte in it".to_owned()
    } else if value.chars().any(char::is_control) {
        "has a control character in it (a line end, perhaps, from the file it was read from): \
         remove it"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid_config(format!("{field} {problem}")))
}

/// OpenAI does not publish the form of its IDs; what can be told apart is an ID
/// from a placeholder, a quoted value, or a sentence.
pub(super) fn check_id(field: &str, value: &str) -> Result<(), Error> {
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
