//! One file, replaced whole: whoever reads it sees the old content or the new one, and
//! nobody else than was configured, whatever happens in between.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    self, AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Timespec, Timestamps,
    Uid,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use svidex::binding;

/// Of a file system that is like any other.
const LONGEST_NAME: usize = 255;

/// Who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    /// The user and the group it is given to.
    pub(crate) owner: Option<(u32, u32)>,
}

impl Access {
    pub(crate) const PRIVATE: Self = Self {
        mode: 0o600,
        owner: None,
    };
}

/// What tells a file from one that somebody else puts in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, i64),
    mode: u32,
    owner: (u32, u32),
}

impl Stamp {
    #[allow(
        clippy::unnecessary_cast,
        reason = "their types differ between systems"
    )]
    fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino as u64,
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            mode: stat.st_mode as u32,
            owner: (stat.st_uid, stat.st_gid),
        }
    }
}

pub(crate) struct Target {
    path: PathBuf,
    directory: PathBuf,
    name: OsString,
    access: Access,
    make_directory: bool,
}

/// Why a file was not written, or not removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in the target's place.
pub(crate) enum Found {
    Nothing,
    File {
        text: Vec<u8>,
        modified_unix_ms: i64,
    },
}

impl Target {
    /// `path` is absolute and names a file; else why it does not.
    pub(crate) fn new(
        path: &Path,
        access: Access,
        make_directory: bool,
    ) -> Result<Self, &'static str> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("names no file");
        };
        if temporary(name).len() > LONGEST_NAME {
            return Err("has a name that is too long: 231 bytes are the most");
        }
        Ok(Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
            access,
            make_directory,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it could be written: its directory and what is in its place.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let directory = match self.open_directory() {
            Ok(directory) => directory,
            Err(Errno::NOENT) if self.make_directory => return self.check_above(),
            Err(error) => return Err(self.directory_problem(error)),
        };
        self.check_directory(directory.as_fd())?;
        self.look_in_place(directory.as_fd()).map(drop)
    }

    /// Puts `text` in its place. `ends_at_unix_ms` becomes its modification time. Gives
    /// what the file is told by from then on.
    pub(crate) fn replace(
        &self,
        text: &[u8],
        ends_at_unix_ms: Option<i64>,
    ) -> Result<Stamp, Problem> {
        let directory = self.directory()?;
        self.look_in_place(directory.as_fd())?;
        let (temporary, file) = self.create(directory.as_fd())?;
        let written = self
            .fill(file, text, ends_at_unix_ms)
            .and_then(|file| self.put_in_place(directory.as_fd(), &temporary, file));
        if written.is_err() {
            // What is left is seen by nobody, and goes with the next start at the latest.
            let _ = fs::unlinkat(&directory, &temporary, AtFlags::empty());
        }
        written
    }

    /// Takes it away. Nothing to take away is fine.
    pub(crate) fn remove(&self) -> Result<(), Problem> {
        let directory = match self.open_directory() {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(self.directory_problem(error)),
        };
        match fs::unlinkat(&directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(self.problem("cannot be removed", error)),
        }
        // As with a write: what was taken away stays so.
        let _ = fs::fsync(&directory);
        Ok(())
    }

    /// Takes away what writers have left that were killed: nobody locks it any more.
    pub(crate) fn tidy(&self) {
        let Ok(directory) = self.open_directory() else {
            return;
        };
        let Ok(entries) = Dir::read_from(&directory) else {
            return;
        };
        for entry in entries.flatten() {
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
            if !self.is_temporary(&name) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            // One that cannot be opened has a mode that its writer never got to change.
            let is_in_use = fs::openat(&directory, &name, flags, Mode::empty()).is_ok_and(|file| {
                fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
            });
            if !is_in_use {
                let _ = fs::unlinkat(&directory, &name, AtFlags::empty());
            }
        }
    }

    /// What an earlier life has left there.
    pub(crate) fn look(&self) -> Result<Found, Problem> {
        const LIMIT: usize = 64 * 1024;
        let directory = match self.open_directory() {
            Ok(directory) => directory,
            Err(_) => return Ok(Found::Nothing),
        };
        let Some(stat) = self.look_in_place(directory.as_fd())? else {
            return Ok(Found::Nothing);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&directory, &self.name, flags, Mode::empty())
            .map_err(|error| self.problem("cannot be read", error))?;
        let mut text = Vec::new();
        io::Read::read_to_end(
            &mut io::Read::take(File::from(file), LIMIT as u64),
            &mut text,
        )
        .map_err(|error| Problem(format!("{} cannot be read: {error}", self.path.display())))?;
        #[allow(clippy::unnecessary_cast, reason = "its type differs between systems")]
        let modified_unix_ms = (stat.st_mtime as i64)
            .saturating_mul(1_000)
            .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000);
        Ok(Found::File {
            text,
            modified_unix_ms,
        })
    }

    /// What is in its place now.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        fs::lstat(&self.path).ok().map(|it| Stamp::of(&it))
    }

    fn open_directory(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::open(&self.directory, flags, Mode::empty())
    }

    /// The directory, made if it may be, and one that others cannot write to.
    fn directory(&self) -> Result<OwnedFd, Problem> {
        let opened = match self.open_directory() {
            Err(Errno::NOENT) if self.make_directory => {
                let mode = Mode::from_raw_mode(0o755);
                match fs::mkdir(&self.directory, mode) {
                    // Whatever the umask: who may read the file has to get to it. (Beside
                    // what it has of its parent: a volume's group.)
                    Ok(()) => self.open_directory().and_then(|directory| {
                        let there = Mode::from_raw_mode(fs::fstat(&directory)?.st_mode);
                        fs::fchmod(&directory, there | mode)?;
                        Ok(directory)
                    }),
                    Err(Errno::EXIST) => self.open_directory(),
                    Err(error) => Err(error),
                }
            }
            opened => opened,
        };
        let directory = opened.map_err(|error| self.directory_problem(error))?;
        self.check_directory(directory.as_fd())?;
        Ok(directory)
    }

    /// Who can write to a directory can replace what is in it.
    fn check_directory(&self, directory: BorrowedFd<'_>) -> Result<(), Problem> {
        let stat = fs::fstat(directory).map_err(|error| self.directory_problem(error))?;
        let refuse = |why: String| {
            Err(Problem(format!(
                "the directory {} {why}, so that others could replace {}: use a directory of its \
                 own (chmod go-w, or --make-directory for a new one)",
                self.directory.display(),
                self.name.to_string_lossy()
            )))
        };
        #[allow(clippy::unnecessary_cast, reason = "its type differs between systems")]
        let mode = Mode::from_raw_mode(stat.st_mode).bits() as u32;
        if mode & 0o002 != 0 {
            return refuse(format!("can be written by others (mode {mode:04o})"));
        }
        // A group of one's own is nobody else; who named another one meant its members.
        let group = (self.access.owner).map_or_else(|| getegid().as_raw(), |it| it.1);
        if mode & 0o020 != 0 && stat.st_gid != group {
            return refuse(format!(
                "can be written by the group {} (mode {mode:04o})",
                stat.st_gid
            ));
        }
        if !self.is_trusted(stat.st_uid) {
            return refuse(format!("belongs to the user {}", stat.st_uid));
        }
        self.check_above()
    }

    fn is_trusted(&self, user: u32) -> bool {
        [0, geteuid().as_raw()].contains(&user) || self.access.owner.is_some_and(|it| it.0 == user)
    }

    fn check_above(&self) -> Result<(), Problem> {
        let problem = binding::replaceable(&self.directory, &|user| self.is_trusted(user));
        problem.map_or(Ok(()), |problem| {
            Err(Problem(format!(
                "{problem}, so that others could put another directory in the place of {}: use one \
                 that only its owner can write to (chmod go-w)",
                self.directory.display()
            )))
        })
    }

    fn look_in_place(&self, directory: BorrowedFd<'_>) -> Result<Option<Stat>, Problem> {
        let found = fs::statat(directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let what = match found {
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.problem("cannot be looked at", error)),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => return Ok(Some(stat)),
                FileType::Symlink => "a symbolic link",
                FileType::Directory => "a directory",
                _ => "no regular file",
            },
        };
        Err(Problem(format!(
            "{} is {what}, which is not replaced: remove it, or name another file",
            self.path.display()
        )))
    }

    fn is_temporary(&self, name: &OsString) -> bool {
        let rest = name.as_bytes().strip_prefix(b".");
        let rest = rest.and_then(|it| it.strip_prefix(self.name.as_bytes()));
        let rest = rest.and_then(|it| it.strip_prefix(b"."));
        let number = rest.and_then(|it| it.strip_suffix(b".svidex"));
        number.is_some_and(|it| it.len() == 16 && it.iter().all(u8::is_ascii_hexdigit))
    }

    /// A file that nobody but its writer can open, under a name that nobody reads.
    fn create(&self, directory: BorrowedFd<'_>) -> Result<(OsString, OwnedFd), Problem> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..8 {
            let name = temporary(&self.name);
            match fs::openat(directory, &name, flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => {
                    // Whoever tidies up sees that somebody is at work. (A file system
                    // without locks has nobody who could look.)
                    let _ = fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                    return Ok((name, file));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.problem("cannot be written", error)),
            }
        }
        Err(self.problem("cannot be written", Errno::EXIST))
    }

    /// Mode and owner first, and then the text.
    fn fill(
        &self,
        file: OwnedFd,
        text: &[u8],
        ends_at_unix_ms: Option<i64>,
    ) -> Result<File, Problem> {
        let Access { mode, owner } = self.access;
        if let Some((user, group)) = owner {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            fs::fchown(&file, Some(user), Some(group))
                .map_err(|error| self.problem("cannot be given to its owner", error))?;
        }
        #[allow(clippy::cast_possible_truncation, reason = "nine bits")]
        fs::fchmod(&file, Mode::from_raw_mode(mode as _))
            .map_err(|error| self.problem("cannot be given its mode", error))?;
        let mut file = File::from(file);
        let cannot = |what: &str, error: io::Error| {
            Problem(format!("{} {what}: {error}", self.path.display()))
        };
        file.write_all(text)
            .map_err(|error| cannot("cannot be written", error))?;
        if let Some(end) = ends_at_unix_ms {
            let time = |ms: i64| Timespec {
                tv_sec: ms.div_euclid(1_000),
                tv_nsec: (ms.rem_euclid(1_000) * 1_000_000) as _,
            };
            let times = Timestamps {
                last_access: time(end),
                last_modification: time(end),
            };
            fs::futimens(&file, &times).map_err(|error| {
                self.problem("cannot be given its token's end as its time", error)
            })?;
        }
        // After a crash a name must not stand for a file that was never written out.
        file.sync_all()
            .map_err(|error| cannot("cannot be written", error))?;
        Ok(file)
    }

    fn put_in_place(
        &self,
        directory: BorrowedFd<'_>,
        temporary: &OsString,
        file: File,
    ) -> Result<Stamp, Problem> {
        // Of the file, and not of its name: that may be another's a moment later.
        let stamp = fs::fstat(&file).map(|it| Stamp::of(&it));
        let stamp = stamp.map_err(|error| self.problem("cannot be looked at", error))?;
        fs::renameat(directory, temporary, directory, &self.name)
            .map_err(|error| self.problem("cannot be replaced", error))?;
        // Locked until nobody looks for it under its other name any more.
        drop(file);
        let _ = fs::fsync(directory);
        Ok(stamp)
    }

    fn problem(&self, what: &str, error: Errno) -> Problem {
        let error = io::Error::from(error);
        Problem(format!("{} {what}: {error}", self.path.display()))
    }

    fn directory_problem(&self, error: Errno) -> Problem {
        let advice = match error {
            Errno::NOENT => " (make it, or let --make-directory do that)",
            _ => "",
        };
        let error = io::Error::from(error);
        Problem(format!(
            "{} cannot be written: its directory cannot be opened: {error}{advice}",
            self.path.display()
        ))
    }
}

/// What a file is called before it has its name: nobody else's, and nothing that is read.
fn temporary(name: &OsStr) -> OsString {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(std::process::id());
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{random:016x}.svidex"));
    temporary
}

/// How long to leave a file alone that could not be written.
pub(crate) fn pause(failures: u32) -> Duration {
    Duration::from_millis(200 << failures.min(5)).min(Duration::from_secs(5))
}
