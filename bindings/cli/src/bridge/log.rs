//! The bridge's log, on standard error: a reader that is slow holds up nothing.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use svidex::{Event, Level, binding};

use super::options::LogFormat;

/// Lines that wait for a reader; what is more is counted.
const BACKLOG: usize = 256;

#[derive(Clone)]
pub(crate) struct Log {
    format: LogFormat,
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

enum Line {
    Text(String),
    /// Everything before it was written.
    Mark(SyncSender<()>),
}

impl Log {
    pub(super) fn start(format: LogFormat) -> io::Result<Self> {
        let (lines, incoming) = sync_channel(BACKLOG);
        let write = move || {
            for line in incoming {
                match line {
                    // Nothing is left to do if standard error is closed.
                    Line::Text(text) => drop(io::stderr().write_all(text.as_bytes())),
                    Line::Mark(done) => drop(done.try_send(())),
                }
            }
        };
        thread::Builder::new()
            .name("svidex-log".to_owned())
            .spawn(write)?;
        Ok(Self {
            format,
            lines,
            dropped: Arc::default(),
        })
    }

    pub(super) fn info(&self, event: &str, message: &str) {
        self.write(Level::Info, event, message, json!({}));
    }

    pub(super) fn warning(&self, event: &str, message: &str) {
        self.write(Level::Warning, event, message, json!({}));
    }

    pub(super) fn of_file(&self, level: Level, event: &str, file: &Path, message: &str) {
        let file = json!({"file": file.display().to_string()});
        self.write(level, event, message, file);
    }

    /// What the library has to say of the tokens for one audience.
    pub(super) fn of_library(&self, audience: &str, event: &Event) {
        if event.level == Level::Debug {
            return;
        }
        let error = event.error.as_ref();
        let fields = json!({
            "audience": audience,
            "error_kind": error.map(|it| it.kind()),
            "http_status": error.and_then(|it| it.http_status()),
            "oauth_code": error.and_then(|it| it.oauth_code()),
        });
        let message = match self.format {
            LogFormat::Text => format!("{} (audience {audience})", event.message),
            LogFormat::Json => event.message.clone(),
        };
        self.write(event.level, event.kind.as_str(), &message, fields);
    }

    fn write(&self, level: Level, event: &str, message: &str, fields: Value) {
        let time = binding::rfc3339(now_unix_ms());
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let line = match self.format {
            LogFormat::Text => {
                let dropped = match dropped {
                    0 => String::new(),
                    count => format!(" ({count} lines were lost before this one)"),
                };
                format!(
                    "{time} svidex bridge: {}: {message}{dropped}\n",
                    level.as_str()
                )
            }
            LogFormat::Json => {
                let mut line = json!({
                    "time": time,
                    "level": level.as_str(),
                    "event": event,
                    "message": message,
                });
                if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
                    line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
                    if dropped > 0 {
                        line.insert("dropped_before".to_owned(), dropped.into());
                    }
                }
                format!("{line}\n")
            }
        };
        if self.lines.try_send(Line::Text(line)).is_err() {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    /// Waits a little until what was said can be read.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Line::Mark(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_millis(200));
        }
    }
}

pub(super) fn now_unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
