//! Who is told of a change, and who asks.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;
use svidex_emulator::Leg;

use super::{end, mode, run_bridge};
use crate::common::{emulator, run};
use crate::running::{
    HANG_GUARD, Running, command, directory, kill_process_of, subdirectory, text, until,
};

#[test]
fn a_command_is_run_and_a_process_gets_a_signal_after_a_change() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, told) = (kept.join("svid"), directory.path().join("told"));
    let (got, pid) = (directory.path().join("got"), directory.path().join("pid"));
    let script = format!(
        "trap 'echo got >> {}' USR1; echo $$ > {}; while :; do sleep 0.05; done",
        text(&got),
        text(&pid)
    );
    let mut receiver = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("a shell");
    until("no process ID", || {
        fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))
    });
    let exec = format!(
        "/bin/cat \"$SVIDEX_CHANGED_FILES\" > {}; exit 3",
        text(&told)
    );
    let args = [
        "--svid-file",
        text(&svid),
        "--exec",
        &exec,
        "--signal",
        text(&pid),
        "--signal-name",
        "usr1",
    ];
    let bridge = Running::start(&emulator, &args);
    until("no command", || {
        fs::read_to_string(&told).is_ok_and(|it| it.split('.').count() == 3)
    });
    until("no signal", || got.exists());
    bridge.wait_for_line(&["warning", "exit status: 3"]);
    fs::write(&pid, "-1").expect("written");
    fs::remove_file(&svid).expect("removed");
    bridge.wait_for_line(&["warning", text(&pid), "ID of a process"]);
    end(bridge);
    let _ = receiver.kill();
    let _ = receiver.wait();
}

/// A command that hangs holds up nothing, the end included.
#[test]
fn a_command_that_hangs_holds_up_nothing() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svid");
    let pid = directory.path().join("pid");
    let exec = format!("echo $$ > {}; exec sleep 600", text(&pid));
    let bridge = Running::start(&emulator, &["--svid-file", text(&svid), "--exec", &exec]);
    until("no command", || {
        fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))
    });
    for _ in 0..3 {
        fs::remove_file(&svid).expect("removed");
        until("it does not come back", || svid.exists());
    }
    end(bridge);
    kill_process_of(&pid);
}

#[test]
fn a_service_manager_and_a_file_say_that_it_is_ready() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, ready) = (kept.join("svid"), kept.join("ready"));
    let address = directory.path().join("notify");
    let manager = UnixDatagram::bind(&address).expect("a socket");
    manager.set_read_timeout(Some(HANG_GUARD)).expect("set");
    fs::write(&ready, "").expect("written");
    emulator.hold(Leg::WorkloadApi, true);
    let args = ["--svid-file", text(&svid), "--ready-file", text(&ready)];
    let bridge = Running::of(command(&emulator, &args).env("NOTIFY_SOCKET", &address));
    until("the old one stays", || !ready.exists());
    emulator.hold(Leg::WorkloadApi, false);
    let receive = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = manager.recv(&mut buffer).expect("a message");
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    };
    receive("READY=1");
    assert!(svid.exists() && ready.exists());
    receive("WATCHDOG=1");
    bridge.signal(Signal::TERM);
    receive("STOPPING=1");
    assert_eq!(bridge.wait().code(), Some(0));
    assert!(!ready.exists());
}

#[test]
fn a_running_bridge_says_how_it_is() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, socket) = (kept.join("svid"), directory.path().join("status"));
    let ask = || {
        run(
            &[],
            &["bridge", "--status", "--status-socket", text(&socket)],
        )
    };
    let nobody = ask();
    assert_eq!(nobody.status, 1);
    assert!(nobody.stderr.contains(text(&socket)), "{}", nobody.stderr);

    let args = ["--svid-file", text(&svid), "--status-socket", text(&socket)];
    let bridge = Running::written(&emulator, &args);
    let mut answer = ask();
    until("it is never healthy", || {
        answer = ask();
        answer.status == 0
    });
    answer.assert_no_token();
    let status = answer.json();
    assert_eq!(
        (&status["healthy"], &status["ready"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(status["files"][0]["path"], json!(text(&svid)));
    assert_eq!(status["files"][0]["state"], "written");
    assert_eq!(status["tokens"][0]["fetches"], 1);
    assert_eq!(mode(&socket), 0o600);
    // Another one does not take its place.
    let other = kept.join("other");
    let args = [
        "--svid-file",
        text(&other),
        "--status-socket",
        text(&socket),
    ];
    let (code, said) = run_bridge(&emulator, &args);
    assert_eq!(code, Some(6), "{said}");
    // One that was killed leaves a socket that the next one replaces.
    bridge.signal(Signal::KILL);
    bridge.wait();
    assert!(socket.exists());
    assert_eq!(ask().status, 1);
    let args = ["--svid-file", text(&svid), "--status-socket", text(&socket)];
    let bridge = Running::written(&emulator, &args);
    until("the next one is not asked", || ask().status == 0);
    end(bridge);
    assert!(!socket.exists());
}
