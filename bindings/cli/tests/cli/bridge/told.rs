//! Who is told of a change, and who asks.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;
use svidex_emulator::Leg;

use super::{end, mode, run_bridge};
use crate::common::{emulator, program, report, run};
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
    // Of a write that was killed.
    let litter = kept.join(".ready.0123456789abcdef.svidex");
    fs::write(&litter, "").expect("written");
    emulator.hold(Leg::WorkloadApi, true);
    let args = ["--svid-file", text(&svid), "--ready-file", text(&ready)];
    let bridge = Running::of(command(&emulator, &args).env("NOTIFY_SOCKET", &address));
    until("the old one stays", || !ready.exists() && !litter.exists());
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

    let ready = kept.join("ready");
    let more = [
        "--status-socket",
        text(&socket),
        "--ready-file",
        text(&ready),
    ];
    let args = [&["--svid-file", text(&svid)], &more[..]].concat();
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
    // Another one does not take its place, and leaves all as it is.
    until("it is not ready", || ready.exists());
    let other = kept.join("other");
    let args = [&["--svid-file", text(&other)], &more[..]].concat();
    let (code, said) = run_bridge(&emulator, &args);
    assert_eq!(code, Some(6), "{said}");
    assert!(ready.exists());
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

/// The file that says where it listens says where to ask.
#[test]
fn a_bridge_is_asked_where_its_file_says() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, socket) = (kept.join("svid"), directory.path().join("status"));
    let config = directory.path().join("bridge.toml");
    let toml = format!("status_socket = {socket:?}\n[[svid]]\npath = {svid:?}\n");
    fs::write(&config, toml).expect("written");
    let config = ["--config", text(&config)];
    let bridge = Running::written(&emulator, &config);
    let ask = || run(&[], &["bridge", "--status", config[0], config[1]]).status;
    until("it is not asked", || ask() == 0);
    end(bridge);
    assert_eq!(ask(), 1);
}

/// One that is stopped accepts nobody: whoever asks is not stopped with it, and whoever
/// starts does not take its place.
#[test]
fn a_socket_where_nobody_accepts_holds_up_nobody() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, socket) = (kept.join("svid"), directory.path().join("status"));
    let listener = UnixListener::bind(&socket).expect("a socket");
    // SAFETY: it is a socket that listens already: its queue becomes shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let _in_the_queue = UnixStream::connect(&socket).expect("one fits in");
    let socket = ["--status-socket", text(&socket)];
    let asks = Running::start(&emulator, &[&["--status"], &socket[..]].concat());
    asks.wait_for_line(&["no answer", socket[1]]);
    assert_eq!(asks.wait().code(), Some(1));
    let starts = ["--svid-file", text(&svid), socket[0], socket[1]];
    let starts = Running::start(&emulator, &starts);
    starts.wait_for_line(&["another bridge", socket[1]]);
    assert_eq!(starts.wait().code(), Some(6));
}

#[test]
fn a_pipe_in_the_place_of_a_process_id_is_not_waited_for() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, pipe) = (kept.join("svid"), directory.path().join("pid"));
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("it runs").success());
    let args = ["--svid-file", text(&svid), "--signal", text(&pipe)];
    let bridge = Running::start(&emulator, &args);
    bridge.wait_for_line(&["warning", text(&pipe), "regular file"]);
    fs::remove_file(&svid).expect("removed");
    until("it does not come back", || svid.exists());
    end(bridge);
}

/// In a container the program may well be the first process.
#[test]
fn the_first_process_may_get_a_signal() {
    let emulator = emulator();
    let directory = directory();
    let script = r#"
        trap 'echo got > "$DIRECTORY/got"' USR1
        echo $$ > "$DIRECTORY/pid"
        "$SVIDEX" bridge --once --svid-file "$DIRECTORY/svid" \
            --signal "$DIRECTORY/pid" --signal-name USR1
        cat "$DIRECTORY/pid" "$DIRECTORY/got"
    "#;
    let mut first = Command::new("unshare");
    first
        .args(["--pid", "--fork", "--map-root-user", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SVIDEX", program())
        .env("DIRECTORY", directory.path())
        .envs(emulator.info().environment());
    let Ok(output) = first.output() else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare:") {
        report("no namespaces here: not tried");
        return;
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "1\ngot\n", "{said}");
}
