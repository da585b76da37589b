//! What a bridge is to do, from options and file, with every value looked at before
//! anything is done.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use svidex::{Config, TokenKind, binding};

use super::document::{Document, Table};
use super::hooks::{Command, Signal};
use super::options::{Bridge, LogFormat};
use super::target::{Access, Target};

/// A value that is wrong, by the name of its option or key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(super) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<svidex::Error> for Wrong {
    fn from(error: svidex::Error) -> Self {
        Self(error.message().to_owned())
    }
}

/// What stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The token and nothing else, not even a line end.
    Token,
    /// As `--json` prints it.
    Json,
}

pub(crate) struct Entry {
    pub(crate) kind: TokenKind,
    /// None for the configured one.
    pub(crate) audience: Option<String>,
    pub(crate) format: Format,
    pub(crate) access: Access,
    pub(crate) target: Target,
    /// The option or key that names it.
    pub(crate) name: String,
}

/// Where the bridge answers those who ask how it is.
pub(crate) enum StatusSocket {
    At(PathBuf),
    /// Where it is looked for, too: nobody asked for it.
    Default(PathBuf),
    Nowhere,
}

pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) entries: Vec<Entry>,
    pub(crate) keep_on_denial: bool,
    pub(crate) remove_on_exit: bool,
    pub(crate) exec: Option<Command>,
    pub(crate) signal: Option<Signal>,
    pub(crate) ready_file: Option<Target>,
    pub(crate) status_socket: StatusSocket,
    pub(crate) log_format: LogFormat,
}

/// What holds for all entries that say nothing else.
struct Defaults {
    mode: Option<String>,
    owner: Option<String>,
    make_directory: bool,
}

impl Plan {
    pub(crate) fn of(bridge: Bridge) -> Result<Self, Wrong> {
        let own_file = bridge.config.as_deref();
        let own_file = own_file.map(|path| path_called("--config", path));
        let own_file = own_file.transpose()?;
        let mut document = match &own_file {
            Some(path) => Document::read(path)?,
            None => Document::default(),
        };
        let top = &mut document.top;
        let config = config(bridge.options.into(), top)?;
        let option = |value: Option<String>, top: &mut Table, option, key| match value {
            Some(value) => Ok(Some((option, value))),
            None => Ok::<_, Wrong>(top.text(key)?.map(|value| (key, value))),
        };
        let flag = |value: bool, top: &mut Table, key| Ok::<_, Wrong>(top.flag(key)? || value);
        let defaults = Defaults {
            mode: named_first(option(bridge.mode, top, "--mode", "mode")?, mode)?,
            owner: named_first(option(bridge.owner, top, "--owner", "owner")?, owner)?,
            make_directory: flag(bridge.make_directory, top, "make_directory")?,
        };
        let keep_on_denial = flag(bridge.keep_on_denial, top, "keep_on_denial")?;
        let remove_on_exit = flag(bridge.remove_on_exit, top, "remove_on_exit")?;
        let exec = match bridge.exec {
            Some(line) => Some(Command::of_line("--exec", &line)?),
            None => top.command("exec")?,
        };
        let pid_file = option(bridge.signal, top, "--signal", "signal_pid_file")?;
        let number = option(bridge.signal_name, top, "--signal-name", "signal")?;
        let signal = match (pid_file, number) {
            (None, Some((name, _))) => {
                return Err(Wrong(format!(
                    "{name} says which signal to send, and nothing says to whom: set \
                     signal_pid_file"
                )));
            }
            (None, None) => None,
            (Some((name, path)), number) => Some(Signal::new(path_called(name, &path)?, number)?),
        };
        let ready_file = option(bridge.ready_file, top, "--ready-file", "ready_file")?;
        let ready_file = ready_file
            .map(|(name, path)| target(name, &path, Access::PRIVATE, defaults.make_directory))
            .transpose()?;
        let socket = option(
            bridge.status_socket,
            top,
            "--status-socket",
            "status_socket",
        )?;
        let status_socket = status_socket(socket)?;
        let log_format = match bridge.log_format {
            Some(format) => format,
            None => top
                .choice(
                    "log_format",
                    &[("text", LogFormat::Text), ("json", LogFormat::Json)],
                )?
                .unwrap_or_default(),
        };
        let mut entries = Vec::new();
        for (name, kind, path) in [
            ("--svid-file", TokenKind::Subject, bridge.svid_file),
            (
                "--access-token-file",
                TokenKind::Access,
                bridge.access_token_file,
            ),
        ] {
            if let Some(path) = path {
                entries.push(defaults.entry(name, kind, &path, &mut Table::default())?);
            }
        }
        for (key, kind) in [
            ("svid", TokenKind::Subject),
            ("access_token", TokenKind::Access),
        ] {
            for mut table in document.tables(key)? {
                let name = table.name("path");
                let path = table.text("path")?.ok_or_else(|| {
                    Wrong(format!("{name} is missing: it names the file to keep"))
                })?;
                let entry = defaults.entry(&name, kind, &path, &mut table)?;
                table.finish()?;
                entries.push(entry);
            }
        }
        document.top.finish()?;
        let plan = Self {
            config,
            entries,
            keep_on_denial,
            remove_on_exit,
            exec,
            signal,
            ready_file,
            status_socket,
            log_format,
        };
        plan.check(own_file.as_deref())?;
        Ok(plan)
    }

    fn check(&self, own_file: Option<&Path>) -> Result<(), Wrong> {
        if self.entries.is_empty() {
            return Err(Wrong(
                "there is nothing to keep: name a file with --svid-file or --access-token-file, or \
                 several in a file with --config"
                    .to_owned(),
            ));
        }
        // Where two names lead to one file, the later writer would win each time.
        let mut seen: BTreeMap<Place, String> = BTreeMap::new();
        let mut once = |path: &Path, name: &str| match seen.insert(place(path), name.to_owned()) {
            Some(other) if other != name => Err(Wrong(format!(
                "{name} and {other} name the same file, {}: each needs one of its own",
                path.display()
            ))),
            _ => Ok(()),
        };
        for entry in &self.entries {
            once(entry.target.path(), &entry.name)?;
        }
        if let Some(target) = &self.ready_file {
            once(target.path(), "ready_file")?;
        }
        if let Some(signal) = &self.signal {
            once(signal.pid_file(), "signal_pid_file")?;
        }
        if let StatusSocket::At(path) | StatusSocket::Default(path) = &self.status_socket {
            once(path, "status_socket")?;
        }
        // What is read is where a link leads, too: a bridge would feed itself.
        let mut read = |path: &Path, name: &str| {
            once(path, name)?;
            path.canonicalize().map_or(Ok(()), |path| once(&path, name))
        };
        for (name, file) in [
            ("identity_token_file", &self.config.identity_token_file),
            ("ca_file", &self.config.ca_file),
        ] {
            if let Some(file) = file {
                read(&binding::parse_path(name, file)?, name)?;
            }
        }
        if let Some(file) = own_file {
            read(file, "--config")?;
        }
        for entry in &self.entries {
            (entry.target.check())
                .map_err(|problem| Wrong(format!("{}: {problem}", entry.name)))?;
        }
        if let Some(target) = &self.ready_file {
            (target.check()).map_err(|problem| Wrong(format!("ready_file: {problem}")))?;
        }
        Ok(())
    }
}

impl Defaults {
    fn entry(
        &self,
        name: &str,
        kind: TokenKind,
        path: &str,
        table: &mut Table,
    ) -> Result<Entry, Wrong> {
        let named = |value: Option<String>, key: &str| value.map(|it| (table_name(name, key), it));
        let mode_text = named(table.text("mode")?, "mode");
        let owner_text = named(table.text("owner")?, "owner");
        let audience = match kind {
            TokenKind::Subject => table.text("audience")?,
            TokenKind::Access => None,
        };
        let format = table
            .choice(
                "format",
                &[("token", Format::Token), ("json", Format::Json)],
            )?
            .unwrap_or(Format::Token);
        let mode_text = mode_text.or_else(|| Some(("mode".to_owned(), self.mode.clone()?)));
        let owner_text = owner_text.or_else(|| Some(("owner".to_owned(), self.owner.clone()?)));
        let access = Access {
            mode: mode_text.map_or(Ok(0o600), |(name, text)| mode(&name, &text))?,
            owner: owner_text
                .map(|(name, text)| owner(&name, &text))
                .transpose()?,
        };
        Ok(Entry {
            kind,
            audience,
            format,
            access,
            target: target(name, path, access, self.make_directory)?,
            name: name.to_owned(),
        })
    }
}

/// The key beside the one called `name`.
fn table_name(name: &str, key: &str) -> String {
    match name.rsplit_once('.') {
        Some((table, _)) => format!("{table}.{key}"),
        None => key.to_owned(),
    }
}

/// A default is looked at under its own name, used or not.
fn named_first<T>(
    value: Option<(&str, String)>,
    check: impl FnOnce(&str, &str) -> Result<T, Wrong>,
) -> Result<Option<String>, Wrong> {
    let Some((name, text)) = value else {
        return Ok(None);
    };
    check(name, &text)?;
    Ok(Some(text))
}

/// The provider's settings: an option beats the file, and both beat the environment.
fn config(mut config: Config, top: &mut Table) -> Result<Config, Wrong> {
    let has_source = config.endpoint_socket.is_some() || config.identity_token_file.is_some();
    for (key, slot) in [
        ("endpoint_socket", &mut config.endpoint_socket),
        ("identity_token_file", &mut config.identity_token_file),
    ] {
        let value = top.text(key)?;
        if !has_source {
            *slot = value;
        }
    }
    for (key, slot) in [
        ("audience", &mut config.audience),
        ("spiffe_id", &mut config.spiffe_id),
        ("hint", &mut config.hint),
        ("identity_provider_id", &mut config.identity_provider_id),
        ("service_account_id", &mut config.service_account_id),
        ("client_id", &mut config.client_id),
        ("token_endpoint", &mut config.token_endpoint),
        ("ca_file", &mut config.ca_file),
    ] {
        let value = top.text(key)?;
        *slot = slot.take().or(value);
    }
    for (key, slot) in [
        ("refresh_buffer_seconds", &mut config.refresh_buffer_seconds),
        (
            "request_timeout_seconds",
            &mut config.request_timeout_seconds,
        ),
        ("call_timeout_seconds", &mut config.call_timeout_seconds),
    ] {
        let value = top.number(key)?;
        *slot = slot.take().or(value);
    }
    let mut config = binding::with_environment(config)?;
    // It keeps such files, and would wait for itself.
    config.access_token_file = None;
    Ok(config)
}

fn path_called(name: &str, text: &str) -> Result<PathBuf, Wrong> {
    binding::parse_path("the path", text).map_err(|error| {
        let words = error.message();
        Wrong(format!("{name}: {words}"))
    })
}

fn target(name: &str, path: &str, access: Access, make_directory: bool) -> Result<Target, Wrong> {
    let path = path_called(name, path)?;
    Target::new(&path, access, make_directory).map_err(|why| {
        let path = path.display();
        Wrong(format!("{name}: {path} {why}"))
    })
}

/// Where a name stands: the directory that is there, whatever path leads to it, and what
/// follows.
type Place = (u64, u64, PathBuf);

/// Of a file in a directory that is not made yet, too.
fn place(path: &Path) -> Place {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return (0, 0, path.to_owned());
    };
    let (device, inode, rest) = match directory.metadata() {
        Ok(there) => (there.dev(), there.ino(), PathBuf::new()),
        Err(_) => place(directory),
    };
    (device, inode, rest.join(name))
}

fn mode(name: &str, text: &str) -> Result<u32, Wrong> {
    let shown = binding::without_tokens(text);
    let wrong = |why: &str| Err(Wrong(format!("{name} is {shown:?}: {why}")));
    let digits = text.trim();
    let digits = digits.strip_prefix("0o").unwrap_or(digits);
    // Which would take a sign, too.
    let is_number = digits.starts_with(|it: char| it.is_digit(8));
    let Some(mode) = u32::from_str_radix(digits, 8).ok().filter(|_| is_number) else {
        return wrong("it takes a mode in octal, such as 0600 or 0640");
    };
    if mode & 0o002 != 0 {
        return wrong("others could write the file, and so choose whose token is used");
    }
    if mode & !0o664 != 0 || mode & 0o400 == 0 {
        return wrong(
            "a token's file can be read by its owner, and by a group or others if you say so; it \
             is no program",
        );
    }
    Ok(mode)
}

fn owner(name: &str, text: &str) -> Result<(u32, u32), Wrong> {
    let text = text.trim();
    let shown = binding::without_tokens(text);
    let unknown = |what: &str| {
        Wrong(format!(
            "{name} is {shown:?}: there is no such {what} here; it takes USER or USER:GROUP, by \
             name or number"
        ))
    };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let found = entry_of("/etc/passwd", user);
    let uid = number(user).or(found.map(|it| it.0));
    let uid = uid.ok_or_else(|| unknown("user"))?;
    let gid = match group {
        Some(group) => {
            let found = || entry_of("/etc/group", group).map(|it| it.0);
            (number(group).or_else(found)).ok_or_else(|| unknown("group"))?
        }
        None => found.map_or_else(|| rustix::process::getegid().as_raw(), |it| it.1),
    };
    Ok((uid, gid))
}

/// The last one stands for "as it is" (chown(2)).
fn number(text: &str) -> Option<u32> {
    let is_number = text.starts_with(|it: char| it.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.filter(|it| *it != u32::MAX)
}

/// The number of a user or a group, and of a user's group. Read as it stands: a static
/// program has no other way to ask.
fn entry_of(file: &str, name: &str) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [it, _, first, rest @ ..] = &fields[..] else {
            return None;
        };
        if *it != name && *first != name {
            return None;
        }
        let second = rest.first().and_then(|it| it.parse().ok()).unwrap_or(0);
        Some((first.parse().ok()?, second))
    })
}

fn status_socket(given: Option<(&str, String)>) -> Result<StatusSocket, Wrong> {
    if let Some((name, path)) = given {
        return Ok(StatusSocket::At(path_called(name, &path)?));
    }
    Ok(default_status_socket().map_or(StatusSocket::Nowhere, StatusSocket::Default))
}

/// Where a bridge with these options answers; `None` if nothing says so.
pub(super) fn asked_at(bridge: &Bridge) -> Result<Option<PathBuf>, Wrong> {
    let given = match (&bridge.status_socket, &bridge.config) {
        (Some(path), _) => Some(("--status-socket", path.clone())),
        (None, Some(path)) => {
            let mut document = Document::read(&path_called("--config", path)?)?;
            let path = document.top.text("status_socket")?;
            path.map(|path| ("status_socket", path))
        }
        (None, None) => None,
    };
    Ok(match status_socket(given)? {
        StatusSocket::At(path) | StatusSocket::Default(path) => Some(path),
        StatusSocket::Nowhere => None,
    })
}

fn default_status_socket() -> Option<PathBuf> {
    let of = |name: &str| {
        let value = std::env::var(name).ok()?;
        // systemd separates several by colons.
        let first = PathBuf::from(value.split(':').next()?);
        first
            .is_absolute()
            .then(|| first.join("svidex-bridge.sock"))
    };
    of("RUNTIME_DIRECTORY").or_else(|| of("XDG_RUNTIME_DIR"))
}
