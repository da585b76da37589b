//! Who could put another directory in the place of one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What lets others than those of `is_trusted` do so, if anything does: somewhere above,
/// a directory to which all can write. Its sticky bit keeps what is in it, if that is no
/// stranger's. The root of a file system without that bit is a volume of a pod, to which
/// Kubernetes lets all of its containers write: nobody can be told from another there.
pub(crate) fn replaceable(directory: &Path, is_trusted: &dyn Fn(u32) -> bool) -> Option<String> {
    let found = directory.canonicalize();
    // One that is to be made has its place in its parent.
    let mut below = match (found, directory.parent(), directory.file_name()) {
        (Ok(found), _, _) => found,
        (Err(_), Some(parent), Some(name)) => parent.canonicalize().ok()?.join(name),
        _ => return None,
    };
    while let Some(above) = below.parent().map(Path::to_owned) {
        if let Some(problem) = problem(&above, &below, is_trusted) {
            return Some(format!("the directory {} {problem}", above.display()));
        }
        below = above;
    }
    None
}

/// What cannot be looked at is nothing to refuse: whoever opens the file says so.
fn problem(above: &Path, below: &Path, is_trusted: &dyn Fn(u32) -> bool) -> Option<String> {
    const BY_OTHERS: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let there = above.metadata().ok()?;
    let mode = there.mode() & 0o7777;
    if mode & BY_OTHERS == 0 {
        return None;
    }
    if mode & STICKY == 0 {
        let outside = above.parent()?.metadata().ok()?;
        let is_root = outside.dev() != there.dev();
        return (!is_root).then(|| format!("can be written by others (mode {mode:04o})"));
    }
    let user = below.metadata().ok()?.uid();
    let is_strange = !is_trusted(user);
    let what = below.display();
    is_strange.then(|| format!("can be written by others, and {what} belongs to the user {user}"))
}
