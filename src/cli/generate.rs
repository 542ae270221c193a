//! `completions` and `man`: what is generated from the command line itself.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory, ValueEnum};

use super::{Cli, Globals};
use crate::exit::{Exit, Failure};

/// Print shell completions
///
/// For bash: `jobwire completions bash > ~/.local/share/bash-completion/completions/jobwire`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl CompletionsArgs {
    pub(super) fn run(self, _globals: &Globals) -> Result<Exit> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        // Into memory first: the generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "jobwire", &mut script);
        io::stdout().write_all(&script).map_err(|error| Failure::stdout(&error))?;
        Ok(Exit::Success)
    }
}

/// Write manual pages, one a verb, into a directory
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where to write them; made if it does not exist.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl ManArgs {
    pub(super) fn run(self, _globals: &Globals) -> Result<Exit> {
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("could not create the directory {}", self.dir.display()))?;
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        write_page(&command, &self.dir)?;
        for verb in command.get_subcommands() {
            write_page(verb, &self.dir)?;
        }
        Ok(Exit::Success)
    }
}

/// The date on the pages. A constant, so that the same source gives the same pages; moved on with a release.
const PAGES_DATED: &str = "2026-11-21";

/// Writes the page of a command that is built, `jobwire-serve.1` for `jobwire serve`.
fn write_page(command: &Command, dir: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or("jobwire").to_owned();
    let source = concat!("jobwire ", env!("CARGO_PKG_VERSION"));
    let page = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .date(PAGES_DATED)
        .source(source)
        .manual("User Commands");
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, tidy(&String::from_utf8(roff)?))
        .with_context(|| format!("could not write {}", path.display()))
}

/// Drops what the generator leaves for `mandoc -Tlint` to warn of: line breaks beside a blank line, which says as much,
/// and blanks at the end of a line.
fn tidy(roff: &str) -> String {
    let lines: Vec<&str> = roff.lines().map(str::trim_end).collect();
    let is_blank =
        |index: Option<usize>| index.and_then(|i| lines.get(i)).is_some_and(|line| line.is_empty());
    let keep = |i: &usize| lines[*i] != ".br" || !(is_blank(i.checked_sub(1)) || is_blank(i.checked_add(1)));
    let kept: Vec<&str> = (0..lines.len()).filter(keep).map(|i| lines[i]).collect();
    kept.join("\n") + "\n"
}
