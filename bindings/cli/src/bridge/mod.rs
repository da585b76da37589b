//! `svidex bridge`: keeps files fresh for programs that read files.

mod document;
mod hooks;
mod keeper;
mod log;
mod notify;
mod options;
mod plan;
mod status;
pub(crate) mod target;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use svidex::TokenKind;

use self::hooks::Hooks;
use self::keeper::{Keeper, Once};
use self::log::Log;
use self::notify::Notify;
pub(crate) use self::options::Bridge;
use self::plan::{Plan, StatusSocket, Wrong};
use self::status::Board;
use crate::commands::print;
use crate::failure::Failure;
use crate::process::{outlive_the_limit_of_file_size, signals};

/// What the end may wait for: a write that hangs, say.
const LAST_WORDS: Duration = Duration::from_millis(700);

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Usage(wrong.to_string())
    }
}

pub(crate) fn run(bridge: Bridge) -> Result<ExitCode, Failure> {
    if bridge.status {
        return ask(bridge);
    }
    let (once, check) = (bridge.once, bridge.check_config);
    let plan = Plan::of(bridge)?;
    let (providers, of_entries) = keeper::providers(&plan)?;
    if check {
        return print(&summary(&plan, &providers, &of_entries));
    }
    outlive_the_limit_of_file_size();
    let mut ended = signals(&[]).map_err(Failure::Input)?;
    let log = Log::start(plan.log_format).map_err(Failure::Input)?;
    let (wake, woken) = sync_channel(1);
    let ending = Arc::new(AtomicBool::new(false));
    for provider in &providers {
        let (log, wake, audience) = (log.clone(), wake.clone(), provider.status().audience);
        provider.observe(move |event| {
            log.of_library(&audience, event);
            // One is enough: everything is looked at.
            let _ = wake.try_send(());
        });
    }
    // The end comes in time, also where something hangs: the file system that is looked
    // at next, say.
    let end = Arc::clone(&ending);
    std::thread::Builder::new()
        .name("svidex-signals".to_owned())
        .spawn(move || {
            let (signal, _) = ended.wait();
            end.store(true, Ordering::Release);
            let _ = wake.try_send(());
            std::thread::sleep(LAST_WORDS);
            signal_hook::low_level::exit(if once { 128 + signal } else { 0 });
        })
        .map_err(Failure::Input)?;
    // Before anything is touched that may be another bridge's.
    let board = Board::default();
    let listens_at = match once {
        true => None,
        false => listen(&board, plan.status_socket, &log)?,
    };
    let limit = providers[0].call_timeout();
    let mut hooks = Hooks::new(plan.exec, plan.signal, log.clone());
    let mut keeper = Keeper::new(
        providers,
        of_entries,
        plan.entries,
        plan.keep_on_denial,
        log.clone(),
    );
    let mut notify = Notify::new(plan.ready_file);
    if once {
        let written = keeper.write_once(limit);
        let outcome = match written {
            Ok(changed) => {
                hooks.tell_and_wait(changed, limit);
                notify.ready(&log).map(|()| ExitCode::SUCCESS)
            }
            Err(Once::NoToken(error)) => Err(Failure::Library(error)),
            Err(Once::NotWritten(problem)) => Err(Failure::File(problem.to_string())),
        };
        log.flush();
        return outcome;
    }
    let files = match keeper.paths().len() {
        1 => "one file".to_owned(),
        count => format!("{count} files"),
    };
    log.info("started", &format!("keeps {files}"));
    let start = Instant::now();
    while !ending.load(Ordering::Acquire) {
        let changed = keeper.look(start.elapsed());
        if !notify.is_ready() && keeper.all_are_written() {
            // It says what is wrong, and is tried again with the next look.
            let _ = notify.ready(&log);
        }
        hooks.tell(changed);
        let (files, tokens) = keeper.status();
        board.show(files, tokens, notify.is_ready());
        notify.alive();
        let _ = woken.recv_timeout(keeper.rest());
    }
    notify.stopping();
    if plan.remove_on_exit {
        keeper.remove_all();
    }
    log.info("stopped", "ends");
    log.flush();
    if let Some(path) = listens_at {
        let _ = std::fs::remove_file(path);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where it can be asked how it is, if it can. One that nobody asked for is no reason
/// to do without the rest.
fn listen(board: &Board, socket: StatusSocket, log: &Log) -> Result<Option<PathBuf>, Failure> {
    match socket {
        StatusSocket::Nowhere => Ok(None),
        StatusSocket::At(path) => match board.serve(&path) {
            Ok(()) => Ok(Some(path)),
            Err(error) => {
                let place = path.display();
                Err(Failure::File(format!(
                    "{place} cannot be listened at: {error}"
                )))
            }
        },
        StatusSocket::Default(path) => match board.serve(&path) {
            Ok(()) => Ok(Some(path)),
            Err(error) => {
                let place = path.display();
                log.warning("status", &format!("nobody can ask at {place}: {error}"));
                Ok(None)
            }
        },
    }
}

/// What a bridge would do, a line for each file.
fn summary(plan: &Plan, providers: &[svidex::Provider], of_entries: &[usize]) -> String {
    let mut lines = Vec::new();
    let status = providers[0].status();
    lines.push(format!("SVIDs come from {}", status.source));
    for (entry, provider) in plan.entries.iter().zip(of_entries) {
        let audience = providers[*provider].status().audience;
        let what = match entry.kind {
            TokenKind::Subject => format!("a JWT-SVID for {audience}"),
            TokenKind::Access => "an OpenAI access token".to_owned(),
        };
        let owner = entry.access.owner;
        let owner = owner.map_or_else(String::new, |(user, group)| {
            format!(", owner {user}:{group}")
        });
        lines.push(format!(
            "keeps {what} in {} (mode {:04o}{owner}, as {})",
            entry.target.path().display(),
            entry.access.mode,
            match entry.format {
                plan::Format::Token => "the token alone",
                plan::Format::Json => "JSON",
            }
        ));
    }
    for (flag, words) in [
        (
            plan.keep_on_denial,
            "files stay when the identity is withdrawn",
        ),
        (plan.remove_on_exit, "files go when it ends"),
    ] {
        lines.extend(flag.then(|| words.to_owned()));
    }
    if let Some(command) = &plan.exec {
        lines.push(format!("after a change it runs: {}", command.shown()));
    }
    if let Some(signal) = &plan.signal {
        let (name, file) = (signal.name(), signal.pid_file().display());
        lines.push(format!(
            "after a change it sends SIG{name} to the process in {file}"
        ));
    }
    if let Some(file) = &plan.ready_file {
        let file = file.path().display();
        lines.push(format!("{file} is there once all files were written"));
    }
    if let StatusSocket::At(path) | StatusSocket::Default(path) = &plan.status_socket {
        lines.push(format!("it answers --status at {}", path.display()));
    }
    lines.join("\n")
}

fn ask(bridge: Bridge) -> Result<ExitCode, Failure> {
    let path = plan::asked_at(&bridge)?;
    let path = path.ok_or_else(|| {
        Failure::Usage(
            "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set: name the socket with \
             --status-socket"
                .to_owned(),
        )
    })?;
    let text = status::ask(&path).map_err(|error| {
        let place = path.display();
        let advice = "is the bridge running, with the same --status-socket?";
        Failure::NoAnswer(format!("no bridge answers at {place}: {error}; {advice}"))
    })?;
    let healthy = serde_json::from_str::<serde_json::Value>(&text)
        .is_ok_and(|status| status["healthy"] == true);
    print(text.trim_end())?;
    Ok(ExitCode::from(u8::from(!healthy)))
}
