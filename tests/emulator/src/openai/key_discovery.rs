//! The trusted issuer's keys, found by OIDC discovery over a real socket.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use crate::net::{FetchError, Fetcher};

/// Keys of one issuer, cached.
pub(crate) struct KeyDiscovery {
    issuer: String,
    fetcher: Fetcher,
    cache: Mutex<Option<Cached>>,
}

struct Cached {
    keys: Vec<Value>,
    at: Instant,
}

/// Why there are no keys to judge by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("{url}: {error}")]
    Fetch { url: String, error: FetchError },
    #[error("{url}: {reason}")]
    Document { url: String, reason: &'static str },
}

impl KeyDiscovery {
    pub(crate) fn new(issuer: String, fetcher: Fetcher) -> Self {
        Self {
            issuer,
            fetcher,
            cache: Mutex::default(),
        }
    }

    /// The trusted issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether `issuer` is the trusted one; a slash at the end does not matter.
    pub(crate) fn trusts(&self, issuer: &str) -> bool {
        same_url(issuer, &self.issuer)
    }

    /// The key with that ID: from keys at most `max_age` old, else from a new
    /// look, of which there is at most one for each call.
    pub(crate) async fn key(
        &self,
        kid: &str,
        max_age: Duration,
    ) -> Result<Option<Value>, DiscoveryError> {
        let mut cache = self.cache.lock().await;
        if let Some(cached) = &*cache
            && cached.at.elapsed() <= max_age
            && let Some(key) = find(&cached.keys, kid)
        {
            return Ok(Some(key));
        }
        let keys = self.discover().await?;
        let key = find(&keys, kid);
        *cache = Some(Cached {
            keys,
            at: Instant::now(),
        });
        Ok(key)
    }

    async fn discover(&self) -> Result<Vec<Value>, DiscoveryError> {
        let base = self.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let document = self.fetch(&url).await?;
        if !document["issuer"]
            .as_str()
            .is_some_and(|issuer| self.trusts(issuer))
        {
            let reason = "its issuer is not the trusted one";
            return Err(DiscoveryError::Document { url, reason });
        }
        let Some(jwks_uri) = document["jwks_uri"].as_str() else {
            return Err(DiscoveryError::Document {
                url,
                reason: "it has no jwks_uri",
            });
        };
        let jwks = self.fetch(jwks_uri).await?;
        match jwks["keys"].as_array() {
            Some(keys) => Ok(keys.clone()),
            None => Err(DiscoveryError::Document {
                url: jwks_uri.to_owned(),
                reason: "it has no list of keys",
            }),
        }
    }

    async fn fetch(&self, url: &str) -> Result<Value, DiscoveryError> {
        let failed = |error| DiscoveryError::Fetch {
            url: url.to_owned(),
            error,
        };
        self.fetcher.json(url).await.map_err(failed)
    }
}

fn find(keys: &[Value], kid: &str) -> Option<Value> {
    keys.iter().find(|key| key["kid"] == kid).cloned()
}

fn same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}
