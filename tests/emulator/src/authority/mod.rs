//! The SPIFFE authority: keys, the SVIDs signed with them, and the bundle.

mod key;
mod keyring;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

pub use key::{Algorithm, KeyError};
pub use keyring::KeyringError;

use crate::clock;
use crate::dir::StateDir;
use crate::random;
use crate::settings::{Minting, Settings};
use key::SigningKey;
use keyring::Keyring;

/// Signs JWT-SVIDs and repeats them as an agent does.
pub(crate) struct Authority {
    issuer: String,
    keyring: Mutex<Keyring>,
    cache: Mutex<HashMap<CacheKey, Svid>>,
    bundle: watch::Sender<Bundle>,
}

/// One identity and the audiences asked for, sorted.
type CacheKey = (String, Vec<String>);

/// A signed JWT-SVID. Has no `Debug`: it holds a token.
#[derive(Clone)]
pub(crate) struct Svid {
    /// The compact JWT.
    pub(crate) token: String,
    /// When half of its life has passed, in Unix seconds of this host's clock
    /// (whatever the token's own claims say).
    pub(crate) half_life: f64,
    minting: Minting,
}

/// The public keys, in the two forms they are published in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bundle {
    /// As the Workload API delivers them.
    pub(crate) spiffe: Vec<Value>,
    /// As a JWKS endpoint does: with use and algorithm.
    pub(crate) oidc: Vec<Value>,
}

impl Authority {
    /// Opens the keys in `dir`, making an ES256 key where there is none.
    ///
    /// # Errors
    /// The keys cannot be read, made or kept.
    pub(crate) fn open(
        dir: StateDir,
        issuer: String,
        alg: Algorithm,
    ) -> Result<Self, KeyringError> {
        let authority = Self {
            issuer,
            keyring: Mutex::new(Keyring::open(dir)?),
            cache: Mutex::default(),
            bundle: watch::Sender::default(),
        };
        // Those of an earlier start, if there are any, then what is missing.
        authority.publish();
        authority.prepare(alg)?;
        Ok(authority)
    }

    /// The `iss` of its SVIDs.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys now, and a way to be told of the next.
    pub(crate) fn bundle(&self) -> watch::Receiver<Bundle> {
        self.bundle.subscribe()
    }

    /// Makes sure that there is a key for `alg`, so that the first request that
    /// needs it does not wait for a slow RSA key.
    ///
    /// # Errors
    /// The key cannot be made or kept.
    pub(crate) fn prepare(&self, alg: Algorithm) -> Result<(), KeyringError> {
        self.signer(alg).map(|_| ())
    }

    /// Signs with a new key from now on. SVIDs already handed out stay in the
    /// agent's cache, unless `drop_old` unpublishes the keys that signed them.
    ///
    /// # Errors
    /// The key cannot be made or kept.
    pub(crate) fn rotate(&self, alg: Algorithm, drop_old: bool) -> Result<(), KeyringError> {
        lock(&self.keyring).rotate(alg, drop_old)?;
        if drop_old {
            lock(&self.cache).clear();
        }
        self.publish();
        Ok(())
    }

    /// Makes the key that the next rotation puts to use: agents know it, and the
    /// discovery provider does not yet.
    ///
    /// # Errors
    /// The key cannot be made.
    pub(crate) fn make_next(&self, alg: Algorithm) -> Result<(), KeyringError> {
        lock(&self.keyring).make_next(alg)?;
        self.publish();
        Ok(())
    }

    /// The SVID an agent hands out: the cached one until half of its life has
    /// passed, unless the settings say otherwise. The flag tells a new one.
    ///
    /// # Errors
    /// There is no key and none can be made.
    pub(crate) fn svid(
        &self,
        settings: &Settings,
        spiffe_id: &str,
        audience: &[String],
    ) -> Result<(Svid, bool), KeyringError> {
        if !settings.svid_repeat {
            return Ok((self.mint(settings, spiffe_id, audience, true)?, true));
        }
        let mut sorted = audience.to_vec();
        sorted.sort_unstable();
        let key = (spiffe_id.to_owned(), sorted);
        // Held while signing: two callers at once get one SVID, as from an agent.
        let mut cache = lock(&self.cache);
        if let Some(svid) = cache.get(&key)
            && svid.half_life > clock::unix_seconds()
            && svid.minting == settings.minting()
        {
            return Ok((svid.clone(), false));
        }
        let svid = self.mint(settings, spiffe_id, audience, false)?;
        cache.insert(key, svid.clone());
        Ok((svid, true))
    }

    /// Signs a new SVID, past the cache. `unique` adds a `jti`.
    ///
    /// # Errors
    /// There is no key and none can be made.
    pub(crate) fn mint(
        &self,
        settings: &Settings,
        spiffe_id: &str,
        audience: &[String],
        unique: bool,
    ) -> Result<Svid, KeyringError> {
        let key = self.signer(settings.alg)?;
        let now = clock::unix_seconds();
        let iat = (now + settings.svid_clock_offset_seconds).floor();
        // Whole seconds, as every issuer writes them; a life below one is one.
        let exp = iat + settings.svid_ttl_seconds.ceil();
        let aud = match audience {
            [only] if settings.aud_as_string => json!(only),
            _ => json!(audience),
        };
        let mut claims = Map::from_iter([
            ("aud".to_owned(), aud),
            ("exp".to_owned(), json!(exp as i64)),
            ("iat".to_owned(), json!(iat as i64)),
            ("iss".to_owned(), json!(self.issuer)),
            ("sub".to_owned(), json!(spiffe_id)),
        ]);
        if unique {
            claims.insert("jti".to_owned(), json!(random::text(16)));
        }
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!(key.alg().name())),
            ("kid".to_owned(), json!(key.kid())),
            ("typ".to_owned(), json!("JWT")),
        ]);
        for name in &settings.omit_claims {
            header.remove(name);
            claims.remove(name);
        }
        let encode = |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(json!(part).to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
        Ok(Svid {
            token: format!("{input}.{signature}"),
            half_life: now + settings.svid_ttl_seconds / 2.0,
            minting: settings.minting(),
        })
    }

    /// The key that signs with `alg`; a new one is published first.
    fn signer(&self, alg: Algorithm) -> Result<Arc<SigningKey>, KeyringError> {
        let (key, made) = lock(&self.keyring).signer(alg)?;
        if made {
            self.publish();
        }
        Ok(key)
    }

    fn publish(&self) {
        let (keys, next) = {
            let keyring = lock(&self.keyring);
            (keyring.public_jwks(), keyring.next_jwk())
        };
        let spiffe = keys.iter().map(|(_, jwk)| jwk.clone());
        let spiffe = spiffe.chain(next).collect();
        let oidc = keys
            .into_iter()
            .map(|(alg, mut jwk)| {
                jwk["alg"] = json!(alg.name());
                jwk["use"] = json!("sig");
                jwk
            })
            .collect();
        self.bundle.send_replace(Bundle { spiffe, oidc });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
