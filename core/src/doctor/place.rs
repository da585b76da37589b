//! What is at the path that a source is configured with.

use std::fmt;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use spiffe::transport::Endpoint;

use crate::config::SourceSettings;
use crate::threads::Lane;

/// Reads on from the name of the source: ` (mode 0600)`.
pub(super) enum Place {
    There {
        mode: u32,
        socket: bool,
    },
    /// The longest part that exists, and the shortest that does not.
    Missing {
        exists: PathBuf,
        missing: PathBuf,
    },
    /// Not a path, or one that cannot be looked at.
    Unknown,
}

impl Place {
    /// Elsewhere than on the runtime's thread, and not for ever: a dead network
    /// file system would hold it up.
    pub(super) async fn look(source: &SourceSettings, limit: Duration) -> Self {
        let path = match source {
            SourceSettings::File { path, .. } => path.clone(),
            SourceSettings::WorkloadApi {
                endpoint: Endpoint::Unix(path),
                ..
            } => path.clone(),
            SourceSettings::WorkloadApi { .. }
            | SourceSettings::None
            | SourceSettings::Custom { .. } => {
                return Self::Unknown;
            }
        };
        let lane = Lane::default();
        let look = lane.run("svidex-doctor", move || Self::at(&path));
        match tokio::time::timeout(limit, look).await {
            Ok(Ok(place)) => place,
            _ => Self::Unknown,
        }
    }

    fn at(path: &Path) -> Self {
        if let Ok(metadata) = path.metadata() {
            return Self::There {
                mode: metadata.permissions().mode() & 0o7777,
                socket: metadata.file_type().is_socket(),
            };
        }
        let mut missing = path;
        for parent in path.ancestors().skip(1) {
            // An error other than "not found" leaves it open.
            match parent.try_exists() {
                Ok(true) => {
                    return match missing.try_exists() {
                        Ok(false) => Self::Missing {
                            exists: parent.to_owned(),
                            missing: missing.to_owned(),
                        },
                        _ => Self::Unknown,
                    };
                }
                Ok(false) => missing = parent,
                Err(_) => return Self::Unknown,
            }
        }
        Self::Unknown
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There { mode, .. } => write!(f, " (mode {mode:04o})"),
            Self::Missing { exists, missing } => write!(
                f,
                " ({} exists, {} does not)",
                exists.display(),
                missing.display()
            ),
            Self::Unknown => Ok(()),
        }
    }
}
