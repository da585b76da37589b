//! The state directory: what survives a restart of the emulator.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

/// A directory that holds keys, ports and the files that clients are given.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// Opens `path`, creating it where it is missing. The path is made absolute,
    /// because it ends up in URIs that other processes read.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self(path.canonicalize()?))
    }

    /// The path of a file inside the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The content of `name`, or `None` where there is no such file.
    ///
    /// # Errors
    /// Any failure other than a missing file.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces `name` in one step, readable by the owner alone.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        replace_file(&self.path(name), text.as_bytes())
    }

    /// Binds a loopback TCP port under a name. The first start takes a free port
    /// and notes it; later starts take the same one, so that an authority which
    /// is killed and started again keeps its issuer URL.
    ///
    /// # Errors
    /// The port noted earlier is in use, or the note cannot be read or written.
    pub(crate) async fn bind(&self, name: &str) -> io::Result<TcpListener> {
        let note = format!("port-{name}");
        let port = match self.read(&note)? {
            Some(text) => text.trim().parse().map_err(io::Error::other)?,
            None => 0,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let file = self.path(&note);
            io::Error::new(
                error.kind(),
                format!("{error} ({address}, the port noted in {})", file.display()),
            )
        })?;
        if port == 0 {
            self.write(&note, &listener.local_addr()?.port().to_string())?;
        }
        Ok(listener)
    }
}

/// Writes a file beside `path` and renames it over: readers see the old content
/// or the new, never a part.
///
/// # Errors
/// Whatever the file system says.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    write_private(&temporary, content)?;
    fs::rename(&temporary, path)
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// Whatever the file system says.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}
