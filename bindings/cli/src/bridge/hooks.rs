//! Who is told of a change: a command that is run, a process that gets a signal.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal as Number, kill_process};
use svidex::binding::without_tokens;

use super::log::Log;
use super::plan::Wrong;

/// What is run, without a shell unless it needs one.
#[derive(Clone, Debug)]
pub(crate) struct Command(Vec<String>);

impl Command {
    /// A program, or a line that a shell has to read.
    pub(crate) fn of_line(name: &str, line: &str) -> Result<Self, Wrong> {
        let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
        if line.trim().is_empty() {
            return Self::of_words(name, Vec::new());
        }
        if line.chars().all(is_plain) {
            return Self::of_words(name, vec![line.to_owned()]);
        }
        let words = ["/bin/sh", "-c", line].map(str::to_owned);
        Self::of_words(name, words.to_vec())
    }

    pub(crate) fn of_words(name: &str, words: Vec<String>) -> Result<Self, Wrong> {
        let is_bad = |word: &String| word.contains('\0');
        if words.first().is_none_or(|it| it.is_empty()) || words.iter().any(is_bad) {
            return Err(Wrong(format!(
                "{name} takes a program: a line, or an array of texts that begins with it"
            )));
        }
        Ok(Self(words))
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        without_tokens(&self.0.join(" "))
    }

    fn run(&self, changed: &[PathBuf]) -> Result<(), String> {
        let paths: Vec<_> = changed.iter().map(|it| it.as_os_str().to_owned()).collect();
        let mut command = std::process::Command::new(&self.0[0]);
        command
            .args(&self.0[1..])
            .env("SVIDEX_CHANGED_FILES", paths.join(&OsString::from("\n")))
            .stdin(std::process::Stdio::null());
        let status = command
            .status()
            .map_err(|error| format!("{} cannot be run: {error}", self.shown()))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} ended with {status}", self.shown())),
        }
    }
}

/// A signal for the process whose ID is in a file.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pid_file: PathBuf,
    number: Number,
    name: &'static str,
}

const SIGNALS: [(&str, Number); 7] = [
    ("HUP", Number::HUP),
    ("USR1", Number::USR1),
    ("USR2", Number::USR2),
    ("WINCH", Number::WINCH),
    ("INT", Number::INT),
    ("TERM", Number::TERM),
    ("CONT", Number::CONT),
];

impl Signal {
    pub(crate) fn new(pid_file: PathBuf, named: Option<(&str, String)>) -> Result<Self, Wrong> {
        let (name, number) = match named {
            None => SIGNALS[0],
            Some((name, text)) => {
                let bare = text.trim().to_ascii_uppercase();
                let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
                let found = SIGNALS.iter().find(|it| it.0 == bare);
                let all = SIGNALS.map(|it| it.0).join(", ");
                let shown = without_tokens(&text);
                *found
                    .ok_or_else(|| Wrong(format!("{name} is {shown:?}: it takes one of {all}")))?
            }
        };
        Ok(Self {
            pid_file,
            number,
            name,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn pid_file(&self) -> &Path {
        &self.pid_file
    }

    /// A number stands in it. (A pipe that nobody writes to would be waited for.)
    fn read(&self) -> io::Result<String> {
        const LIMIT: u64 = 64;
        let file = File::options()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open(&self.pid_file)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text)?;
        Ok(text)
    }

    fn send(&self) -> Result<(), String> {
        let file = self.pid_file.display();
        let text = self
            .read()
            .map_err(|error| format!("{file} cannot be read: {error}"))?;
        // 0 and below are whole groups of processes.
        let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
        let pid = pid.and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| format!("{file} does not hold the ID of a process"))?;
        kill_process(pid, self.number).map_err(|error| {
            let error = io::Error::from(error);
            format!("the process that {file} names gets no signal: {error}")
        })
    }
}

/// Tells them, one change at a time: one that comes meanwhile is told after it.
pub(super) struct Hooks {
    pub(super) exec: Option<Command>,
    pub(super) signal: Option<Signal>,
    pub(super) log: Log,
    waiting: Vec<PathBuf>,
    is_running: Arc<AtomicBool>,
}

impl Hooks {
    pub(super) fn new(exec: Option<Command>, signal: Option<Signal>, log: Log) -> Self {
        Self {
            exec,
            signal,
            log,
            waiting: Vec::new(),
            is_running: Arc::default(),
        }
    }

    /// Never waits for a command. To be called again and again: what waits is told then.
    pub(super) fn tell(&mut self, changed: Vec<PathBuf>) {
        if !changed.is_empty() {
            self.send_signal();
        }
        self.waiting.extend(changed);
        let Some(exec) = self.exec.clone().filter(|_| !self.waiting.is_empty()) else {
            self.waiting.clear();
            return;
        };
        if self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (is_running, log) = (Arc::clone(&self.is_running), self.log.clone());
        let mut changed = std::mem::take(&mut self.waiting);
        changed.sort();
        changed.dedup();
        let again = changed.clone();
        let run = move || {
            match exec.run(&changed) {
                Ok(()) => log.info("exec", &format!("{} was run", exec.shown())),
                Err(problem) => log.warning("exec", &problem),
            }
            is_running.store(false, Ordering::Release);
        };
        if let Err(error) = thread::Builder::new()
            .name("svidex-exec".to_owned())
            .spawn(run)
        {
            self.waiting = again;
            self.is_running.store(false, Ordering::Release);
            self.log
                .warning("exec", &format!("there is no thread for it: {error}"));
        }
    }

    /// The same for who ends after it, and waits no longer than `limit`.
    pub(super) fn tell_and_wait(&self, changed: Vec<PathBuf>, limit: Duration) {
        self.send_signal();
        let Some(exec) = self.exec.clone() else {
            return;
        };
        let shown = exec.shown();
        let (done, ended) = sync_channel(1);
        let run = move || drop(done.send(exec.run(&changed)));
        let problem = match thread::Builder::new().spawn(run) {
            Err(error) => Some(format!("there is no thread for it: {error}")),
            Ok(_) => match ended.recv_timeout(limit) {
                Ok(result) => result.err(),
                Err(_) => Some(format!(
                    "{shown} still runs after {} s, and is left alone",
                    limit.as_secs_f64()
                )),
            },
        };
        if let Some(problem) = problem {
            self.log.warning("exec", &problem);
        }
    }

    fn send_signal(&self) {
        if let Some(signal) = &self.signal
            && let Err(problem) = signal.send()
        {
            self.log.warning("signal", &problem);
        }
    }
}
