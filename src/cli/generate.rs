//! `completions` and `man`: what is generated from the command line itself.

mod completions;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};

use super::{Cli, Globals, bench};
use crate::bench::verdict;
use crate::exit::{Exit, Failure};
use completions::Shell;

/// Print shell completions: verbs, flags, targets, events and their fields
///
/// With --dialect-file the events of your own dialects are completed too. New shells read the script.
///
/// Jobs are those that the relay knows which the command line, the environment or the configuration names, as far as it lists
/// them to you; where none answers within a quarter of a second, none are offered.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire completions bash > ~/.local/share/bash-completion/completions/jobwire\n  \
    jobwire completions zsh > ~/.zfunc/_jobwire            where ~/.zfunc is in fpath before compinit\n  \
    jobwire completions fish > ~/.config/fish/completions/jobwire.fish\n  \
    source <(jobwire completions bash --dialect-file builds.toml)")]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit> {
        let script = self.shell.script(Cli::command(), &globals.dialects);
        io::stdout().write_all(script.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        Ok(Exit::Success)
    }
}

/// Write the manual pages, one for each verb and others by subject, into a directory
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire man pages && man -l pages/jobwire-protocol.7\n  \
    sudo install -Dm644 -t /usr/local/share/man/man1 pages/*.1\n  \
    sudo install -Dm644 -t /usr/local/share/man/man5 pages/*.5\n  \
    sudo install -Dm644 -t /usr/local/share/man/man7 pages/*.7")]
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
        write_pages(&command, &self.dir)?;
        for page in HAND_WRITTEN {
            write(&self.dir.join(format!("{}.{}", page.name, page.section)), page.text)?;
        }
        Ok(Exit::Success)
    }
}

/// A page that cannot be generated from the command line.
struct Page {
    name: &'static str,
    section: u8,
    text: &'static str,
}

/// Pages that are written by hand.
const HAND_WRITTEN: [Page; 8] = [
    Page { name: "jobwire-dialects", section: 5, text: include_str!("../../man/jobwire-dialects.5") },
    Page { name: "jobwire.toml", section: 5, text: include_str!("../../man/jobwire.toml.5") },
    Page { name: "jobwire-capacity", section: 7, text: include_str!("../../man/jobwire-capacity.7") },
    Page { name: "jobwire-protocol", section: 7, text: include_str!("../../man/jobwire-protocol.7") },
    Page { name: "jobwire-proxy", section: 7, text: include_str!("../../man/jobwire-proxy.7") },
    Page { name: "jobwire-redis", section: 7, text: include_str!("../../man/jobwire-redis.7") },
    Page { name: "jobwire-tokens", section: 7, text: include_str!("../../man/jobwire-tokens.7") },
    Page { name: "jobwire-workers", section: 7, text: include_str!("../../man/jobwire-workers.7") },
];

/// Writes the page of a command and those of all below it.
fn write_pages(command: &Command, dir: &Path) -> Result<()> {
    write_page(command, dir)?;
    command.get_subcommands().try_for_each(|verb| write_pages(verb, dir))
}

/// The date on the pages. A constant, so that the same source gives the same pages; moved on with a release.
const PAGES_DATED: &str = "2026-11-21";

/// Writes the page of a command that is built, `jobwire-serve.1` for `jobwire serve`.
fn write_page(command: &Command, dir: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or("jobwire").to_owned();
    let source = concat!("jobwire ", env!("CARGO_PKG_VERSION"));
    // These pages have sections of their own for the text that the help shows below the examples.
    let command = match name.as_str() {
        "jobwire" => command.clone().after_long_help(super::EXAMPLES),
        "jobwire-bench" => command.clone().after_long_help(bench::EXAMPLES),
        _ => command.clone(),
    };
    let page = clap_mangen::Man::new(with_usage(command))
        .title(name.to_uppercase())
        .date(PAGES_DATED)
        .source(source)
        .manual("User Commands");
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    let page = headed(&tidy(&String::from_utf8(roff)?)) + &more(&name) + &see_also(&name);
    write(&dir.join(format!("{name}.1")), &page)
}

/// Sets the usage line of the help, which is clearer than the generator's list of flags.
fn with_usage(mut command: Command) -> Command {
    let usage = command.render_usage().to_string();
    let forms = usage.trim_start_matches("Usage: ").to_owned();
    command.override_usage(forms)
}

/// What a page says beyond its flags.
fn more(name: &str) -> String {
    let all = |words: Vec<String>| {
        let bold: Vec<String> =
            words.iter().map(|word| format!("\\fB{}\\fR", word.replace('-', "\\-"))).collect();
        bold.join(",\n")
    };
    match name {
        "jobwire-bench" => include_str!("generate/bench.roff")
            .replace("@TIMINGS@", &all(verdict::timings()))
            .replace("@PARTS@", &all(verdict::parts()))
            .replace("@COUNTED@", &all(verdict::counted()))
            .replace("@NUMBERS@", &all(verdict::numbers())),
        "jobwire-bench-compare" => include_str!("generate/bench-compare.roff").to_owned(),
        "jobwire" => include_str!("generate/jobwire.roff").to_owned(),
        "jobwire-attach" => include_str!("generate/attach.roff").to_owned(),
        "jobwire-demo" => include_str!("generate/demo.roff").to_owned(),
        "jobwire-publish" => include_str!("generate/publish.roff").to_owned(),
        "jobwire-serve" => include_str!("generate/serve.roff").to_owned(),
        "jobwire-top" => include_str!("generate/top.roff").to_owned(),
        _ => String::new(),
    }
}

/// The pages of a command and of all below it.
fn pages(command: &Command, name: &str) -> Vec<String> {
    let below =
        command.get_subcommands().flat_map(|verb| pages(verb, &format!("{name}-{}", verb.get_name())));
    std::iter::once(name.to_owned()).chain(below).collect()
}

/// Every page but this one.
fn see_also(name: &str) -> String {
    let pages = pages(&Cli::command(), "jobwire").into_iter().map(|name| (name, 1_u8));
    let others = HAND_WRITTEN.iter().map(|page| (page.name.to_owned(), page.section));
    let pages = pages.chain(others).filter(|(other, _)| other != name);
    let lines = pages.map(|(page, section)| format!(".BR {} ({section})", page.replace('-', "\\-")));
    format!(".SH \"SEE ALSO\"\n{}\n", lines.collect::<Vec<_>>().join(",\n"))
}

fn write(path: &Path, page: &str) -> Result<()> {
    fs::write(path, page).with_context(|| format!("could not write {}", path.display()))
}

/// Replaces the generator's section `EXTRA` by sections for the examples, which stay unchanged, the notes, and the exit codes.
fn headed(page: &str) -> String {
    let Some((before, extra)) = page.split_once(".SH EXTRA\nExamples:\n") else { return page.to_owned() };
    let (extra, after) = extra.split_at(extra.find("\n.SH ").map_or(extra.len(), |end| end + 1));
    let mut paragraphs = extra.trim_end().split("\n\n");
    let examples = paragraphs.next().unwrap_or_default();
    let (codes, notes): (Vec<&str>, Vec<&str>) =
        paragraphs.partition(|paragraph| paragraph.starts_with(EXIT_CODES));
    let notes = match notes.as_slice() {
        [] => String::new(),
        notes => format!(".SH NOTES\n{}\n", notes.join("\n\n")),
    };
    let codes: String = codes.into_iter().map(exit_status).collect();
    format!("{before}.SH EXAMPLES\n.nf\n{examples}\n.fi\n{notes}{codes}{after}")
}

/// Beginning of the paragraph with the exit codes in a help text.
const EXIT_CODES: &str = "Exit codes: ";

/// Section with the exit codes of a help text such as `0 done; 1 a step failed; else …`, with an item for each number.
fn exit_status(paragraph: &str) -> String {
    let codes = paragraph.trim_start_matches(EXIT_CODES).trim_end_matches('.');
    let item = |text: &str| match text.split_once(' ') {
        Some((code, meaning)) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!(".TP\n{code}\n{meaning}\n")
        }
        _ => format!(".PP\n{text}\n"),
    };
    format!(".SH \"EXIT STATUS\"\n{}", codes.split("; ").map(item).collect::<String>())
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
