//! How a bridge is, for whoever asks over its socket: one JSON object, and the end.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::plan::Format;

/// The bridge looks at everything once a second.
const STALLED: Duration = Duration::from_secs(10);
/// Whoever asks reads at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// One file.
#[derive(Clone, Serialize)]
pub(super) struct FileStatus {
    pub(super) path: PathBuf,
    /// `svid` or `access_token`.
    pub(super) kind: &'static str,
    pub(super) audience: String,
    pub(super) format: Format,
    /// `written`, or `absent` while there is no token for it.
    pub(super) state: &'static str,
    pub(super) expires_at: Option<String>,
    pub(super) written_at: Option<String>,
    pub(super) writes: u64,
    pub(super) problem: Option<String>,
}

#[derive(Default)]
struct Shown {
    files: Vec<FileStatus>,
    tokens: Vec<svidex::Status>,
    is_ready: bool,
    at: Option<Instant>,
}

/// What is shown, and where it is listened for.
#[derive(Clone, Default)]
pub(super) struct Board(Arc<Mutex<Shown>>);

impl Board {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, files: Vec<FileStatus>, tokens: Vec<svidex::Status>, is_ready: bool) {
        *self.shown() = Shown {
            files,
            tokens,
            is_ready,
            at: Some(Instant::now()),
        };
    }

    fn text(&self) -> String {
        let shown = self.shown();
        let since = shown.at.map_or(Duration::MAX, |it| it.elapsed());
        let is_fine = |it: &FileStatus| it.state == "written" && it.problem.is_none();
        let healthy = since < STALLED && !shown.files.is_empty() && shown.files.iter().all(is_fine);
        let status = json!({
            "svidex": svidex::VERSION,
            "pid": std::process::id(),
            "healthy": healthy,
            "ready": shown.is_ready,
            "stalled": since >= STALLED,
            "files": shown.files,
            "tokens": shown.tokens,
        });
        format!("{status}\n")
    }

    /// Answers at `path` until this process ends.
    pub(super) fn serve(&self, path: &Path) -> io::Result<()> {
        let listener = listen(path)?;
        let board = self.clone();
        let serve = move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => board.answer(stream),
                    // No descriptor left, say: that passes.
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        thread::Builder::new()
            .name("svidex-status".to_owned())
            .spawn(serve)?;
        Ok(())
    }

    fn answer(&self, mut stream: UnixStream) {
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let _ = stream.write_all(self.text().as_bytes());
    }
}

/// A socket that another bridge has left is replaced; one that somebody answers at, or
/// may, is not, and what is no socket even less.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = path.symlink_metadata() {
        if !there.file_type().is_socket() {
            return Err(io::Error::other("there is something else in its place"));
        }
        match connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let problem = format!("another bridge may be behind it: {error}");
                return Err(io::Error::new(error.kind(), problem));
            }
            Ok(_) => return Err(io::Error::other("another bridge answers there")),
        }
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What the bridge that listens at `path` says.
pub(super) fn ask(path: &Path) -> io::Result<String> {
    const LIMIT: u64 = 16 * 1024 * 1024;
    let path = path.to_owned();
    in_time(move || {
        let mut text = String::new();
        let stream = UnixStream::connect(path)?;
        stream.take(LIMIT).read_to_string(&mut text)?;
        Ok(text)
    })
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let path = path.to_owned();
    in_time(move || UnixStream::connect(path))
}

/// Where nobody accepts what came before, a connection is waited for without end.
fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, ended) = sync_channel(1);
    thread::Builder::new().spawn(move || drop(done.try_send(work())))?;
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let words = format!("no answer within {} s", PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    })
}
