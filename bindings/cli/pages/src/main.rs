//! Writes what a shell and `man` know of the command, out of the very definitions that
//! parse its arguments.
//!
//! usage: svidex-pages FOLDER
//!
//!   bash-completion/completions/svidex, zsh/site-functions/_svidex,
//!   fish/vendor_completions.d/svidex.fish, man/man1/svidex.1 and one for each command:
//!   as they lie below share/ of a prefix.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap_complete::{Shell, generate};

const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/svidex"),
    (Shell::Zsh, "zsh/site-functions/_svidex"),
    (Shell::Fish, "fish/vendor_completions.d/svidex.fish"),
];

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("usage: svidex-pages FOLDER"))?;
    for (shell, name) in COMPLETIONS {
        let mut file = create(&folder.join(name))?;
        generate(shell, &mut svidex_cli::definition(), "svidex", &mut file);
    }
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(svidex_cli::definition(), &pages)?;
    let main = pages.join("svidex.1");
    let text = fs::read_to_string(&main)?;
    fs::write(&main, with_status_as_a_table(&text))
}

/// The help's last part is a table, whose lines are not a paragraph's.
fn with_status_as_a_table(page: &str) -> String {
    page.replace(".SH EXTRA\nExit status:\n", ".SH \"EXIT STATUS\"\n.nf\n")
        .replace("\n.SH VERSION\n", "\n.fi\n.SH VERSION\n")
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(path)
}
