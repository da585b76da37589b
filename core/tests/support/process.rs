//! The emulator as processes of its own, which can be killed and frozen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use svidex_emulator::Info;

/// One process of the emulator; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) info: Info,
}

impl Process {
    /// Starts it and waits until it listens. `arguments` begins with the role.
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(arguments)
            .arg("--dir")
            .arg(dir)
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let info = serde_json::from_str(&line).expect("one line of JSON");
        Self { child, info }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// SIGSTOP: its sockets stay open and nobody answers.
    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a process to stop");
    }

    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a process to continue");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// A command to its control API; panics if it is refused.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = request(&self.info.control, method, path, &[], &body.to_string());
        assert_eq!(status, 200, "{method} {path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `SVIDEX_EMULATOR`, else the one that cargo built beside this test.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("SVIDEX_EMULATOR") {
        return path.into();
    }
    let this = std::env::current_exe().expect("a path");
    let path = this
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps")
        .join("svidex-emulator");
    assert!(
        path.exists(),
        "{} is missing: cargo build -p svidex-emulator",
        path.display()
    );
    path
}

/// One request over plain HTTP: its status and its body. A client of a few
/// lines, because what it allocates must not blur what a test measures.
pub(crate) fn request(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let authority = base.strip_prefix("http://").expect("plain HTTP");
    let (authority, prefix) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
    let mut stream = TcpStream::connect(authority).expect("a connection");
    let mut head = format!(
        "{method} {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}\r\n{body}").expect("a request sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no HTTP: {answer}"));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}
