//! The JWKS that an administrator uploads, or is about to: read from a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde_json::Value;
use zeroize::Zeroizing;

use super::jwks::{self, Kind, Svid};
use super::report::Check;
use super::rotation::Known;
use crate::error::Error;
use crate::threads::{Lane, NoResult};

/// Sets of keys have a few KiB.
const MAX_BYTES: u64 = 1 << 20;

/// What the file holds.
pub(super) struct Upload {
    pub(super) place: String,
    /// The set, or what is wrong with the file.
    pub(super) jwks: Result<Value, Check>,
}

impl Upload {
    pub(super) async fn read(path: Result<PathBuf, Error>, limit: Duration) -> Self {
        let (place, content) = match path {
            Ok(path) => (
                format!("the JWKS file {}", path.display()),
                on_its_own_thread(path, limit).await,
            ),
            Err(error) => {
                let seen = error.message().to_owned();
                return Self {
                    place: "the JWKS file".to_owned(),
                    jwks: Err(Kind::ToUpload.failed(seen, "name the file with the JWKS")),
                };
            }
        };
        let jwks = match content {
            Ok(content) => jwks::read(&place, &content),
            Err(problem) => Err(Kind::ToUpload.failed(
                format!("{place} {problem}"),
                "let this process read it, or name another file",
            )),
        };
        Self { place, jwks }
    }

    /// The set, for the issuer's next key.
    pub(super) fn known(&self) -> Option<Known<'_>> {
        Some(Known {
            kind: Kind::ToUpload,
            place: &self.place,
            jwks: self.jwks.as_ref().ok()?,
        })
    }

    pub(super) fn judge(&self, svid: Svid<'_>) -> Check {
        match &self.jwks {
            Ok(jwks) => jwks::judge(Kind::ToUpload, &self.place, jwks, svid),
            Err(check) => check.clone(),
        }
    }
}

/// It may hold a private key, and is wiped for that.
type Content = Result<Zeroizing<Vec<u8>>, String>;

async fn on_its_own_thread(path: PathBuf, limit: Duration) -> Content {
    let lane = Lane::default();
    let read = lane.run("svidex-doctor", move || {
        read(&path).map_err(|error| format!("cannot be read: {error}"))
    });
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(content)) => content,
        Ok(Err(NoResult::NoThread(error))) => Err(format!(
            "cannot be read: there is no thread for it ({error})"
        )),
        Ok(Err(NoResult::Panicked)) => Err("cannot be read: that panicked".to_owned()),
        Err(_) => Err("cannot be read: the file system does not answer".to_owned()),
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // A FIFO without a writer would block in open(2).
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(8 * 1_024));
    file.take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}
