//! Names and addresses: what a name leads to is the test's own matter.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::resolve::Lookup;
use super::*;
use crate::cause::{NameFault, Way};

const NAME: &str = "endpoint.example";
/// Ten times what an attempt is given.
const HANG_GUARD: Duration = Duration::from_secs(30);

/// A name server as the test has it.
struct Names<F>(F);

impl<F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static> Lookup for Names<F> {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.0(name)
    }
}

fn client(
    timeout: Duration,
    names: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> Client {
    Client {
        resolver: Resolver::with(Arc::new(Names(names))),
        ..Client::new(&HttpSettings::default(), timeout)
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let guarded = async { tokio::time::timeout(HANG_GUARD, work).await };
    runtime.block_on(guarded).expect("hangs")
}

fn get(client: &Client, port: u16) -> Result<Answer, Fault> {
    let url = Url::parse(&format!("http://{NAME}:{port}/")).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        body: Vec::new(),
        bearer: None,
        only_internet: false,
    };
    run(client.send(request, &Progress::default()))
}

fn words(result: Result<Answer, Fault>) -> String {
    let fault = result.err().expect("no answer");
    fault.to_string()
}

/// Answers everything on this address.
fn answering(address: IpAddr, port: u16) -> u16 {
    let listener = TcpListener::bind((address, port)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    port
}

/// Swallows whatever is sent to it: a queue that is full and that nobody empties.
struct BlackHole {
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
}

impl BlackHole {
    fn at(address: IpAddr, port: u16) -> Self {
        use socket2::{Domain, Socket, Type};
        let address = SocketAddr::new(address, port);
        let socket = || Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        let listener = socket();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let queue = (0..4).map(|_| {
            let socket = socket();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        });
        let queue = queue.collect();
        Self {
            _listener: listener,
            _queue: queue,
        }
    }
}

fn local(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 88, 0, last))
}

/// One healthy address among dead ones, wherever it stands.
#[test]
fn a_dead_address_leaves_time_for_the_others() {
    let port = answering(local(1), 0);
    let _holes: Vec<_> = (2..8)
        .map(|last| BlackHole::at(local(last), port))
        .collect();
    let refused = local(9);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let orders: [&[IpAddr]; 5] = [
        &[local(2), local(1)],
        &[local(1), local(2)],
        &[
            local(2),
            local(3),
            refused,
            local(4),
            local(5),
            local(6),
            local(7),
            local(1),
        ],
        &[v6, local(2), local(1)],
        &[local(2), v6, local(1), local(3)],
    ];
    for timeout in [1, 10] {
        for order in orders {
            let addresses = order.to_vec();
            let client = client(Duration::from_secs(timeout), move |_| Ok(addresses.clone()));
            let began = Instant::now();
            let answer = get(&client, port).unwrap_or_else(|fault| panic!("{order:?}: {fault}"));
            assert_eq!(answer.status, 200, "{order:?} after {:?}", began.elapsed());
        }
    }
}

#[test]
fn a_look_up_that_took_its_time_leaves_some_for_the_addresses() {
    let port = answering(local(11), 0);
    let _holes = [12, 13, 14].map(|last| BlackHole::at(local(last), port));
    let client = client(Duration::from_secs(3), |_| {
        std::thread::sleep(Duration::from_millis(1_200));
        Ok([12, 13, 14, 11].map(local).into())
    });
    let answer = get(&client, port).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(answer.status, 200);
}

/// It accepts connections, and that is all: a load balancer without a backend.
#[test]
fn an_address_that_never_shakes_hands_leaves_time_for_the_others() {
    let silent = TcpListener::bind((local(21), 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let spoken_to = answering(local(22), port);
    assert_eq!(spoken_to, port);
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    std::fs::write(&ca_file, params.self_signed(&key).unwrap().pem()).unwrap();
    let client = Client {
        resolver: Resolver::with(Arc::new(Names(|_: &str| Ok(vec![local(21), local(22)])))),
        ..Client::new(
            &HttpSettings {
                ca_file: Some(ca_file),
                ..HttpSettings::default()
            },
            Duration::from_secs(3),
        )
    };
    let url = Url::parse(&format!("https://{NAME}:{port}/")).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        body: Vec::new(),
        bearer: None,
        only_internet: false,
    };
    let result = run(client.send(request, &Progress::default()));
    // The second one was asked: it is the one that speaks no TLS.
    assert!(words(result).contains("speaks no TLS"));
}

#[test]
fn whoever_refuses_is_named() {
    let port = {
        let listener = TcpListener::bind((local(31), 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let client = client(Duration::from_secs(3), |_| Ok([31, 32].map(local).into()));
    let words = words(get(&client, port));
    for expected in [
        "cannot connect to",
        "127.88.0.31:",
        "127.88.0.32:",
        "refused",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("os error"), "{words}");
}

#[test]
fn the_deadline_s_words_name_what_took_so_long() {
    let short = Duration::from_millis(700);
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let looking_up = client(short, move |_| {
        let _ = hang.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let port = answering(local(41), 0);
    let _hole = BlackHole::at(local(42), port);
    let connecting = client(short, |_| Ok(vec![local(42)]));
    let silent = TcpListener::bind((local(43), 0)).unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let waiting = client(short, |_| Ok(vec![local(43)]));
    for (client, port, expected) in [
        (&looking_up, port, "still looking up endpoint.example"),
        (&connecting, port, "still connecting to 127.88.0.42:"),
        (&waiting, silent_port, "still waiting for the answer"),
    ] {
        let words = words(get(client, port));
        assert!(words.contains("before the deadline"), "{words}");
        assert!(words.contains(expected), "{words}");
    }
    drop(release);
    let _ = TcpStream::connect((local(43), silent_port));
}

/// A pod's search list behind a dead name server: the name itself, looked up
/// beside it, is there first.
#[test]
fn the_absolute_name_is_looked_up_beside_the_search_list() {
    let port = answering(local(51), 0);
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let client = client(Duration::from_secs(3), move |name| match name {
        "endpoint.example." => Ok(vec![local(51)]),
        _ => {
            let _ = hang.lock().unwrap().recv();
            Err(io::Error::other("gone"))
        }
    });
    let answer = get(&client, port).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(answer.status, 200);
    drop(release);
}

/// A hosts file answers at once, and knows better.
#[test]
fn a_plain_answer_wins() {
    let port = answering(local(61), 0);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let client = client(Duration::from_secs(3), move |name| {
        assert_eq!(name, NAME, "nothing is looked up beside it");
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec![local(61)])
    });
    for nth in 1..=2 {
        assert!(get(&client, port).is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), nth, "nothing is kept");
    }
}

#[test]
fn a_name_that_is_unknown_is_said_to_be() {
    let client = client(Duration::from_secs(3), |_| {
        Err(io::Error::other(
            "failed to lookup address information: Name or service not known",
        ))
    });
    let words = words(get(&client, 1));
    let expected = "cannot look up endpoint.example (Name or service not known): ";
    assert!(words.contains(expected), "{words}");
}

/// NXDOMAIN, servers that fail, servers that keep silent: data, and advice of its own.
#[test]
fn why_a_name_has_no_address_is_data() {
    for (said, expected, advice) in [
        (
            "Name or service not known",
            NameFault::Unknown,
            "do not know it",
        ),
        (
            "Name does not resolve",
            NameFault::Unknown,
            "do not know it",
        ),
        (
            "Temporary failure in name resolution",
            NameFault::NoAnswer,
            "do not answer",
        ),
        ("something new", NameFault::Other, "name servers"),
    ] {
        let client = client(Duration::from_secs(3), move |_| {
            let words = format!("failed to lookup address information: {said}");
            Err(io::Error::other(words))
        });
        let fault = get(&client, 1).err().unwrap();
        assert_eq!(fault.way(), Way::LookUp(expected), "{said}");
        assert!(fault.way().advice().contains(advice), "{said}");
    }
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let silent = client(Duration::from_millis(200), move |_| {
        let _ = hang.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let fault = get(&silent, 1).err().unwrap();
    assert_eq!(fault.way(), Way::LookUp(NameFault::NoAnswer));
    drop(release);
}

/// However many attempts are given up, one thread hangs for each form of the name;
/// what it finds in the end is found by the next attempt.
#[test]
fn a_look_up_that_hangs_is_one() {
    let port = answering(local(71), 0);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let (ended, is_over) = mpsc::channel();
    let client = client(Duration::from_millis(400), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let _ = hang.lock().unwrap().recv();
        let _ = ended.send(());
        Ok(vec![local(71)])
    });
    for _ in 0..4 {
        assert!(words(get(&client, port)).contains("still looking up"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "plain and absolute");
    drop(release);
    is_over.recv().unwrap();
    is_over.recv().unwrap();
    let answer = get(&client, port).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(answer.status, 200);
}

/// A name of the internet's that leads to this host is asked for nothing, where whoever
/// named it stands outside.
#[test]
fn a_name_that_leads_inside() {
    let listener = TcpListener::bind((local(1), 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = client(Duration::from_secs(5), |_| Ok(vec![local(1)]));
    let url = Url::parse(&format!("http://{NAME}:{port}/")).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        body: Vec::new(),
        bearer: None,
        only_internet: true,
    };
    let said = words(run(client.send(request, &Progress::default())));
    assert!(
        said.contains("only this network is (it is this host itself)"),
        "{said}"
    );
    assert!(listener.accept().is_err(), "it was connected to");
    assert!(run(client.why_inside(&url)).is_some());
}
