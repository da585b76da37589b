//! Whom to trust: an explicit file, else the variables, else the system, else
//! Mozilla's list (slim container images ship no roots at all). What is on disk
//! may change or come late, so it is looked at before each connection, and read
//! again once it is another. What cannot be read is an error: no other store
//! stands in for it.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::fault::Fault;
use super::job::Job;
use super::tls;
use crate::config::HttpSettings;

/// Where systems keep one file with all of their roots. The first that is there
/// counts.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",   // older RHEL, Amazon Linux
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/ssl/cert.pem",                  // macOS, BSD
    "/etc/pki/tls/cacert.pem",
];
/// ... and folders that administrators put single ones into. All count, beside
/// the file: OpenSSL and Go have it so.
const SYSTEM_DIRS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// More than any list of CAs.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Where certificates were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// The program brought them.
    Given,
    CaFile(PathBuf),
    /// By `SSL_CERT_FILE`, `SSL_CERT_DIR` or both.
    Variables(&'static str, Vec<PathBuf>),
    System,
    /// This system has none of its own.
    Mozilla,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("the roots that the program brought"),
            Self::CaFile(path) => write!(f, "ca_file {}", path.display()),
            Self::Variables(name, paths) => {
                let paths: Vec<_> = paths.iter().map(|it| it.display().to_string()).collect();
                write!(f, "{name} {}", paths.join(", "))
            }
            Self::System => f.write_str("the system's CA store"),
            Self::Mozilla => f.write_str("Mozilla's list of CAs, since this system has no store"),
        }
    }
}

/// What is the matter with a store.
#[derive(Debug)]
pub(crate) enum Problem {
    Unreadable(PathBuf, io::Error),
    /// A directory, a FIFO: no rewriting makes it a file.
    NotAFile(PathBuf),
    /// Half-written, most likely.
    Empty(PathBuf),
    /// It was another each time it was looked at.
    Changing,
    NoCertificate,
}

/// Roots, ready for a handshake. Shared by all providers of a process that look
/// in the same places.
pub(crate) struct Trust {
    pub(crate) store: Store,
    pub(crate) config: Arc<ClientConfig>,
    places: Places,
    stamp: u64,
}

/// All that is in use. Nothing to lock: a child may be forked at any time.
static SHARED: ArcSwapOption<Vec<Weak<Trust>>> = ArcSwapOption::const_empty();

/// The roots of one client.
pub(crate) struct Roots {
    given: Option<Arc<Trust>>,
    settings: HttpSettings,
    system: System,
    held: Arc<ArcSwapOption<Trust>>,
    doubted: Arc<AtomicBool>,
    job: Job<Result<Arc<Trust>, (Store, Problem)>>,
}

impl Roots {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        Self {
            given: (settings.roots.as_deref()).map(|all| Trust::given(settings, all)),
            settings: settings.clone(),
            system: System::default(),
            held: Arc::default(),
            doubted: Arc::default(),
            job: Job::default(),
        }
    }

    /// What was given, else what is on disk now.
    pub(crate) async fn trust(&self) -> Result<Arc<Trust>, Fault> {
        if let Some(given) = &self.given {
            return Ok(Arc::clone(given));
        }
        let (settings, system) = (self.settings.clone(), self.system.clone());
        let (held, doubted) = (Arc::clone(&self.held), Arc::clone(&self.doubted));
        let look = move || {
            let anew = doubted.swap(false, Ordering::Relaxed);
            let known = held.load_full().filter(|_| !anew);
            let found = look(&settings, &system, known.as_ref(), anew)?;
            held.store(Some(Arc::clone(&found)));
            Ok(found)
        };
        let found = self.job.run("svidex-ca", Duration::from_secs(5), look);
        found
            .await?
            .map_err(|(store, problem)| Fault::Trust { store, problem })
    }

    /// A server has shown a certificate of a CA that is not among the roots:
    /// before the next connection they are read again, whatever the stamps say.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// The store that is being waited for.
    pub(crate) fn store(&self) -> Store {
        Store::of(&self.settings)
    }
}

impl Trust {
    /// Of certificates that were looked at, one at least.
    fn given(settings: &HttpSettings, certificates: &[CertificateDer<'static>]) -> Arc<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        Arc::new(Self {
            store: Store::Given,
            config: tls::config(roots),
            places: Places::of(settings, &System::default()),
            stamp: 0,
        })
    }
}

impl Store {
    fn of(settings: &HttpSettings) -> Self {
        if settings.roots.is_some() {
            return Self::Given;
        }
        if let Some(path) = &settings.ca_file {
            return Self::CaFile(path.clone());
        }
        let (file, dirs) = (&settings.env_cert_file, &settings.env_cert_dirs);
        let name = match (file, dirs.is_empty()) {
            (Some(_), true) => "SSL_CERT_FILE",
            (None, false) => "SSL_CERT_DIR",
            (Some(_), false) => "SSL_CERT_FILE with SSL_CERT_DIR",
            (None, true) => return Self::System,
        };
        let paths = file.iter().chain(dirs).cloned().collect();
        Self::Variables(name, paths)
    }
}

/// The places of the system's own store.
#[derive(Clone)]
struct System {
    files: Vec<PathBuf>,
    dirs: Vec<PathBuf>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            files: SYSTEM_FILES.map(PathBuf::from).into(),
            dirs: SYSTEM_DIRS.map(PathBuf::from).into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    file: Option<PathBuf>,
    dirs: Vec<PathBuf>,
}

impl Places {
    fn of(settings: &HttpSettings, system: &System) -> Self {
        // Where looking fails for another reason than that nothing is there,
        // reading it fails too, and says so.
        let is_there = |path: &&PathBuf| {
            let found = fs::symlink_metadata(path);
            !found.is_err_and(|error| is_absent(&error))
        };
        match Store::of(settings) {
            // Nothing on disk.
            Store::Given => Self {
                file: None,
                dirs: Vec::new(),
            },
            Store::CaFile(path) => Self {
                file: Some(path),
                dirs: Vec::new(),
            },
            Store::Variables(..) => Self {
                file: settings.env_cert_file.clone(),
                dirs: settings.env_cert_dirs.clone(),
            },
            Store::System | Store::Mozilla => Self {
                file: system.files.iter().find(is_there).cloned(),
                dirs: system.dirs.iter().filter(is_there).cloned().collect(),
            },
        }
    }

    /// Another one, whenever a file is another one.
    fn stamp(&self) -> Result<u64, Problem> {
        let mut hash = DefaultHasher::new();
        if let Some(path) = &self.file {
            let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
            hash_file(&metadata, &mut hash);
        }
        for (_, path, metadata) in self.entries()? {
            path.hash(&mut hash);
            hash_file(&metadata, &mut hash);
        }
        Ok(hash.finish())
    }

    /// The files in the directories. What is not there, or for others to read,
    /// is left out.
    fn entries(&self) -> Result<Vec<(usize, PathBuf, Metadata)>, Problem> {
        let mut found = Vec::new();
        for (nth, dir) in self.dirs.iter().enumerate() {
            let listing = match fs::read_dir(dir) {
                Ok(listing) => listing,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(unreadable(dir, error)),
            };
            for entry in listing {
                let path = entry.map_err(|error| unreadable(dir, error))?.path();
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_file() => found.push((nth, path, metadata)),
                    Ok(_) => {}
                    Err(error) if is_absent(&error) || is_denied(&error) => {}
                    Err(error) => return Err(unreadable(&path, error)),
                }
            }
        }
        found.sort_unstable_by(|one, other| one.1.cmp(&other.1));
        Ok(found)
    }

    fn read(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        if let Some(path) = &self.file {
            let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
            // A FIFO would block for ever.
            if !metadata.is_file() {
                return Err(Problem::NotAFile(path.clone()));
            }
            seen.insert((metadata.dev(), metadata.ino()));
            let text = read(path).map_err(|error| unreadable(path, error))?;
            if text.is_empty() {
                return Err(Problem::Empty(path.clone()));
            }
            found.extend(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
        }
        for (_, path, metadata) in self.entries()? {
            // Each certificate has several names in such a folder.
            if !seen.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            match read(&path) {
                Ok(text) => {
                    found.extend(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
                }
                Err(error) if is_absent(&error) || is_denied(&error) => {}
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        found.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        found.dedup();
        Ok(found)
    }
}

fn unreadable(path: &Path, error: io::Error) -> Problem {
    Problem::Unreadable(path.to_owned(), error)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn is_denied(error: &io::Error) -> bool {
    // EPERM is what a seccomp profile answers with: no file's own matter.
    error.raw_os_error() == Some(libc::EACCES)
}

fn hash_file(metadata: &Metadata, hash: &mut DefaultHasher) {
    (metadata.dev(), metadata.ino(), metadata.size()).hash(hash);
    (metadata.mtime(), metadata.mtime_nsec()).hash(hash);
    (metadata.ctime(), metadata.ctime_nsec()).hash(hash);
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// What is on disk now: `held` or another provider's, if it is still that.
fn look(
    settings: &HttpSettings,
    system: &System,
    held: Option<&Arc<Trust>>,
    anew: bool,
) -> Result<Arc<Trust>, (Store, Problem)> {
    let store = Store::of(settings);
    let fail = |problem| (store.clone(), problem);
    for _ in 0..3 {
        let places = Places::of(settings, system);
        let stamp = places.stamp().map_err(fail)?;
        let is_it = |trust: &Arc<Trust>| trust.stamp == stamp && trust.places == places;
        if let Some(held) = held.filter(|held| is_it(held)) {
            return Ok(Arc::clone(held));
        }
        let shared = SHARED.load_full().filter(|_| !anew).unwrap_or_default();
        if let Some(found) = shared.iter().filter_map(Weak::upgrade).find(is_it) {
            return Ok(found);
        }
        let certificates = places.read().map_err(fail)?;
        if places.stamp().map_err(fail)? != stamp {
            // Written to meanwhile: this may be half of it.
            continue;
        }
        let (store, roots) = roots(&store, &places, certificates)?;
        let trust = Arc::new(Trust {
            config: tls::config(roots),
            store,
            places,
            stamp,
        });
        share(&trust);
        return Ok(trust);
    }
    Err(fail(Problem::Changing))
}

fn roots(
    store: &Store,
    places: &Places,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<(Store, RootCertStore), (Store, Problem)> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if !roots.is_empty() {
        return Ok((store.clone(), roots));
    }
    // Folders that nobody has put a certificate into are no store.
    if *store == Store::System && places.file.is_none() {
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        return Ok((Store::Mozilla, RootCertStore { roots }));
    }
    Err((store.clone(), Problem::NoCertificate))
}

fn share(trust: &Arc<Trust>) {
    SHARED.rcu(|shared| {
        let others = shared.iter().flat_map(|shared| shared.iter());
        let mut all: Vec<_> = others
            .filter(|other| {
                let other = other.upgrade();
                other.is_some_and(|other| other.places != trust.places)
            })
            .cloned()
            .collect();
        all.push(Arc::downgrade(trust));
        Some(Arc::new(all))
    });
}

#[cfg(test)]
mod tests;
