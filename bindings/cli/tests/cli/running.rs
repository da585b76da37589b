//! A bridge that runs while a test looks at what it does.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use svidex_emulator::Emulator;
use tempfile::TempDir;

use crate::common::program;

/// Ten times what any of this takes on a machine with better things to do.
pub(crate) const HANG_GUARD: Duration = Duration::from_secs(60);

/// A directory as the bridge wants it.
pub(crate) fn directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("its mode");
    directory
}

pub(crate) fn subdirectory(of: &TempDir, name: &str) -> PathBuf {
    let path = of.path().join(name);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .expect("a directory");
    path
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("a time")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Where most bridges keep an SVID and an access token.
pub(crate) fn pair(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join("svid"), directory.join("token"))
}

/// The arguments that name them.
pub(crate) fn keeping<'a>(svid: &'a Path, token: &'a Path) -> [&'a str; 4] {
    [
        "--svid-file",
        text(svid),
        "--access-token-file",
        text(token),
    ]
}

/// What is in it, temporary files too.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.to_str().expect("UTF-8").to_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// So many processes, all of them started before the first is waited for.
pub(crate) fn succeed_at_once(count: usize, command: impl Fn() -> Command) {
    let start = |_| command().stdout(Stdio::piped()).spawn();
    let processes: Vec<_> = (0..count).map(start).collect();
    for process in processes {
        let output = process.expect("it starts").wait_with_output();
        assert!(output.expect("it ends").status.success());
    }
}

/// Ends the process whose ID is in a file: what a hook started may outlive its bridge.
pub(crate) fn kill_process_of(pid_file: &Path) {
    let pid = fs::read_to_string(pid_file).expect("text");
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number"));
    let _ = rustix::process::kill_process(pid.expect("a process"), rustix::process::Signal::KILL);
}

/// Waits for what is to come.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + HANG_GUARD;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// `svidex bridge` and these arguments, with the environment that the emulator names.
pub(crate) fn command(emulator: &Emulator, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .arg("bridge")
        .args(args)
        .env_clear()
        .envs(emulator.info().environment())
        .stdin(Stdio::null());
    command
}

impl Running {
    pub(crate) fn start(emulator: &Emulator, args: &[&str]) -> Self {
        Self::of(&mut command(emulator, args))
    }

    /// ... once each file is written.
    pub(crate) fn written(emulator: &Emulator, args: &[&str]) -> Self {
        let bridge = Self::start(emulator, args);
        bridge.wait_for_line(&["all files are written"]);
        bridge
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lock().expect("no panic").push(line);
            }
        });
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it may write to a file, in bytes. Gives whether we may say so.
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        let limit = rustix::process::Rlimit {
            current: bytes,
            maximum: None,
        };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::Fsize, limit).is_ok()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        let lines = self.lines.lock().expect("no panic").clone();
        for line in &lines {
            assert!(!line.contains("eyJ"), "{line}");
            assert!(!line.contains("emulator-access-"), "{line}");
        }
        lines
    }

    /// A line that has all of these words.
    pub(crate) fn wait_for_line(&self, words: &[&str]) -> String {
        let mut found = None;
        until(&format!("no line with {words:?}"), || {
            let lines = self.log();
            found = lines
                .into_iter()
                .find(|line| words.iter().all(|word| line.contains(word)));
            found.is_some()
        });
        found.expect("it was found")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        let mut status = None;
        until("it does not end", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
