//! From addresses to a connection. One address after the other is tried, none
//! waits for the end of the one before (RFC 8305 §5).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::fault::{Peer, Phase, Progress};

/// How long an address is tried alone, if there is time.
const STAGGER: Duration = Duration::from_millis(250);
const LEAST_STAGGER: Duration = Duration::from_millis(10);

/// Connections to the addresses of one name, as they come about.
pub(crate) struct Race<'a> {
    waiting: VecDeque<SocketAddr>,
    running: JoinSet<(SocketAddr, io::Result<TcpStream>)>,
    under_way: Vec<SocketAddr>,
    stagger: Duration,
    next_start: Instant,
    pub(crate) failed: Vec<(SocketAddr, io::Error)>,
    peer: &'a Peer,
    progress: &'a Progress,
}

impl<'a> Race<'a> {
    /// Half of the time until `deadline` is enough to try them all.
    pub(crate) fn new(
        addresses: Vec<SocketAddr>,
        deadline: Instant,
        peer: &'a Peer,
        progress: &'a Progress,
    ) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        Self {
            waiting: addresses.into(),
            running: JoinSet::new(),
            under_way: Vec::new(),
            stagger: (left / 2 / count).clamp(LEAST_STAGGER, STAGGER),
            next_start: Instant::now(),
            failed: Vec::new(),
            peer,
            progress,
        }
    }

    /// The next connection that is there; `None`: all others failed.
    pub(crate) async fn next(&mut self) -> Option<(SocketAddr, TcpStream)> {
        loop {
            let is_due = self.running.is_empty() || self.next_start <= Instant::now();
            if is_due && let Some(address) = self.waiting.pop_front() {
                self.start(address);
            }
            self.progress
                .set(Phase::Connecting(self.under_way.clone(), self.peer.clone()));
            let more = !self.waiting.is_empty();
            tokio::select! {
                biased;
                ended = self.running.join_next() => match ended? {
                    Ok((address, result)) => {
                        self.under_way.retain(|other| *other != address);
                        match result {
                            Ok(stream) => return Some((address, stream)),
                            Err(error) => {
                                self.failed.push((address, error));
                                self.next_start = Instant::now();
                            }
                        }
                    }
                    // Of a task that was aborted or panicked, neither of which these do.
                    Err(_) => return None,
                },
                () = tokio::time::sleep_until(self.next_start), if more => {}
            }
        }
    }

    /// Whether there is another address than those that were handed out.
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty() || !self.running.is_empty()
    }

    fn start(&mut self, address: SocketAddr) {
        self.under_way.push(address);
        self.next_start = Instant::now() + self.stagger;
        self.running.spawn(async move {
            let stream = TcpStream::connect(address).await;
            // One small request: it shall not wait for company.
            let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
            (address, stream)
        });
    }
}
