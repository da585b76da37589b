//! Readiness, for a service manager (sd_notify(3)) and for whoever looks for a file.

use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::log::Log;
use super::target::{Problem, Target};
use crate::failure::Failure;

pub(super) struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    file: Option<Target>,
    is_ready: bool,
    problem: Option<Problem>,
}

impl Notify {
    pub(super) fn new(file: Option<Target>) -> Self {
        // One that an earlier life left says nothing of this one.
        if let Some(file) = &file {
            file.tidy();
            let _ = file.remove();
        }
        Self {
            manager: manager(),
            file,
            is_ready: false,
            problem: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// All files were written.
    pub(super) fn ready(&mut self, log: &Log) -> Result<(), Failure> {
        if let Some(file) = &self.file
            && let Err(problem) = file.replace(b"", None)
        {
            let words = problem.to_string();
            // Said when it begins and when it changes.
            if self.problem.replace(problem).map(|it| it.to_string()) != Some(words.clone()) {
                log.warning("ready", &words);
            }
            return Err(Failure::File(words));
        }
        self.is_ready = true;
        self.tell("READY=1\nSTATUS=all files are written");
        log.info("ready", "all files are written");
        Ok(())
    }

    /// Still at work, for a watchdog.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
        if let Some(file) = &self.file {
            let _ = file.remove();
        }
    }

    fn tell(&self, what: &str) {
        if let Some((socket, manager)) = &self.manager {
            let _ = socket.send_to_addr(what.as_bytes(), manager);
        }
    }
}

fn manager() -> Option<(UnixDatagram, SocketAddr)> {
    let name = std::env::var_os("NOTIFY_SOCKET")?;
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address(name.to_str()?)?))
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok(),
        None => SocketAddr::from_pathname(name).ok(),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> Option<SocketAddr> {
    SocketAddr::from_pathname(name).ok()
}
