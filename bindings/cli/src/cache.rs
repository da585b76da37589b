//! `svidex token --cache`: one exchange for many runs of the command. A file for each
//! configuration, in the directory that the system gives to this user alone and empties
//! at its next start.

use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use svidex::{Config, Error, Provider, TokenKind, binding};

use crate::bridge::target::{Access, Target};
use crate::commands::wait_for;
use crate::failure::Failure;
use crate::token::Shown;

#[derive(Serialize, Deserialize)]
struct Entry {
    /// Of what configuration, whole.
    key: String,
    token: String,
    expires_at_unix_ms: i64,
    /// When the library would renew it.
    due_at_unix_ms: i64,
    spiffe_id: String,
    audience: String,
}

/// The token of the file until it is due, and then a new one. `config` holds what the
/// environment adds.
pub(crate) fn cached(config: &Config, show: impl Fn(&Shown) -> String) -> Result<String, Failure> {
    let place = match Place::of(config) {
        Ok(place) => place,
        Err(error) => {
            // A token without a cache is better than none.
            let _ = writeln!(io::stderr(), "svidex: --cache is of no use: {error}");
            return Ok(show(&fresh(&Provider::new(config.clone())?, None)?.0));
        }
    };
    // The rest of the environment (proxies, CAs) counts for an explicit one too.
    let provider = Provider::new(config.clone())?;
    // Runs that come together make one exchange: the others wait for it, and have time
    // for one of their own where nothing comes of it.
    let begun = Instant::now();
    let _locked = place.lock(provider.call_timeout() / 2);
    let kept = place.read();
    let now = now_unix_ms();
    let is_fresh = |it: &&Entry| it.due_at_unix_ms.min(it.expires_at_unix_ms) > now;
    if let Some(entry) = kept.as_ref().filter(is_fresh) {
        return Ok(show(&entry.shown()));
    }
    let left = provider.call_timeout().saturating_sub(begun.elapsed());
    match fresh(&provider, Some(left)) {
        Ok((token, due_at_unix_ms)) => {
            if let Err(error) = place.write(&token, due_at_unix_ms) {
                let _ = writeln!(io::stderr(), "svidex: --cache is of no use: {error}");
            }
            Ok(show(&token))
        }
        // Due is not over: what is kept is good for a while.
        Err(error) => match kept.filter(|it| it.expires_at_unix_ms > now + 10_000) {
            Some(entry) if error.is_retryable() => Ok(show(&entry.shown())),
            _ => Err(error.into()),
        },
    }
}

fn fresh(provider: &Provider, limit: Option<Duration>) -> Result<(Shown, i64), Error> {
    let token = wait_for(provider, TokenKind::Access, limit)?;
    let shown = Shown::of(&token, &provider.status().audience);
    Ok((shown, binding::due_at_unix_ms(&token)))
}

impl Entry {
    fn shown(&self) -> Shown {
        Shown {
            token: self.token.as_str().into(),
            expires_at_unix_ms: self.expires_at_unix_ms,
            spiffe_id: self.spiffe_id.clone(),
            audience: self.audience.clone(),
        }
    }
}

struct Place {
    key: String,
    path: PathBuf,
}

impl Place {
    fn of(config: &Config) -> io::Result<Self> {
        let bad = |problem: String| io::Error::other(problem);
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime
            .filter(|it| it.is_absolute())
            .ok_or_else(|| bad("XDG_RUNTIME_DIR names no directory".to_owned()))?;
        let us = rustix::process::geteuid().as_raw();
        let there = runtime.metadata();
        let there = there.map_err(|error| bad(format!("{}: {error}", runtime.display())))?;
        // Another user's (sudo keeps the variable): what root leaves in it is in their way.
        if there.uid() != us || there.mode() & 0o022 != 0 {
            return Err(bad(format!(
                "{} (XDG_RUNTIME_DIR) belongs to another user, or others can write to it",
                runtime.display()
            )));
        }
        let directory = runtime.join("svidex");
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(bad(format!("{}: {error}", directory.display())));
            }
            _ => {}
        }
        let there = directory.symlink_metadata()?;
        if !there.is_dir() || there.uid() != us || there.mode() & 0o077 != 0 {
            return Err(bad(format!(
                "{} is not a directory of this user alone (0700)",
                directory.display()
            )));
        }
        let key = key(config);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let path = directory.join(format!("token-{:016x}.json", hasher.finish()));
        Ok(Self { key, path })
    }

    /// Held until it is dropped. A run that hangs holds up the others for no longer than
    /// `limit`.
    fn lock(&self, limit: Duration) -> Option<File> {
        const PAUSE: Duration = Duration::from_millis(10);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(self.path.with_extension("lock"))
            .ok()?;
        let begun = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(file),
                Err(Errno::WOULDBLOCK | Errno::INTR) if begun.elapsed() < limit => {
                    std::thread::sleep(PAUSE);
                }
                Err(_) => return None,
            }
        }
    }

    fn read(&self) -> Option<Entry> {
        let mut file = File::options()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(&self.path)
            .ok()?;
        let there = file.metadata().ok()?;
        let us = rustix::process::geteuid().as_raw();
        if !there.is_file() || there.uid() != us || there.mode() & 0o077 != 0 {
            return None;
        }
        let mut text = String::new();
        Read::take(&mut file, 256 * 1024)
            .read_to_string(&mut text)
            .ok()?;
        let entry: Entry = serde_json::from_str(&text).ok()?;
        (entry.key == self.key).then_some(entry)
    }

    fn write(&self, token: &Shown, due_at_unix_ms: i64) -> Result<(), String> {
        let entry = Entry {
            key: self.key.clone(),
            token: token.token.to_string(),
            expires_at_unix_ms: token.expires_at_unix_ms,
            due_at_unix_ms,
            spiffe_id: token.spiffe_id.clone(),
            audience: token.audience.clone(),
        };
        let text = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        let target = Target::new(Path::new(&self.path), Access::PRIVATE, false)?;
        target.tidy();
        (target.replace(text.as_bytes(), None))
            .map(drop)
            .map_err(|it| it.to_string())
    }
}

/// Whatever makes one token another: two configurations with one key are the same.
fn key(config: &Config) -> String {
    let texts = [
        &config.endpoint_socket,
        &config.identity_token_file,
        &config.access_token_file,
        &config.audience,
        &config.spiffe_id,
        &config.hint,
        &config.identity_provider_id,
        &config.service_account_id,
        &config.client_id,
        &config.token_endpoint,
    ];
    let texts = texts.map(|it| it.as_deref().map(str::trim));
    format!("{} {texts:?}", svidex::VERSION)
}

fn now_unix_ms() -> i64 {
    use std::time::SystemTime;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
