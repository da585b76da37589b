//! The environment, read in one place, once, on the caller's thread: `setenv`
//! elsewhere in the host races with every later read.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The process environment as it was at construction.
pub(crate) struct Environment(HashMap<String, Result<String, ()>>);

impl Environment {
    /// All that counts.
    pub(crate) const NAMES: [&str; 18] = [
        "SPIFFE_ENDPOINT_SOCKET",
        "OPENAI_IDENTITY_TOKEN_FILE",
        "SVIDEX_ACCESS_TOKEN_FILE",
        "SVIDEX_AUDIENCE",
        "SVIDEX_SPIFFE_ID",
        "OPENAI_IDENTITY_PROVIDER_ID",
        "OPENAI_SERVICE_ACCOUNT_ID",
        "SVIDEX_TOKEN_ENDPOINT",
        "OPENAI_API_KEY",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HOME",
    ];

    pub(crate) fn read() -> Self {
        let read = |name: &&str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            Some(((*name).to_owned(), value.into_string().map_err(drop)))
        };
        Self(Self::NAMES.iter().filter_map(read).collect())
    }

    /// The same of what a host says its environment is.
    pub(crate) fn told(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let set = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(set.map(|(name, value)| (name, Ok(value))).collect())
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self::told(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    /// One that the caller names, as it is now.
    pub(crate) fn variable(name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn get(&self, name: &'static str) -> Result<Option<String>, Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.clone())),
            Some(Err(())) => Err(Error::invalid_config(format!(
                "the environment variable {name} is not valid UTF-8"
            ))),
        }
    }

    /// Whether a Workload API and a token file are named both.
    pub(super) fn names_two_sources(&self) -> bool {
        let names = ["OPENAI_IDENTITY_TOKEN_FILE", "SPIFFE_ENDPOINT_SOCKET"];
        names.iter().all(|&name| self.0.contains_key(name))
    }

    /// What `~` stands for.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let home = self.get("HOME").ok().flatten()?;
        Path::new(&home).is_absolute().then(|| home.into())
    }

    pub(super) fn first(
        &self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, String)>, Error> {
        for &name in names {
            if let Some(value) = self.get(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}
