//! The command as a process: where it writes to, and how it is ended.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{emulator, program};

/// Ten times what any of this takes on a machine with better things to do.
const HANG_GUARD: Duration = Duration::from_secs(60);

/// The command through a shell: `>&-` is nothing that a parent can pass on.
fn through_a_shell(script: &str) -> (Option<i32>, String) {
    let emulator = emulator();
    let output = Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .envs(emulator.info().environment())
        .env("SVIDEX", program())
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

#[test]
fn a_closed_output_is_an_error() {
    for arguments in ["token", "svid", "inspect", "doctor", "--help", "--version"] {
        let (status, stderr) = through_a_shell(&format!("exec \"$SVIDEX\" {arguments} >&-"));
        assert_eq!(status, Some(1), "{arguments}: {stderr}");
        assert!(
            stderr.starts_with("svidex: output: cannot be written: "),
            "{stderr}"
        );
        assert!(stderr.contains("closed"), "{stderr}");
    }
}

#[test]
fn an_output_that_nobody_wants_is_none() {
    for redirection in [">/dev/null", "1<>/dev/null", ">/dev/null <&- 2>&-"] {
        let (status, stderr) = through_a_shell(&format!("exec \"$SVIDEX\" svid {redirection}"));
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{redirection}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    for arguments in ["token", "svid", "doctor", "--help"] {
        let (status, stderr) = through_a_shell(&format!("exec \"$SVIDEX\" {arguments} >/dev/full"));
        assert_eq!(status, Some(1), "{arguments}: {stderr}");
        assert!(stderr.contains("No space left"), "{stderr}");
    }
}

/// Waits for the command to say that it waits: it does so at a terminal alone, so
/// its threads are looked at instead. (An interpreter that runs it has others.)
fn wait_for_its_threads(pid: u32) {
    let waits = |task: &std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        task.file_name() != pid.to_string().as_str() && name.starts_with("svidex")
    };
    let give_up = Instant::now() + HANG_GUARD;
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        if tasks.is_ok_and(|tasks| tasks.flatten().any(|task| waits(&task))) {
            return;
        }
        assert!(Instant::now() < give_up, "it starts no threads");
        std::thread::yield_now();
    }
}

fn ended(mut child: Child) -> ExitStatus {
    let give_up = Instant::now() + HANG_GUARD;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > give_up {
            let _ = child.kill();
            panic!("the signal has no effect");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Those that end whoever handles none.
#[cfg(target_os = "linux")]
const SIGNALS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// Where these tests run, a signal may be ignored (`nohup`, a shell's background),
/// and who is started inherits that.
fn with_default_signals(program: &str) -> Command {
    let mut env = Command::new("env");
    env.args(["--default-signal=TERM,INT,HUP", program]);
    env
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_a_wait() {
    for signal in SIGNALS {
        let child = with_default_signals(program())
            .args([
                "svid",
                "--endpoint-socket",
                "unix:///nonexistent/agent.sock",
            ])
            .args(["--call-timeout-seconds", "600"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        wait_for_its_threads(child.id());
        kill_process(Pid::from_child(&child), signal).expect("it is there");
        assert_eq!(ended(child).signal(), Some(signal.as_raw()));
    }
}

/// What the first process of a container does not handle, the kernel withholds.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stdout, reason = "a test that says why it is skipped")]
fn a_signal_ends_an_init_process() {
    // util-linux makes the namespace and says whether it may.
    let unshare = |command: &str| {
        let mut unshare = with_default_signals("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", command]);
        unshare.stderr(Stdio::null());
        unshare
    };
    if !unshare("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skipped: this process may not make a PID namespace");
        return;
    }
    for signal in SIGNALS {
        let child = unshare(program())
            .args([
                "svid",
                "--endpoint-socket",
                "unix:///nonexistent/agent.sock",
            ])
            .args(["--call-timeout-seconds", "600"])
            .stdout(File::create("/dev/null").expect("a device"))
            .spawn()
            .expect("the command starts");
        let give_up = Instant::now() + HANG_GUARD;
        let init = loop {
            assert!(Instant::now() < give_up, "no child of unshare");
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            let children = std::fs::read_to_string(children).unwrap_or_default();
            match children.trim().parse() {
                Ok(pid) => break pid,
                Err(_) => std::thread::yield_now(),
            }
        };
        wait_for_its_threads(init);
        let process = i32::try_from(init).ok().and_then(Pid::from_raw);
        kill_process(process.expect("a process"), signal).expect("it is there");
        // unshare ends as its child did.
        assert_eq!(ended(child).code(), Some(128 + signal.as_raw()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_it_fails_in_words() {
    for limit in 3..12 {
        let (status, stderr) = through_a_shell(&format!(
            "ulimit -n {limit}; exec \"$SVIDEX\" svid --call-timeout-seconds 0.5"
        ));
        // Too few for the loader itself is the loader's error, and the shell's status.
        let by_loader = stderr.contains("error while loading shared libraries");
        let documented = [Some(0), Some(1), Some(3), Some(5)].contains(&status);
        assert!(by_loader || documented, "{limit}: {status:?} {stderr}");
        assert!(!stderr.contains("panicked"), "{limit}: {stderr}");
    }
}
