//! Writes a token file the ways that sidecars do.

use std::fs;
use std::future::pending;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::authority::Authority;
use crate::clock;
use crate::dir;
use crate::random;
use crate::world::World;

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFileMode {
    /// A new file renamed over the old: readers see one or the other.
    #[default]
    Rename,
    /// Emptied and rewritten in place, in two writes, as spiffe-helper does:
    /// readers can see nothing, or half a token.
    Truncate,
    /// A symbolic link by way of `..data`, swapped as kubelet does in a
    /// projected volume.
    Symlink,
    /// Not written any more.
    Stop,
    /// Written now, by rename, and not again.
    Once,
}

/// What to do with the token file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFilePlan {
    /// How.
    pub mode: TokenFileMode,
    /// How often; absent: at half of the token's life, and whenever a setting
    /// that goes into a token changes.
    #[serde(default)]
    pub interval_ms: Option<u64>,
    /// Written in place of a token.
    #[serde(default)]
    pub content: Option<String>,
}

/// The writer.
pub(crate) struct TokenFile {
    path: PathBuf,
    audience: String,
    world: Arc<World>,
    authority: Arc<Authority>,
    state: Mutex<State>,
    replanned: Notify,
}

#[derive(Default)]
struct State {
    plan: TokenFilePlan,
    /// When to write again, in Unix seconds; `None` for never.
    due: Option<f64>,
}

impl TokenFile {
    pub(crate) fn new(
        path: PathBuf,
        audience: String,
        world: Arc<World>,
        authority: Arc<Authority>,
    ) -> Self {
        Self {
            path,
            audience,
            world,
            authority,
            state: Mutex::default(),
            replanned: Notify::new(),
        }
    }

    /// Follows `plan` from now on; the first write is done on return.
    pub(crate) fn follow(&self, plan: TokenFilePlan) -> io::Result<()> {
        let mut state = self.lock();
        state.plan = plan;
        let written = self.write(&mut state);
        drop(state);
        self.replanned.notify_one();
        written
    }

    /// Writes a new token now, because another setting or key calls for one;
    /// unless the plan is to write none.
    pub(crate) fn renew(&self) -> io::Result<()> {
        let mut state = self.lock();
        let writes = !matches!(state.plan.mode, TokenFileMode::Stop | TokenFileMode::Once);
        if !writes || state.plan.content.is_some() {
            return Ok(());
        }
        let written = self.write(&mut state);
        drop(state);
        self.replanned.notify_one();
        written
    }

    /// Keeps writing; never returns.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let due = self.lock().due;
            let wait = async {
                match due {
                    Some(at) => {
                        let left = (at - clock::unix_seconds()).max(0.0);
                        tokio::time::sleep(Duration::from_secs_f64(left)).await;
                    }
                    None => pending().await,
                }
            };
            tokio::select! {
                () = wait => {
                    let mut state = self.lock();
                    // Unless a new plan came in between.
                    if state.due == due {
                        // The next round tries again; the counter shows what was done.
                        let _ = self.write(&mut state);
                    }
                }
                () = self.replanned.notified() => {}
            }
        }
    }

    /// One write, and when the next is due.
    fn write(&self, state: &mut State) -> io::Result<()> {
        let settings = self.world.settings();
        let plan = &state.plan;
        state.due = None;
        if plan.mode == TokenFileMode::Stop {
            return Ok(());
        }
        let mut half_life = None;
        let content = match (&plan.content, settings.identities.first()) {
            (Some(content), _) => content.clone(),
            (None, Some(identity)) => {
                let audience = std::slice::from_ref(&self.audience);
                let svid = self
                    .authority
                    .mint(&settings, &identity.spiffe_id, audience, true)
                    .map_err(io::Error::other)?;
                half_life = Some(svid.half_life);
                svid.token
            }
            // No identity: a sidecar has nothing to write.
            (None, None) => return Ok(()),
        };
        let interval = plan
            .interval_ms
            .map(|ms| clock::unix_seconds() + ms as f64 / 1000.0);
        state.due = match plan.mode {
            TokenFileMode::Once => None,
            _ => interval.or(half_life),
        };
        match plan.mode {
            TokenFileMode::Rename | TokenFileMode::Once => {
                dir::replace_file(&self.path, content.as_bytes())
            }
            TokenFileMode::Truncate => rewrite_in_place(&self.path, content.as_bytes()),
            TokenFileMode::Symlink => swap_link(&self.path, content.as_bytes()),
            TokenFileMode::Stop => Ok(()),
        }?;
        self.world
            .counting
            .add(|counters| counters.token_file_writes += 1);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rewrite_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        dir::replace_file(path, content)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let (first, second) = content.split_at(content.len() / 2);
    // Lets readers in at each of the states that this way of writing exposes.
    std::thread::yield_now();
    file.write_all(first)?;
    std::thread::yield_now();
    file.write_all(second)
}

/// `token` -> `..data/token`, `..data` -> a directory that is new each time.
fn swap_link(path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("the token file has no directory"));
    };
    let link = parent.join("..data");
    let old = fs::read_link(&link).ok();
    let new = format!("..{}", random::text(9));
    fs::create_dir(parent.join(&new))?;
    dir::write_private(&parent.join(&new).join(name), content)?;
    replace_link(Path::new(&new), &link)?;
    let target = Path::new("..data").join(name);
    if fs::read_link(path).ok().as_deref() != Some(target.as_path()) {
        replace_link(&target, path)?;
    }
    match old {
        Some(old) => fs::remove_dir_all(parent.join(old)),
        None => Ok(()),
    }
}

fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    let mut name = link.file_name().unwrap_or_default().to_os_string();
    name.push("_new");
    let temporary = link.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &temporary)?;
    fs::rename(&temporary, link)
}
