//! Every way to write where the Workload API listens.

use std::fs;

use svidex::{Provider, TokenKind};
use svidex_emulator::{Emulator, Options};

use crate::support::{config, get};

/// One whole way, from the socket to an access token, for each address.
#[test]
fn every_form_of_address_leads_to_the_workload_api() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("spire agent");
    let emulator = Emulator::start(Options {
        dir: Some(dir.clone()),
        ..Options::default()
    });
    let socket = dir.join("agent.sock");
    assert!(socket.exists(), "the emulator's socket");
    let path = socket.to_str().unwrap();
    let escaped = path.replace(' ', "%20");
    let tcp = &emulator.info().endpoint_socket_tcp;
    for address in [
        format!("unix://{path}"),
        format!("unix:{path}"),
        format!("unix://{escaped}"),
        format!("unix:{escaped}"),
        tcp.clone(),
        tcp.replace("tcp://", "tcp:"),
    ] {
        let provider = Provider::new(config(emulator.info()).endpoint_socket(&address)).unwrap();
        let svid = get(&provider, TokenKind::Subject).unwrap();
        let token = get(&provider, TokenKind::Access).unwrap();
        assert_eq!(svid.spiffe_id(), emulator.info().spiffe_ids[0], "{address}");
        assert_eq!(token.spiffe_id(), svid.spiffe_id(), "{address}");
        let status = provider.status();
        assert_eq!(status.source, format!("workload_api {address}"));
        assert_eq!((status.fetches, status.exchanges), (1, 1), "{address}");
    }
}

/// The socket's file is made anew by an agent that starts again.
#[test]
fn a_socket_that_appears_later_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(Options::default());
    let real = emulator.info().endpoint_socket.clone();
    let link = dir.path().join("agent.sock");
    let provider = Provider::new(
        config(emulator.info()).endpoint_socket(format!("unix://{}", link.display())),
    )
    .unwrap();
    let waiter = provider.wait(TokenKind::Subject, None);
    crate::support::eventually("a first failure", || provider.status().fetch_failures > 0);
    std::os::unix::fs::symlink(real.trim_start_matches("unix://"), &link).unwrap();
    let result = waiter.wait_for(crate::support::HANG_GUARD).expect("hangs");
    assert!(result.is_ok(), "{result:?}");
    fs::remove_file(link).unwrap();
}
