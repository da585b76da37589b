//! From a name to addresses. `getaddrinfo` blocks for as long as name servers
//! keep silent, so it runs on a thread of its own, once for each name.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fault::{Fault, Peer};
use super::job::Job;

/// How long the plain look-up is alone: a hosts file answers in that time, and
/// so does a name server that answers at all.
const HEAD_START: Duration = Duration::from_millis(300);

/// What a name was found to be is good for a retry or two.
const KEEPS: Duration = Duration::from_secs(60);

/// Blocking, as the system has it.
pub(crate) trait Lookup: Send + Sync + 'static {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As every other program on this system looks names up.
struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = (name, 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

type Names = HashMap<String, Arc<Job<io::Result<Vec<IpAddr>>>>>;

pub(crate) struct Resolver {
    lookup: Arc<dyn Lookup>,
    /// The few that one client asks for. Held for an instant, by one process.
    names: Mutex<Names>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with(Arc::new(SystemLookup))
    }
}

impl Resolver {
    pub(crate) fn with(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            names: Mutex::default(),
        }
    }

    /// The addresses of a URL's host, of both families in turn.
    pub(crate) async fn addresses(&self, host: &str, peer: &Peer) -> Result<Vec<IpAddr>, Fault> {
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        if let Ok(address) = literal {
            return Ok(vec![address]);
        }
        let found = self.look_up(host).await?;
        match found {
            Ok(found) if !found.is_empty() => Ok(in_turn(found)),
            Ok(_) => Err(Fault::lookup(host, peer, None)),
            Err(error) => Err(Fault::lookup(host, peer, Some(error))),
        }
    }

    /// With a search list (`ndots:5` in a pod) the system tries a name with each
    /// domain behind it before the name itself; behind a dead name server that is
    /// seconds for each. So after a head start the name itself is looked up
    /// beside, and the first that is found counts.
    async fn look_up(&self, name: &str) -> Result<io::Result<Vec<IpAddr>>, Fault> {
        let plain = self.run(name.to_owned());
        if !name.contains('.') || name.ends_with('.') {
            return plain.await;
        }
        let absolute = async {
            tokio::time::sleep(HEAD_START).await;
            match self.run(format!("{name}.")).await {
                Ok(Ok(found)) if !found.is_empty() => found,
                // The plain one is the one whose failure counts.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = plain => result,
            found = absolute => Ok(Ok(found)),
        }
    }

    async fn run(&self, name: String) -> Result<io::Result<Vec<IpAddr>>, Fault> {
        let job = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(names.entry(name.clone()).or_default())
        };
        let lookup = Arc::clone(&self.lookup);
        job.run("svidex-dns", KEEPS, move || lookup.addresses(&name))
            .await
    }
}

/// RFC 8305 §4: by turns, the family that the system prefers first, so that a
/// network without one of them costs one attempt, not all.
fn in_turn(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut turns: Vec<IpAddr> = Vec::new();
    for address in first {
        turns.push(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    let mut seen = std::collections::HashSet::new();
    turns.retain(|address| seen.insert(*address));
    turns
}
