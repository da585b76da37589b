//! All signing keys of the authority, kept on disk so that a restarted process
//! is still the same authority.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::key::{Algorithm, KeyError, SigningKey, StoredKey};
use crate::dir::StateDir;

const FILE: &str = "keys.json";

/// Why the keys cannot be read, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file is.
    #[error("{FILE}: {0}")]
    File(#[from] io::Error),
    /// What it holds is not a list of keys.
    #[error("{FILE}: {0}")]
    Content(#[from] serde_json::Error),
}

/// Published keys, oldest first. The newest of an algorithm signs.
pub(super) struct Keyring {
    dir: StateDir,
    keys: Vec<Arc<SigningKey>>,
    /// Signs after the next rotation. It is in the agent's bundle, and not published.
    next: Option<Arc<SigningKey>>,
}

impl Keyring {
    pub(super) fn open(dir: StateDir) -> Result<Self, KeyringError> {
        let stored: Vec<StoredKey> = match dir.read(FILE)? {
            Some(text) => serde_json::from_str(&text)?,
            None => Vec::new(),
        };
        let keys = stored
            .into_iter()
            .map(|key| SigningKey::load(key).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            dir,
            keys,
            next: None,
        })
    }

    /// The key that signs with `alg`, made now if there is none; the flag says
    /// whether it was.
    pub(super) fn signer(
        &mut self,
        alg: Algorithm,
    ) -> Result<(Arc<SigningKey>, bool), KeyringError> {
        match self.keys.iter().rfind(|key| key.alg() == alg) {
            Some(key) => Ok((Arc::clone(key), false)),
            None => Ok((self.add(alg)?, true)),
        }
    }

    /// Makes a new key that signs from now on; `drop_old` unpublishes all others.
    pub(super) fn rotate(&mut self, alg: Algorithm, drop_old: bool) -> Result<(), KeyringError> {
        if drop_old {
            self.keys.clear();
        }
        let prepared = self.next.take().filter(|key| key.alg() == alg);
        match prepared {
            Some(key) => self.keep(key),
            None => self.add(alg).map(drop),
        }
    }

    /// Makes the key that the next rotation puts to use.
    pub(super) fn make_next(&mut self, alg: Algorithm) -> Result<(), KeyringError> {
        self.next = Some(Arc::new(SigningKey::generate(alg)?));
        Ok(())
    }

    pub(super) fn next_jwk(&self) -> Option<Value> {
        self.next.as_ref().map(|key| key.public_jwk())
    }

    pub(super) fn public_jwks(&self) -> Vec<(Algorithm, Value)> {
        let public = |key: &Arc<SigningKey>| (key.alg(), key.public_jwk());
        self.keys.iter().map(public).collect()
    }

    fn add(&mut self, alg: Algorithm) -> Result<Arc<SigningKey>, KeyringError> {
        let key = Arc::new(SigningKey::generate(alg)?);
        self.keep(Arc::clone(&key))?;
        Ok(key)
    }

    fn keep(&mut self, key: Arc<SigningKey>) -> Result<(), KeyringError> {
        self.keys.push(key);
        let stored: Vec<&StoredKey> = self.keys.iter().map(|key| key.stored()).collect();
        self.dir.write(FILE, &json!(stored).to_string())?;
        Ok(())
    }
}
