//! The environment, read in one place, once, on the caller's thread: `setenv`
//! elsewhere in the host races with every later read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The process environment as it was at construction.
pub(crate) struct Environment(HashMap<String, Result<String, ()>>);

impl Environment {
    pub(crate) fn read() -> Self {
        const NAMES: [&str; 17] = [
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
            "HOME",
        ];
        let read = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value.into_string().map_err(drop)))
        };
        Self(
            NAMES
                .into_iter()
                .chain(["SSL_CERT_DIR"])
                .filter_map(read)
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        Self(
            set.map(|(k, v)| ((*k).to_owned(), Ok((*v).to_owned())))
                .collect(),
        )
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
