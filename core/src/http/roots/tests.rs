use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::error::{ErrorKind, FailureClass};

struct Disk {
    dir: tempfile::TempDir,
    system: System,
    settings: HttpSettings,
}

impl Disk {
    /// A system whose bundle is `ca.pem` and whose folder is `certs`.
    fn system() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let system = System {
            files: vec![dir.path().join("nowhere.pem"), dir.path().join("ca.pem")],
            dirs: vec![dir.path().join("nowhere"), dir.path().join("certs")],
        };
        Self {
            dir,
            system,
            settings: HttpSettings::default(),
        }
    }

    fn with_ca_file() -> Self {
        let mut disk = Self::system();
        disk.settings.ca_file = Some(disk.path("ca.pem"));
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn client(&self) -> Roots {
        Roots {
            system: self.system.clone(),
            ..Roots::new(&self.settings)
        }
    }
}

fn pem(name: &str) -> String {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn now(roots: &Roots) -> Result<Arc<Trust>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(roots.trust())
}

fn trust(roots: &Roots) -> Arc<Trust> {
    now(roots).unwrap_or_else(|fault| panic!("{fault}"))
}

fn fault(roots: &Roots) -> crate::error::Error {
    let fault = now(roots).err().expect("nothing to trust");
    fault.into_error("https://endpoint/")
}

#[test]
fn a_file_that_was_replaced_is_read_again() {
    let disk = Disk::with_ca_file();
    disk.write("ca.pem", &pem("one"));
    let roots = disk.client();
    let first = trust(&roots);
    assert!(Arc::ptr_eq(&first, &trust(&roots)), "unchanged");
    // Renamed over, rewritten in place, and behind another link.
    disk.write("new.pem", &pem("two"));
    fs::rename(disk.path("new.pem"), disk.path("ca.pem")).unwrap();
    let second = trust(&roots);
    assert!(!Arc::ptr_eq(&first, &second));
    disk.write("ca.pem", &pem("three"));
    let third = trust(&roots);
    assert!(!Arc::ptr_eq(&second, &third));
    disk.write("other/ca.pem", &pem("four"));
    fs::remove_file(disk.path("ca.pem")).unwrap();
    symlink(disk.path("other/ca.pem"), disk.path("ca.pem")).unwrap();
    assert!(!Arc::ptr_eq(&third, &trust(&roots)));
}

#[test]
fn a_distrusted_server_has_them_read_again_whatever_the_stamps_say() {
    let disk = Disk::with_ca_file();
    disk.write("ca.pem", &pem("one"));
    let roots = disk.client();
    let first = trust(&roots);
    roots.doubt();
    let second = trust(&roots);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &trust(&roots)), "once");
}

#[test]
fn all_clients_of_the_same_places_share_one_store() {
    let disk = Disk::with_ca_file();
    disk.write("ca.pem", &pem("one"));
    let (one, other) = (disk.client(), disk.client());
    let shared = trust(&one);
    assert!(Arc::ptr_eq(&shared, &trust(&other)));
    let elsewhere = Disk::with_ca_file();
    elsewhere.write("ca.pem", &pem("one"));
    assert!(!Arc::ptr_eq(&shared, &trust(&elsewhere.client())));
}

#[test]
fn what_comes_late_is_waited_for() {
    for disk in [Disk::with_ca_file(), Disk::system()] {
        let roots = disk.client();
        // The system's bundle is there, but not yet what it leads to.
        symlink(disk.path("late.pem"), disk.path("ca.pem")).unwrap();
        let missing = fault(&roots);
        assert_eq!(missing.kind(), ErrorKind::ExchangeUnavailable, "{missing}");
        assert_eq!(missing.class(), FailureClass::Local, "{missing}");
        let path = disk.path("ca.pem").display().to_string();
        for words in [path.as_str(), "cannot read", "No such file"] {
            assert!(missing.message().contains(words), "{words}: {missing}");
        }
        disk.write("late.pem", "");
        let empty = fault(&roots);
        assert_eq!(empty.class(), FailureClass::Local, "{empty}");
        assert!(empty.message().contains("it is empty"), "{empty}");
        disk.write("late.pem", "nothing in it\n");
        let useless = fault(&roots);
        assert_eq!(useless.class(), FailureClass::Transient, "{useless}");
        assert!(useless.message().contains("no usable CA"), "{useless}");
        disk.write("late.pem", &pem("one"));
        trust(&roots);
    }
}

#[test]
fn a_lack_of_descriptors_is_no_fault_of_the_file() {
    let fault = Fault::Trust {
        store: Store::CaFile("/ca.pem".into()),
        problem: unreadable(
            Path::new("/ca.pem"),
            io::Error::from_raw_os_error(libc::EMFILE),
        ),
    };
    let error = fault.into_error("https://endpoint/");
    assert_eq!(error.kind(), ErrorKind::ExchangeUnavailable);
    assert_eq!(error.class(), FailureClass::Local);
    for words in ["ca_file /ca.pem", "ulimit -n"] {
        assert!(error.message().contains(words), "{error}");
    }
    assert!(!error.message().contains("os error"), "{error}");
}

#[test]
fn the_system_s_bundle_and_what_lies_beside_it() {
    let disk = Disk::system();
    let bundle = format!("{}{}", pem("one"), pem("two"));
    disk.write("ca.pem", &bundle);
    disk.write("certs/README", "no certificate\n");
    let places = || Places::of(&disk.settings, &disk.system);
    assert_eq!(places().read().unwrap().len(), 2);
    disk.write("certs/corporate.crt", &pem("corporate"));
    assert_eq!(places().read().unwrap().len(), 3);
    // The same again, by other names.
    symlink("corporate.crt", disk.path("certs/0a1b2c3d.0")).unwrap();
    disk.write("certs/bundle.pem", &bundle);
    symlink("nowhere", disk.path("certs/dangling.pem")).unwrap();
    assert_eq!(places().read().unwrap().len(), 3);
    let roots = disk.client();
    let before = trust(&roots);
    assert_eq!(before.store, Store::System);
    disk.write("certs/another.pem", &pem("another"));
    assert!(!Arc::ptr_eq(&before, &trust(&roots)), "a new loose one");
}

#[test]
fn mozilla_s_list_stands_in_for_no_store_that_is_there() {
    let disk = Disk::system();
    let roots = disk.client();
    assert_eq!(trust(&roots).store, Store::Mozilla);
    // A folder that nobody has put anything into.
    fs::create_dir(disk.path("certs")).unwrap();
    assert_eq!(trust(&roots).store, Store::Mozilla);
    // A loose certificate is a store, though one that knows nobody else.
    disk.write("certs/corporate.crt", &pem("corporate"));
    assert_eq!(trust(&roots).store, Store::System);
    disk.write("ca.pem", "");
    assert_eq!(fault(&roots).class(), FailureClass::Local);
    fs::remove_file(disk.path("ca.pem")).unwrap();
    fs::create_dir(disk.path("ca.pem")).unwrap();
    assert_eq!(fault(&roots).kind(), ErrorKind::InvalidConfig);
}
