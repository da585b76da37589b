//! Access tokens: kept as hashes, so that nothing here can leak one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};

use crate::clock;

/// What the API knows about a token.
#[derive(Clone)]
struct Grant {
    subject: String,
    /// Unix seconds.
    end: f64,
    revoked: bool,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unknown,
    Expired,
    Revoked,
}

/// All tokens given out by this process.
#[derive(Default)]
pub(crate) struct AccessTokens(Mutex<HashMap<String, Grant>>);

impl AccessTokens {
    pub(crate) fn add(&self, token: &str, subject: &str, end: f64) {
        let grant = Grant {
            subject: subject.to_owned(),
            end,
            revoked: false,
        };
        self.lock().insert(sha256_hex(token), grant);
    }

    /// The subject that `token` stands for.
    pub(crate) fn subject(&self, token: &[u8]) -> Result<String, Refused> {
        match self.lock().get(&sha256_hex(token)) {
            None => Err(Refused::Unknown),
            Some(grant) if grant.revoked => Err(Refused::Revoked),
            Some(grant) if grant.end <= clock::unix_seconds() => Err(Refused::Expired),
            Some(grant) => Ok(grant.subject.clone()),
        }
    }

    /// Revokes the token with that SHA-256, in hexadecimal; tells how many.
    pub(crate) fn revoke(&self, sha256: &str) -> usize {
        let sha256 = sha256.to_ascii_lowercase();
        self.revoke_where(|hash| hash == sha256)
    }

    /// Revokes all tokens given out so far.
    pub(crate) fn revoke_all(&self) -> usize {
        self.revoke_where(|_| true)
    }

    fn revoke_where(&self, chosen: impl Fn(&str) -> bool) -> usize {
        let mut grants = self.lock();
        let chosen = grants.iter_mut().filter(|(hash, _)| chosen(hash));
        chosen.map(|(_, grant)| grant.revoked = true).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sha256_hex(token: impl AsRef<[u8]>) -> String {
    let hash = digest(&SHA256, token.as_ref());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
