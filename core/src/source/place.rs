//! What is at the path that a source is configured with.

use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Reads on from the name of the source: ` (mode 0600)`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    There {
        mode: u32,
        owner: (u32, u32),
        socket: bool,
    },
    /// The longest part that exists, and the shortest that does not.
    Missing { exists: PathBuf, missing: PathBuf },
    /// A directory that this process may not enter.
    NoEntry(PathBuf),
    /// A file in the place of a directory.
    NoDirectory(PathBuf),
    /// Not a path, or one that cannot be looked at.
    Unknown,
}

impl Place {
    /// Asks the file system, which may take its time.
    pub(crate) fn at(path: &Path) -> Self {
        let error = match path.metadata() {
            Ok(metadata) => {
                return Self::There {
                    mode: metadata.mode() & 0o7777,
                    owner: (metadata.uid(), metadata.gid()),
                    socket: metadata.file_type().is_socket(),
                };
            }
            Err(error) => error,
        };
        let mut beyond = path;
        for parent in path.ancestors().skip(1) {
            if let Ok(metadata) = parent.metadata() {
                return match error.kind() {
                    _ if !metadata.is_dir() => Self::NoDirectory(parent.to_owned()),
                    io::ErrorKind::PermissionDenied => Self::NoEntry(parent.to_owned()),
                    io::ErrorKind::NotFound => Self::Missing {
                        exists: parent.to_owned(),
                        missing: beyond.to_owned(),
                    },
                    _ => Self::Unknown,
                };
            }
            beyond = parent;
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
            Self::NoEntry(directory) => {
                write!(f, " ({} may not be entered)", directory.display())
            }
            Self::NoDirectory(file) => write!(f, " ({} is no directory)", file.display()),
            Self::Unknown => Ok(()),
        }
    }
}

/// Who this process is to the file system, in words.
pub(crate) fn who() -> String {
    format!(
        "uid {}, gid {}",
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_from_what_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(
            Place::at(&file),
            Place::There { socket: false, .. }
        ));
        let missing = dir.path().join("a");
        assert_eq!(
            Place::at(&missing.join("b/c")),
            Place::Missing {
                exists: dir.path().to_owned(),
                missing
            }
        );
        assert_eq!(Place::at(&file.join("x")), Place::NoDirectory(file));
    }
}
